"""Figures as lines of text: curves, eigenvalues, matrices, tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from tui.lab.axis import GUTTER, column_of, round_places, round_step, row_of, x_labels, y_labels
from tui.learn.lines import Line, cells, joined, styled, wrapped
from tui.learn.notation import plain

if TYPE_CHECKING:
    from scenarios.lesson.blocks import Cells, Chart, Plane, Table

#: Each stays apart from the others in ASCII, too.
MARKERS = "●■▲×"
ASCII_MARKERS = "o#^x"
#: Columns between two markers of one curve.
_APART = 10
#: The least a chart spans, in decades: rounding must not look like a trend.
_LEAST_DECADES = 2.0
_BRAILLE = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


class _Canvas:
    """Character cells, each of 2 x 4 dots where there is braille and of one where there is none."""

    def __init__(self, width: int, height: int, unicode: bool) -> None:
        self.width, self.height = width, height
        self._across, self._down = (2, 4) if unicode else (1, 1)
        self._unicode = unicode
        self._dots: dict[tuple[int, int], int] = {}
        self._styles: dict[tuple[int, int], str] = {}
        self._texts: dict[tuple[int, int], str] = {}

    def dot(self, x: float, y: float, style: str) -> None:
        """A dot at x, y in 0 ... 1 from the upper left."""
        across, down = self.width * self._across, self.height * self._down
        column = min(max(int(x * across), 0), across - 1)
        row = min(max(int(y * down), 0), down - 1)
        place = (column // self._across, row // self._down)
        bit = _BRAILLE[column % 2][row % 4] if self._unicode else 1
        self._dots[place] = self._dots.get(place, 0) | bit
        self._styles[place] = style

    def line(self, x0: float, y0: float, x1: float, y1: float, style: str) -> None:
        """A straight line of dots."""
        across, down = self.width * self._across, self.height * self._down
        steps = math.ceil(max(abs(x1 - x0) * across, abs(y1 - y0) * down)) + 1
        for step in range(steps + 1):
            share = step / steps
            self.dot(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, style)

    def put(self, column: int, row: int, character: str, style: str) -> None:
        """A character, over any dot."""
        if 0 <= column < self.width and 0 <= row < self.height:
            self._texts[column, row] = character
            self._styles[column, row] = style

    def row(self, row: int) -> Line:
        """One line."""
        pieces: Line = []
        for column in range(self.width):
            place = (column, row)
            text = self._texts.get(place)
            if text is None and place in self._dots:
                text = chr(0x2800 + self._dots[place]) if self._unicode else "."
            pieces.append((text or " ", self._styles.get(place, "text")))
        return joined(pieces)


def chart(block: Chart, width: int, height: int, unicode: bool) -> list[Line]:
    """Curves over the way from the far end to the loss, named above, the loss at the right."""
    names = list(dict.fromkeys(curve.name for curve in block.curves))
    shown = [name if unicode else plain(name) for name in names]
    span = max(len(curve.values) for curve in block.curves)
    limits = _limits([value for curve in block.curves for value in curve.values])
    canvas = _Canvas(max(width - GUTTER, 8), height, unicode)
    low, high = limits
    markers = MARKERS if unicode else ASCII_MARKERS
    for curve in block.curves:
        style = f"curve{names.index(curve.name)}"
        offset = span - len(curve.values)
        points = [
            ((place + offset + 0.5) / span, (high - value) / (high - low))
            for place, value in enumerate(curve.values)
        ]
        for (x0, y0), (x1, y1) in pairwise(points):
            if math.isfinite(y0) and math.isfinite(y1):
                canvas.line(x0, y0, x1, y1, style)
    # Markers after all lines, and those of the first curve last: it is the one that matters.
    for curve in reversed(block.curves):
        number = names.index(curve.name)
        offset = span - len(curve.values)
        for place in _marked(span, canvas.width, number):
            if place <= offset:
                continue
            value = curve.values[place - offset - 1]
            column = column_of(place, span, canvas.width)
            if math.isfinite(value):
                row = row_of(value, limits, height)
                canvas.put(column, row, markers[number], f"curve{number}")
            elif not math.isnan(value):
                # An exact zero has no height: it is written at the bottom.
                canvas.put(column, height - 1, "0", f"curve{number}")
            else:
                canvas.put(column, 0, "!", f"curve{number}")
    title = block.title if unicode else plain(block.title)
    lines = [*wrapped(title, width, "dim"), *_legend(shown, markers, width)]
    labels = y_labels(limits, height)
    edge, side, corner, back, on = "┤│└◂▸" if unicode else "+|+<>"
    for row in range(height):
        text = labels.get(row)
        tick = f"{text or '':>{GUTTER - 2}} {edge if text else side}"
        lines.append([(tick, "dim"), *canvas.row(row)])
    unit = {"time": "step ", "layer": "layer ", "hop": ""}[block.axis]
    left, right = f"{back} {unit}1", f"{unit}{span}, loss {on}"
    numbers = [(place, str(place)) for place in round_places(span, 8)]
    ends = x_labels(canvas.width, span, left, right, numbers)
    lines.append([(" " * (GUTTER - 1) + corner + ends, "dim")])
    return lines


def _limits(values: Sequence[float]) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    missing = _LEAST_DECADES - (high - low)
    if missing > 0:
        low, high = low - missing / 2, high + missing / 2
    step = round_step(high - low, 6)
    return float(math.floor(low / step) * step), float(math.ceil(high / step) * step)


def _marked(span: int, width: int, number: int) -> list[int]:
    """The places that carry a curve's marker: all if there is room, else now and then."""
    if span * 3 <= width:
        return list(range(1, span + 1))
    apart = max(_APART * span // width, 1)
    beside = (3 * number + 1) * span // width
    return [1, *range(span - beside, 1 + apart // 2, -apart)]


def _legend(names: list[str], markers: str, width: int) -> list[Line]:
    """Which marker is which curve, as many to a line as fit."""
    lines: list[Line] = []
    for number, name in enumerate(names):
        room = width - GUTTER - 2
        shown = name if len(name) <= room else name[: room - 2] + ".."
        entry: Line = [(f"{markers[number]} ", f"curve{number}"), (shown, "text")]
        if lines and cells(lines[-1]) + 3 + cells(entry) <= width - GUTTER:
            lines[-1] += [("   ", "text"), *entry]
        else:
            lines.append([(" " * GUTTER, "text"), *entry])
    return lines


def plane(block: Plane, height: int, unicode: bool) -> list[Line]:
    """Points around the unit circle; what lies far outside shrinks the circle."""
    reach = max(1.25, *(1.1 * abs(point) for point in block.points))
    # A cell is twice as high as it is wide.
    canvas = _Canvas(2 * height, height, unicode)
    for step in range(16 * height):
        angle = 2.0 * math.pi * step / (16 * height)
        x, y = math.cos(angle) / reach, math.sin(angle) / reach
        canvas.dot(0.5 + 0.5 * x, 0.5 - 0.5 * y, "dim")
    for point in block.points:
        column = int((0.5 + 0.5 * point.real / reach) * canvas.width)
        row = int((0.5 - 0.5 * point.imag / reach) * canvas.height)
        canvas.put(column, row, "●" if unicode else "o", "curve0")
    title = [(block.title, "dim")]
    return [title, *(canvas.row(row) for row in range(height))]


def matrix(block: Cells, unicode: bool) -> list[Line]:
    """Numbers in columns; the lit ones between < >."""
    widest = max((len(text) for row in block.rows for text in row), default=0)
    lines = [styled(block.title, "dim", unicode=unicode)]
    for number, row in enumerate(block.rows):
        line: Line = []
        for column, text in enumerate(row):
            lit = (number, column) in block.lit
            before = (number, column - 1) in block.lit
            # One cell between two numbers has to hold the mark of either.
            line.append(
                ("<" if lit else ">" if before else " ", "lit" if lit or before else "text")
            )
            line.append((text.rjust(widest), "lit" if lit else "text"))
        last = (number, len(row) - 1) in block.lit
        line.append((">" if last else " ", "lit" if last else "text"))
        lines.append(joined(line))
    return lines


def table(block: Table, width: int, unicode: bool) -> list[Line]:
    """Columns as wide as they need to be, closer together where there is little room."""
    rows = [[styled(text, unicode=unicode) for text in row] for row in block.rows]
    heads = [styled(text, "dim", unicode=unicode) for text in block.header]
    widths = [max(cells(line) for line in column) for column in zip(heads, *rows, strict=True)]
    spare = width - 2 - sum(widths)
    if spare < len(widths) - 1:
        return _listed(block, width, unicode)
    gap = min(max(spare // max(len(widths) - 1, 1), 1), 3)
    lines = _title(block, width, unicode)
    for row in (heads, *rows):
        line: Line = [("  ", "text")]
        for place, entry in enumerate(row):
            space = (" " * (widths[place] - cells(entry)), "text")
            line += [*entry, space] if block.align[place] == "<" else [space, *entry]
            line.append((" " * gap, "text"))
        lines.append(_stripped(joined(line)))
    return lines


def _title(block: Table, width: int, unicode: bool) -> list[Line]:
    return wrapped(block.title, width, "dim", unicode=unicode) if block.title else []


def _listed(block: Table, width: int, unicode: bool) -> list[Line]:
    """A table too wide for its columns: a sentence a row."""
    lines = _title(block, width, unicode)
    for first, *rest in block.rows:
        said = (f"{head} {text}".strip() for head, text in zip(block.header[1:], rest, strict=True))
        sentence = wrapped(f"{first}: {', '.join(said)}", width - 4, unicode=unicode)
        lines += [[("    " if row else "  ", "text"), *line] for row, line in enumerate(sentence)]
    return lines


def _stripped(line: Line) -> Line:
    """`line` without spaces at its end."""
    while line and not line[-1][0].strip():
        line = line[:-1]
    return [*line[:-1], (line[-1][0].rstrip(), line[-1][1])] if line else line
