"""Under the pictures: the verdict in words, theory beside it, then how the run is doing."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Size
from textual.strip import Strip

from tui.strips import StripWidget, line_of, ranked_line

if TYPE_CHECKING:
    from tui.lab.live import LiveRun


class VerdictBar(StripWidget):
    """What became of the gradient, and how the run is doing."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "verdict--vanishing",
        "verdict--exploding",
        "verdict--healthy",
        "verdict--dead",
        "verdict--overflow",
        "verdict--failed",
        "verdict--words",
        "verdict--label",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run: LiveRun | None = None
        self._device = ""
        self._pace: float | None = None
        self._failure: str | None = None

    def show(self, run: LiveRun | None, device: str, pace: float | None) -> None:
        """Show a run's newest frame."""
        self._run, self._device, self._pace = run, device, pace
        self.redraw()

    def show_failure(self, line: str | None) -> None:
        """Show why the run asked for did not come about; None takes the line away."""
        if line != self._failure:
            self._failure = line
            self.redraw()

    def draw(self, size: Size) -> list[Strip]:
        width, lines = size.width, size.height - 1
        told = self._sentence(width, lines)
        theory = self._theory(width, min(lines - len(told), size.height - 3))
        if len(told) + len(theory) < lines:
            told += self._meaning(width)
        return [*told, *theory, self._numbers(width)]

    def _sentence(self, width: int, lines: int) -> list[Strip]:
        """What became of the gradient, and behind it or on a line of its own who did it."""
        run = self._run
        verdict = None if run is None else run.verdict
        who: list[str] = []
        if self._failure is not None:
            badge, name, wordings = "✗", "failed", [self._failure]
        elif run is None or verdict is None:
            return [Strip.blank(width)]
        else:
            from tui import words

            badge = name = verdict.name
            remedy = "set precision to float64"
            dtype = run.scenario.run.dtype
            wordings = words.wordings(verdict, dtype, remedy, trained=run.trained)
            who = self._culprits(run)
        room = width - len(badge) - 3
        if who and len(both := f"{wordings[0]}; {who[0]}") < room:
            wordings, who = [both], []
        text = _fitting(wordings, room)
        indent = " " * (len(badge) + 3)
        wrapped = _wrapped(text, width, max(lines - bool(who), 1), indent) or [""]
        plain = self.get_component_rich_style("verdict--words", partial=True)
        style = self.get_component_rich_style(f"verdict--{name}", partial=True)
        strips = [line_of(width, (f" {badge} ", style), (f" {wrapped[0].lstrip()}", plain))]
        below = wrapped[1:]
        if who and len(wrapped) < lines:
            below += _wrapped(_fitting(who, width - 1), width, 1)
        return strips + [line_of(width, (line, plain)) for line in below]

    def _meaning(self, width: int) -> list[Strip]:
        """What it means for learning, where that fits on a line."""
        verdict = None if self._run is None else self._run.verdict
        if self._failure is not None or verdict is None:
            return []
        from tui.words import meaning

        words = meaning(verdict)
        label = self.get_component_rich_style("verdict--label", partial=True)
        return [line_of(width, (f" {words}", label))] if len(words) < width else []

    def _theory(self, width: int, lines: int) -> list[Strip]:
        """How far theory is from this, in a line, or why it is silent, in as many as there are."""
        run = self._run
        if lines < 1 or self._failure is not None or run is None or run.frame is None:
            return []
        from tui.theory_words import compared, no_theory

        found, silence = run.comparison, run.theory_silence
        wordings = [] if found is None else compared(found, trained=run.trained)
        if silence is not None:
            wordings = [no_theory(silence)]
        if not wordings:
            return []
        label = self.get_component_rich_style("verdict--label", partial=True)
        wrapped = _wrapped(_fitting(wordings, width - 1), width, lines)
        return [line_of(width, (line, label)) for line in wrapped]

    def _culprits(self, run: LiveRun) -> list[str]:
        """Who kills it, ever shorter; nothing where there is nothing to split."""
        from engine.architectures import ARCHITECTURES
        from engine.culprits import culprits
        from tui.words import blame_wordings

        found = None if run.frame is None else culprits(run.frame, run.layer)
        if found is None:
            return []
        return blame_wordings(found, ARCHITECTURES[run.scenario.network.kind].layer.hop_weight)

    def _numbers(self, width: int) -> Strip:
        label = self.get_component_rich_style("verdict--label", partial=True)
        plain = self.get_component_rich_style("verdict--words", partial=True)
        run = self._run
        if run is None or run.frame is None:
            return Strip.blank(width)
        pace = "–" if self._pace is None else f"{self._pace:,.0f}"
        parts = [
            (" loss ", label, 3),
            (f"{run.frame.loss:.4g}  ", plain, 3),
            ("step ", label, 3),
            (str(run.frame.step), plain, 3),
            (f"/{run.scenario.training.steps}", plain, 1),
            ("  ", plain, 3),
        ]
        for name, value in _skill(run):
            parts += [(f"{name} ", label, 2), (f"{value}  ", plain, 2)]
        parts += [(pace, plain, 0), (" fps  ", label, 0), (self._device, plain, 3)]
        return ranked_line(width, *parts)


def _fitting(wordings: list[str], room: int) -> str:
    """The first that fits into so many cells, else the last."""
    return next((words for words in wordings if len(words) <= room), wordings[-1])


def _wrapped(text: str, width: int, lines: int, indent: str = " ") -> list[str]:
    """At most so many lines, none of them with a single word that was left over."""

    def wrap(columns: int) -> list[str]:
        return textwrap.wrap(
            text,
            columns,
            initial_indent=indent,
            subsequent_indent=" ",
            max_lines=lines,
            placeholder=" …",
        )

    ways = map(wrap, range(width, width // 2, -1))
    return next((way for way in ways if len(way) < 2 or len(way[-1].split()) > 1), wrap(width))


def _skill(run: LiveRun) -> list[tuple[str, str]]:
    """How well the network does on what it is not trained on, if anybody looked."""
    if not len(run.held_out) or run.frame is None:
        return []
    loss, accuracy = run.held_out.items[run.held_out.index_at(run.frame.step)]
    return [("held out", f"{loss:.4g}" if accuracy is None else f"{100.0 * accuracy:.1f}%")]
