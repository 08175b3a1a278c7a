"""A phase diagram for a plain shell: decades over two axes, on the heatmap's fixed scale.

Every place is a character, so that it reads without colour: = is healthy, to the left of it in
". , : -" the gradient vanishes, to the right in "+ * % #" it explodes.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from tui.colours import Colours
from tui.lab import scale

if TYPE_CHECKING:
    from rich.style import Style
    from rich.text import Text

    from scenarios.schema import Value
    from scenarios.sweeps.diagram import Diagram, Panel, Point, TheoryLine

#: The most characters a column, and lines a row, may take.
_WIDEST = 6
_MOST_LINES = 32

_FAILED = "?"

#: Columns that the legend takes on one line.
_WIDE_LEGEND = 64


def diagram_text(
    diagram: Diagram,
    panel: Panel,
    line: TheoryLine | None,
    *,
    columns: int,
    unicode: bool,
    colours: Colours,
) -> Text:
    """One picture with its axes, labels and legend, at most `columns` wide."""
    from rich.text import Text

    labels = [""] if diagram.y is None else [shown(value) for value in diagram.y.values]
    gutter = min(max(map(len, labels)), 20) + 1
    across = _Side.fitting(len(diagram.x.values), columns - gutter - 1, _WIDEST)
    up = _Side.fitting(len(labels), _MOST_LINES, 1)
    # Numbers grow upwards, as on paper; names are read from the top.
    rows = list(range(len(labels)))
    if diagram.y is not None and diagram.sweep.axis(diagram.y.field).numeric:
        rows.reverse()
    shown_rows = [rows[place] for place in up.places]
    text = Text()
    if diagram.y is not None:
        text.append(f"{diagram.y.title}\n")
    marks = _marks(diagram, line, across, shown_rows)
    stroke = ("│" if unicode else "|") if line is None or line.across else ("─" if unicode else "_")
    for number, row in enumerate(shown_rows):
        text.append(f"{labels[row][: gutter - 1]:>{gutter - 1}} ")
        for place, column in enumerate(across.places):
            point = panel.rows[row][column]
            character, style = _ink(point, colours)
            for offset in range(across.width):
                marked = (number, place * across.width + offset) in marks
                text.append(stroke if marked else character, style)
        text.append("\n")
    text.append(" " * gutter + _ticks(diagram.x.values, across, columns - gutter) + "\n")
    text.append(" " * gutter + diagram.x.title + "\n")
    text.append_text(_legend(panel, line, stroke, columns, colours))
    return text


class _Side:
    """How the columns or rows of a diagram fall on the characters there are."""

    def __init__(self, places: list[int], width: int) -> None:
        self.places = places
        self.width = width

    @classmethod
    def fitting(cls, count: int, room: int, widest: int) -> _Side:
        """All of `count`, each up to `widest` wide; evenly picked ones where there is no room."""
        if count <= room:
            return cls(list(range(count)), max(1, min(widest, room // count)))
        if room < 2:
            return cls([0], 1)
        return cls([round(i * (count - 1) / (room - 1)) for i in range(room)], 1)


def _ink(point: Point, colours: Colours) -> tuple[str, Style]:
    from rich.style import Style

    if point.state == "failed":
        return _FAILED, Style()
    if point.decades is not None:
        level = scale.level_of(point.decades)
    else:
        states = {"dead": scale.ZERO, "overflow": scale.OVERFLOW}
        level = states.get(point.state, scale.EMPTY)
    return scale.character(level), scale.cell_style(level, colours)


def _marks(
    diagram: Diagram, line: TheoryLine | None, across: _Side, shown_rows: Sequence[int]
) -> set[tuple[int, int]]:
    """Where the theory line goes: (line of the picture, character)."""
    marks: set[tuple[int, int]] = set()
    if line is None:
        return marks
    if line.across:
        values = [float(diagram.x.values[column]) for column in across.places]
        for number, row in enumerate(shown_rows):
            for border in line.scales[row]:
                place = _position(values, border)
                if place is not None:
                    last = len(values) * across.width - 1
                    marks.add((number, min(last, int((place + 0.5) * across.width))))
        return marks
    assert diagram.y is not None
    values = [float(diagram.y.values[row]) for row in shown_rows]
    for place, column in enumerate(across.places):
        for border in line.scales[column]:
            height = _position(values, border)
            if height is not None:
                first = place * across.width
                marks.update((round(height), first + offset) for offset in range(across.width))
    return marks


def _position(values: Sequence[float], wanted: float) -> float | None:
    """The index, with a fraction, at which `values`, rising or falling, reach `wanted`."""
    for index, (one, other) in enumerate(pairwise(values)):
        if min(one, other) <= wanted <= max(one, other) and one != other:
            return index + (wanted - one) / (other - one)
    return None


def _ticks(values: Sequence[Value], across: _Side, room: int) -> str:
    """Labels under their columns: every one, or every second, ... whichever first leaves room."""
    labels = [shown(values[column]) for column in across.places]
    for stride in range(1, len(labels) + 1):
        line = ""
        for place in range(0, len(labels), stride):
            label = labels[place]
            middle = place * across.width + (across.width - len(label)) // 2
            start = max(0, min(middle, room - len(label)))
            if line and start < len(line) + 2:
                break
            line = line.ljust(start) + label
        else:
            return line
    return ""


def _legend(
    panel: Panel, line: TheoryLine | None, stroke: str, columns: int, colours: Colours
) -> Text:
    from rich.text import Text

    text = Text("decades ")
    shown_levels = range(len(scale.LEVELS))
    before = ""
    for level in shown_levels:
        character = scale.character(level)
        if character == before:
            continue
        if before:
            text.append(f" {scale.LEVELS[level].low:g} ")
        if character == "=" and columns < _WIDE_LEGEND:
            text.append("\n        ")
        before = character
        if before == "=":
            # The middle of the scale, not its edge.
            level = next(i for i in shown_levels if scale.LEVELS[i].low == -1)
        text.append(character * 2, scale.cell_style(level, colours))
    states = {point.state for row in panel.rows for point in row}
    more = [
        (scale.character(scale.ZERO), scale.ZERO, "exact zero", "dead"),
        (scale.character(scale.OVERFLOW), scale.OVERFLOW, "forward overflow", "overflow"),
    ]
    for character, level, words, state in more:
        if state in states:
            text.append("\n")
            text.append(character * 2, scale.cell_style(level, colours))
            text.append(f" {words}")
    if "failed" in states:
        text.append(f"\n{_FAILED * 2} failed")
    if line is not None and line.reason is None:
        words = textwrap.fill(f"{stroke} {line.meaning}", columns, subsequent_indent="  ")
        text.append(f"\n{words}")
    return text


def shown(value: Value) -> str:
    """A value as a label."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else str(value)
    return str(value)
