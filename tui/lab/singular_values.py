"""Singular values of the end-to-end Jacobian: how many there are of each size.

All in one bar at 10^0 is dynamical isometry: every direction of a gradient arrives as it left.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from tui.lab import axis
from tui.lab.axis import GUTTER
from tui.lab.bars import bar_cell
from tui.lab.framed import foot, framed
from tui.lab.plot import WAITING
from tui.lab.view import View
from tui.strips import line_of
from tui.words import power, spread

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.jacobian import JacobianSpectrum
    from tui.lab.live import LiveRun

#: Decades on both sides of 10^0 that are always in the picture.
_LEAST_REACH = 1.0
#: Bars that even a few values are spread over.
_FEWEST_BARS = 16
#: Columns that a label under the picture takes, with the space beside it.
_LABEL = 8

Cells = tuple[list[str], list[Style]]


class SingularValuesView(View):
    """A histogram of their logarithms, with isometry marked."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "singular--axis",
        "singular--words",
        "singular--bar",
        "singular--zero",
        "singular--isometry",
    }
    name_id = "singular-values"
    title_word = "singular values"
    hint = "How many directions a gradient keeps (10^0), loses (left) or blows up (right)."
    wants = "jacobian"

    def title(self, run: LiveRun) -> str:
        found = run.jacobian
        if found is None or isinstance(found, str):
            return "of the end-to-end Jacobian"
        of = found.of.replace("d ", "∂").replace(" / ", "/")
        how = "exact" if found.log10_floor is None else "estimated"
        later = ", computing" if run.computing else ""
        return f"{of}, {how}, step {run.jacobian_step}{later}"

    def draw(self, size: Size) -> list[Strip]:
        run = self.run
        if run is None or run.frame is None:
            return self._note(size, WAITING)
        found = run.jacobian
        if found is None:
            return self._note(size, "computing the singular values")
        if isinstance(found, str):
            return self._note(size, found)
        words = textwrap.wrap(spread(found), max(size.width, 1))[:2]
        legend = [line_of(size.width, (line, self._ink("words"))) for line in words]
        if not found.count:
            return legend
        return [*legend, *self._picture(found, size.width, max(size.height - len(legend), 2))]

    def _note(self, size: Size, text: str) -> list[Strip]:
        return self.note(size, text, self._ink("axis"))

    def _picture(self, found: JacobianSpectrum, width: int, height: int) -> list[Strip]:
        inner, rows = max(width - GUTTER - 1, 1), max(height - 1, 1)
        # Zeros have no logarithm and stand apart on the left, as does what is too small to tell.
        apart = 5 if found.zeros else 0
        bars = _Bars(found, max(inner - apart, 1))
        tallest = max(found.zeros, *bars.counts.tolist())
        columns = [(found.zeros, "zero")] * 2 + [(0.0, "zero")] * 3 if apart else []
        columns += [(count, "bar") for count in bars.counts.tolist() for _ in range(bars.width)]
        columns += [(0.0, "bar")] * (inner - len(columns))
        middle = apart + bars.isometry
        styles = [self._ink(ink) for _, ink in columns[:inner]]
        cells = []
        for floor in reversed(range(rows)):
            row = [bar_cell(value, tallest, rows, floor) for value, _ in columns[:inner]]
            cells.append(self._lined(row, styles, middle))
        self._name_isometry(cells[0], middle, bars.width)
        labels = bars.labels()
        if apart:
            labels = f"{'0' if found.log10_floor is None else 'less':<{apart}}{labels}"
        line = self._ink("axis")
        return [*framed(cells, {0: axis.whole(round(tallest))}, line), foot(width, labels, line)]

    def _lined(self, characters: list[str], styles: list[Style], middle: int) -> Cells:
        """A row of cells, with the line at 10^0 where no bar hides it."""
        styles = [*styles]
        if middle < len(characters) and characters[middle] == " ":
            characters[middle], styles[middle] = "┊", self._ink("isometry")
        return characters, styles

    def _name_isometry(self, cells: Cells, middle: int, bar: int) -> None:
        """Write beside the line, or the bar of `bar` columns that hides it, what it is."""
        characters, styles = cells
        word = " isometry "
        half = bar // 2 + 1 if characters[middle] != "┊" else 1
        for start in (middle + half, middle - half + 1 - len(word)):
            # The spaces around the word may lie beyond the edge.
            place = slice(max(start, 0), start + len(word))
            room = len(characters[place]) if start >= -1 else 0
            if room >= len(word) - 1 and set(characters[place]) == {" "}:
                characters[start + 1 : start + len(word) - 1] = word.strip()
                styles[place] = [self._ink("isometry")] * room
                return

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"singular--{name}", partial=True)


class _Bars:
    """Counts by size, a bar of some columns each, one of them centred on 10^0.

    Attributes:
        counts: how many singular values each bar holds.
        width: columns a bar takes.
        isometry: the column of 10^0.
    """

    def __init__(self, found: JacobianSpectrum, columns: int) -> None:
        import numpy as np

        values = found.log10_values
        low = min(float(values.min(initial=0.0)), -_LEAST_REACH)
        high = max(float(values.max(initial=0.0)), _LEAST_REACH)
        wanted = max(_FEWEST_BARS, int(2.0 * math.sqrt(found.count)))
        # One bar more than parts, since the outermost reach half a bar beyond the ends.
        self._decades = axis.round_up((high - low) / max(min(wanted, columns) - 2, 1))
        self._first, last = round(low / self._decades), round(high / self._decades)
        count = last - self._first + 1
        places = np.rint(values / self._decades).astype(np.int64) - self._first
        counts = np.bincount(places, found.weights, minlength=count)
        self.counts: HostArray = counts.astype(np.float64)
        self.width = max(columns // count, 1)
        self.isometry = self._column(0.0)

    def labels(self) -> str:
        """Powers of ten under the bars, 10^0 first of all."""
        columns = len(self.counts) * self.width
        decades = columns / self.width * self._decades
        step = axis.round_step(decades, max(columns // _LABEL, 1))
        low, high = self._first * self._decades, (self._first + len(self.counts)) * self._decades
        others = range(math.ceil(low / step) * step, math.floor(high) + 1, step)
        line = [" "] * columns
        for value in (0, *(other for other in others if other)):
            text = power(value).removesuffix(".0")
            start = min(max(self._column(value) - len(text) // 2, 0), max(columns - len(text), 0))
            around = line[max(start - 1, 0) : start + len(text) + 1]
            if set(around) == {" "}:
                line[start : start + len(text)] = text
        return "".join(line)

    def _column(self, value: float) -> int:
        return round((value / self._decades - self._first) * self.width) + self.width // 2
