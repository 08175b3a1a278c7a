"""Who kills it: decades lost and gained by each part of a hop, added up from the loss on.

Above the line what gave, below it what took, one on top of the other; the dots are the sum, which
is the gradient itself. The columns are those of the plot above: the far end left, the loss right.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from engine.architectures import ARCHITECTURES
from tui.lab import axis
from tui.lab.axis import GUTTER
from tui.lab.framed import foot, framed
from tui.lab.plot import LIVE_MARKER, WAITING, ends_of
from tui.lab.view import View
from tui.strips import line_of
from tui.terminal import Colours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.color import Color

    from engine.arrays import HostArray
    from engine.culprits import Culprits
    from tui.lab.live import LiveRun


class _Ink(NamedTuple):
    """How a part is drawn: its style, and its character in colour, without, and in ASCII."""

    style: str
    coloured: str
    plain: str
    ascii: str


#: What goes by the weights has one colour, what goes past them another.
_INKS = {
    "activation": _Ink("activation", "█", "█", "#"),
    "normalisation": _Ink("normalisation", "▚", "▚", "%"),
    "weights": _Ink("weights", "▓", "░", ":"),
    "skip": _Ink("carried", "▒", "▒", "="),
    "forget path": _Ink("carried", "█", "█", "#"),
    "update path": _Ink("carried", "█", "█", "#"),
    "gate paths": _Ink("weights", "▓", "░", ":"),
}
#: Decades that the picture spans at least, so that rounding does not look like a cause.
_LEAST_DECADES = 1.0
#: Room beyond the longest bar when the picture has to grow, so that it does not grow at once again.
_SPARE = 1.05
#: A side of the line gets no room for less than this share of the other side.
_NEGLIGIBLE = 0.03
#: Height from which the legend may take a second line.
_ROOMY = 12


class _Scale(NamedTuple):
    """Rows above and below the line, and the decades that a row stands for."""

    above: int
    below: int
    decades: float

    def row_of(self, value: float) -> int:
        """The row, 0 at the top, that a bar of this many decades ends in."""
        rows = abs(value) / self.decades
        if rows < 0.25:
            return self.above
        outward = math.ceil(rows - 1e-9)
        row = self.above - outward if value > 0.0 else self.above + outward
        return min(max(row, 0), self.above + self.below)


class CulpritsView(View):
    """Cumulative decades by part of a hop, stacked."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "culprits--axis",
        "culprits--words",
        "culprits--net",
        "culprits--mark",
        "culprits--activation",
        "culprits--weights",
        "culprits--normalisation",
        "culprits--carried",
    }
    name_id = "culprits"
    title_word = "who kills it"
    hint = "Below the line: what took from the gradient, above it: what gave. The dots: the sum."

    def __init__(self, *, colours: Colours, unicode: bool) -> None:
        super().__init__(colours=colours, unicode=unicode)
        # Half-blocks need both the character and a colour for each half.
        self._halves = unicode and colours != Colours.NONE
        #: Decades above and below the line, which grow with a run and never shrink.
        self._reach = (0.0, 0.0)
        self._reach_of: tuple[int, int] | None = None
        self._styles: dict[tuple[str, Color | None], Style] = {}

    def title(self, run: LiveRun) -> str:
        frame = run.frame
        of = "|∂L/∂c|" if frame is not None and "c" in frame.log10_path else "|∂L/∂h|"
        depth = run.scenario.network.depth
        where = f", layer {run.layer} of {depth}" if run.recurrent and depth > 1 else ""
        return f"decades of {of}{where}"

    def notify_style_update(self) -> None:
        """Colours may have changed."""
        self._styles.clear()
        super().notify_style_update()

    def draw(self, size: Size) -> list[Strip]:
        from engine.culprits import culprits

        run = self.run
        if run is None or run.frame is None:
            return self._note(size, WAITING)
        found = culprits(run.frame, run.layer)
        if found is None:
            if run.frame.overflow is not None:
                return self._note(size, "overflow: nothing to split")
            return self._note(size, "there is no hop to split")
        legend = self._legend(found, run, size)
        width = max(size.width - GUTTER - 1, 1)
        height = max(size.height - len(legend) - 1, 1)
        span = run.frame.profile(run.layer, found.of)
        picture = self._picture(found, span, width, height)
        return [*legend, *picture, self._x_axis(run, len(span), size.width)]

    def _note(self, size: Size, text: str) -> list[Strip]:
        return self.note(size, text, self._ink("axis"))

    # The picture

    def _picture(self, found: Culprits, span: HostArray, width: int, height: int) -> list[Strip]:
        import numpy as np

        places = (np.arange(width) * len(span)) // width
        with np.errstate(invalid="ignore"):
            # From the loss backwards; nan from the first exact zero on.
            sums = np.stack([_from_the_loss(gains)[places] for gains in found.parts.values()])
            net = (span - span[-1])[places]
        sums[:, ~np.isfinite(sums).all(axis=0)] = 0.0
        scale = self._scale(found, sums, net, height)
        per_row = 2 if self._halves else 1
        above = _stacked(sums, scale.decades / per_row, scale.above * per_row)[::-1]
        below = _stacked(-sums, scale.decades / per_row, scale.below * per_row)
        inks = [None, *(_INKS[part] for part in found.parts)]
        rows = [self._row(cells, inks) for cells in above.reshape(-1, per_row, width).tolist()]
        line = self._ink("axis")
        rows.append((["─"] * width, [line] * width))
        rows += [self._row(cells, inks) for cells in below.reshape(-1, per_row, width).tolist()]
        self._lay_net(rows, net, span[places], scale)
        return self._framed(rows, scale)

    def _scale(self, found: Culprits, sums: HostArray, net: HostArray, height: int) -> _Scale:
        import numpy as np

        run = self.run
        assert run is not None
        if self._reach_of != (run.number, found.layer):
            self._reach, self._reach_of = (0.0, 0.0), (run.number, found.layer)
        finite = np.where(np.isfinite(net), net, 0.0)
        gave = max(np.where(sums > 0.0, sums, 0.0).sum(axis=0).max(), finite.max())
        took = max(np.where(sums < 0.0, -sums, 0.0).sum(axis=0).max(), -finite.min())
        largest = max(gave, took, _LEAST_DECADES)
        top, bottom = self._reach
        if gave > top and gave > _NEGLIGIBLE * largest:
            top = gave * _SPARE
        if took > bottom and took > _NEGLIGIBLE * largest:
            bottom = took * _SPARE
        self._reach = (top, bottom)
        bottom = max(bottom, _LEAST_DECADES - top)
        rows = max(height - 1, 1)
        # Neither side may lose its last row to the other.
        above = min(max(round(top / (top + bottom) * rows), int(top > 0.0)), rows - 1)
        above = above if bottom else rows
        below = rows - above
        sides = ((top, above), (bottom, below))
        return _Scale(above, below, max(part / count for part, count in sides if count))

    def _row(
        self, halves: list[list[int]], inks: list[_Ink | None]
    ) -> tuple[list[str], list[Style]]:
        """One line of cells from the parts in its one or two half-rows, 0 being none."""
        characters, styles = [], []
        for pair in zip(halves[0], halves[-1], strict=True):
            upper, lower = inks[pair[0]], inks[pair[1]]
            if upper is lower:
                ink = upper
                character = " " if ink is None else self._character(ink)
                style = self._ink("axis" if ink is None else ink.style)
            elif upper is None:
                assert lower is not None
                character, style = "▄", self._ink(lower.style)
            else:
                ground = None if lower is None else self._ink(lower.style).color
                character, style = "▀", self._ink(upper.style, ground)
            characters.append(character)
            styles.append(style)
        return characters, styles

    def _lay_net(
        self,
        rows: list[tuple[list[str], list[Style]]],
        net: HostArray,
        span: HostArray,
        scale: _Scale,
    ) -> None:
        """The sum of all parts on top; a 0 at the bottom where it is an exact zero."""
        for column, value in enumerate(net.tolist()):
            if math.isfinite(value):
                characters, styles = rows[scale.row_of(value)]
                bar = self._halves and characters[column] not in " ─"
                ground = styles[column].color if bar else None
                characters[column], styles[column] = LIVE_MARKER, self._ink("net", ground)
            elif span[column] == -math.inf:
                characters, styles = rows[-1]
                characters[column], styles[column] = "0", self._ink("mark")

    def _framed(self, rows: list[tuple[list[str], list[Style]]], scale: _Scale) -> list[Strip]:
        bottom, top = -scale.below * scale.decades, scale.above * scale.decades
        labels = axis.numbers(bottom, top, len(rows), scale.row_of, least=1.0, sign="+")
        return framed(rows, labels, self._ink("axis"))

    def _x_axis(self, run: LiveRun, span: int, width: int) -> Strip:
        inner = max(width - GUTTER - 1, 1)
        text = axis.x_labels(inner, span, *ends_of(run.recurrent, span, inner))
        return foot(width, text, self._ink("axis"))

    # The legend

    def _legend(self, found: Culprits, run: LiveRun, size: Size) -> list[Strip]:
        """The sentence, each clause with its part's ink in front; in figures where it is long."""
        from tui.words import clauses, part_name

        weights = ARCHITECTURES[run.scenario.network.kind].layer.hop_weight
        told = clauses(found, weights)
        lines = 2 if size.height >= _ROOMY else 1
        words = self._ink("words")
        known = {part: value for part, value in found.total.items() if value is not None}
        sentence = [[(text, words)] if p is None else self._key(p, text) for p, text in told]
        if told[0][0] is None:
            keys = [self._key(part, part_name(part, weights)) for part in found.parts]
            options = [[*keys, *sentence], sentence]
        else:
            net = f" in all {sum(known.values()):+.1f}"
            short = {p: part_name(p, weights).removeprefix("the ") for p in known}
            figures = [self._key(p, f"{short[p]} {value:+.1f}") for p, value in known.items()]
            options = [[*sentence, [(LIVE_MARKER, self._ink("net")), (net, words)]], sentence]
            options.append(figures)
        wrapped = [_wrapped(pieces, size.width) for pieces in options]
        chosen = next((w for w in wrapped if len(w) <= lines), wrapped[-1])
        return [line_of(size.width, *line) for line in chosen[:2]]

    def _key(self, part: str, text: str) -> list[tuple[str, Style]]:
        ink = _INKS[part]
        return [(self._character(ink), self._ink(ink.style)), (f" {text}", self._ink("words"))]

    def _character(self, ink: _Ink) -> str:
        if not self.unicode:
            return ink.ascii
        return ink.coloured if self._halves else ink.plain

    # Styles

    def _ink(self, name: str, ground: Color | None = None) -> Style:
        """The style called `name`, on a cell of colour `ground`."""
        style = self._styles.get((name, ground))
        if style is None:
            style = self.get_component_rich_style(f"culprits--{name}", partial=True)
            if ground is not None:
                style += Style(bgcolor=ground)
            self._styles[name, ground] = style
        return style


