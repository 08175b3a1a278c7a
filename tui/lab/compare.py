"""The compare table: the live run and those beside it in the plot, a row each."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from tui.lab.plot import LIVE_MARKER, markers
from tui.lab.standing import Standing, compact, standing
from tui.lab.view import View
from tui.strips import line_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual.geometry import Size
    from textual.strip import Strip

    from tui.lab.live import LiveRun, Pin

#: Columns that a run's name needs to be of any use.
_LEAST_NAME = 12
_NUMBERS = ("decades", "rate", "loss", "theory")


class _Row(NamedTuple):
    """A run: its marker and that marker's style, its name, and how it stands."""

    marker: str
    style: str
    name: str
    standing: Standing


class CompareView(View):
    """Verdict, decades, rate, loss, theory and culprit of every run in the plot."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "compare--head",
        "compare--words",
        "compare--live",
        *(f"compare--pin-{slot}" for slot in range(5)),
        *(f"compare--{name}" for name in ("vanishing", "exploding", "healthy", "dead", "overflow")),
    }
    name_id = "compare"
    title_word = "Compare"
    hint = "The runs in the plot, by marker. Rate: the gradient's factor a hop. p pins another."

    def title(self, run: LiveRun) -> str:
        if not self.pins:
            return "pin runs with p to set them side by side"
        return f"{1 + len(self.pins)} runs; theory as drawn, at step 0"

    def show(self, run: LiveRun | None, pins: Sequence[Pin] = ()) -> None:
        """As high as it has rows: what it leaves is the plot's."""
        self.styles.height = 2 + len(pins) + self.gutter.height
        super().show(run, pins)

    def draw(self, size: Size) -> list[Strip]:
        rows = self._rows()
        if not rows:
            return self.note(size, "no run yet", self._ink("head"))
        columns: dict[str, list[str]] = {
            "verdict": [row.standing.verdict.name for row in rows],
            "decades": [row.standing.decades for row in rows],
            "rate": [row.standing.rate for row in rows],
            "loss": [compact(row.standing.loss) for row in rows],
            "theory": [row.standing.theory for row in rows],
        }
        widths = {name: max(len(name), *map(len, cells)) for name, cells in columns.items()}
        gap = 2 if size.width >= 70 else 1
        left = size.width - 2 - sum(widths.values()) - gap * len(widths)
        room = left - gap
        short = max(len("culprit"), *(len(row.standing.culprit) for row in rows))
        brief = max([short, *(len(b) for row in rows for b in row.standing.blame[-1:])])
        name = min(max(len(row.name) for row in rows), room - short)
        # A name's end tells runs apart: sentences give way to it as far as they can be short.
        name = min(name, max(room - brief, room // 2)) if name >= _LEAST_NAME else 0
        culprit = max(left - (name + gap if name else 0), 0)

        def line(marker: tuple[str, Style], called: str, cells: list[tuple[str, Style]]) -> Strip:
            head = [marker, (" ", cells[-1][1])]
            if name:
                head.append((f"{_cut(called, name):<{name}}{' ' * gap}", cells[-1][1]))
            return line_of(size.width, *head, *cells)

        head = self._ink("head")
        who = "culprit" if culprit > 6 else "who"
        heads = [*self._cells([*columns], widths, gap, "head"), (who, head)]
        strips = [line((" ", head), "run", heads)]
        for number, row in enumerate(rows):
            texts = [cells[number] for cells in columns.values()]
            cells = self._cells(texts, widths, gap, "words")
            badge = f"{texts[0]:<{widths['verdict']}}"
            cells[:1] = [(badge, self._ink(row.standing.verdict.name)), (" " * gap, cells[0][1])]
            cells.append((_who(row.standing, culprit), self._ink("words")))
            strips.append(line((row.marker, self._ink(row.style)), row.name, cells))
        return strips

    def _rows(self) -> list[_Row]:
        run = self.run
        if run is None or run.frame is None:
            return []
        live = _Row(LIVE_MARKER, "live", run.label, standing(run, run.frame))
        signs = markers(self.unicode)
        pinned = [
            _Row(signs[pin.slot], f"pin-{pin.slot}", pin.label, pin.standing) for pin in self.pins
        ]
        return [live, *pinned]

    def _cells(
        self, texts: list[str], widths: dict[str, int], gap: int, style: str
    ) -> list[tuple[str, Style]]:
        """Numbers to the right, words to the left, a gap behind each."""
        return [
            (
                (f"{text:>{width}}" if name in _NUMBERS else f"{text:<{width}}") + " " * gap,
                self._ink(style),
            )
            for text, (name, width) in zip(texts, widths.items(), strict=True)
        ]

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"compare--{name}", partial=True)


def _who(standing: Standing, width: int) -> str:
    """The culprit in as many words as there is room for."""
    for words in (*standing.blame, standing.culprit):
        if len(words) <= width:
            return words
    return _cut(standing.culprit.rpartition(" ")[0].removeprefix("the "), width)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"[:width]