def _from_the_loss(gains: HostArray) -> HostArray:
    """What the hops from the loss to each place added up to; 0 at the loss itself."""
    import numpy as np

    summed: HostArray = np.append(np.cumsum(gains[::-1])[::-1], 0.0)
    return summed


def _stacked(sums: HostArray, decades: float, rows: int) -> NDArray[np.int_]:
    """Which part, counted from 1, fills each row outward from the line, (rows, columns); 0: none.

    `sums` are (parts, columns); only what is positive is stacked.
    """
    import numpy as np

    ends = np.rint(np.cumsum(np.maximum(sums, 0.0), axis=0) / decades)
    filled = np.arange(rows)[:, None, None] >= ends
    parts: NDArray[np.int_] = filled.sum(axis=1) + 1
    parts[parts > len(sums)] = 0
    return parts


def _wrapped(pieces: list[list[tuple[str, Style]]], width: int) -> list[list[tuple[str, Style]]]:
    """Pieces of text in as few lines as they fit in, two spaces apart."""
    lines: list[list[tuple[str, Style]]] = [[]]
    used = 0
    for piece in pieces:
        length = sum(len(text) for text, _ in piece)
        if used and used + 2 + length > width:
            lines.append([])
            used = 0
        if used:
            lines[-1].append(("  ", Style()))
            used += 2
        lines[-1] += piece
        used += length
    return lines
