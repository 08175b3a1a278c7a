"""A phase diagram for a plain shell: decades over two axes, on the heatmap's fixed scale.

Every place is a character, so that it reads without colour: = is healthy, to the left of it in
". , : -" the gradient vanishes, to the right in "+ * % #" it explodes.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tui.colours import Colours
from tui.lab import scale

if TYPE_CHECKING:
    from rich.style import Style
    from rich.text import Text

    from scenarios.schema import Value
    from scenarios.sweeps.diagram import Diagram, Panel, Point, TheoryLine

#: The most characters that a column may take, and lines that all rows may.
_WIDEST = 6
_MOST_LINES = 32

#: Characters of a column under which a name, cut short, still says something.
_LEAST_NAME = 5

#: Stands for a point none of whose cells could be run.
FAILED = "?"

#: Levels of points that have no number.
STATE_LEVELS = {"dead": scale.ZERO, "overflow": scale.OVERFLOW}

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

    layout = layout_of(diagram, columns - 1, _MOST_LINES)
    text = Text()
    if diagram.y is not None:
        text.append(f"{diagram.y.title}\n")
    marks = marks_of(diagram, line, layout)
    stroke = stroke_of(line, unicode=unicode)
    for number, row in enumerate(layout.rows):
        text.append(layout.label(row))
        for place, column in enumerate(layout.columns):
            character, style = _ink(panel.rows[row][column], colours)
            for offset in range(layout.width):
                marked = (number, place * layout.width + offset) in marks
                text.append(stroke if marked else character, style)
        text.append("\n")
    gutter = layout.gutter
    text.append(" " * gutter + ticks(diagram.x.values, layout, columns - gutter) + "\n")
    text.append(" " * gutter + diagram.x.title + "\n")
    text.append_text(_legend(panel, line, stroke, columns, colours))
    return text


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows and columns of a diagram fall on the characters there are.

    Attributes:
        labels: of every row of the diagram, by its number there.
        gutter: characters for a label and the space after it.
        columns, rows: those that are shown, from the left and from the top.
        width, height: characters that each takes across and up.
    """

    labels: list[str]
    gutter: int
    columns: list[int]
    rows: list[int]
    width: int
    height: int

    def label(self, row: int) -> str:
        """What stands before a row."""
        return f"{self.labels[row][: self.gutter - 1]:>{self.gutter - 1}} "


def layout_of(
    diagram: Diagram, columns: int, lines: int, *, widest: int = _WIDEST, tallest: int = 1
) -> Layout:
    """All rows and columns where there is room; else evenly picked ones."""
    labels = [""] if diagram.y is None else [shown(value) for value in diagram.y.values]
    gutter = min(max(map(len, labels)), 20) + 1
    if not diagram.sweep.axis(diagram.x.field).numeric:
        # Room for names.
        widest = max(widest, 1 + max(len(shown(value)) for value in diagram.x.values))
    across, width = _fitted(len(diagram.x.values), columns - gutter, widest)
    up, height = _fitted(len(labels), lines, tallest)
    # Numbers grow upwards, as on paper; names are read from the top.
    rows = list(range(len(labels)))
    if diagram.y is not None and diagram.sweep.axis(diagram.y.field).numeric:
        rows.reverse()
    return Layout(labels, gutter, across, [rows[place] for place in up], width, height)


def _fitted(count: int, room: int, widest: int) -> tuple[list[int], int]:
    """Which of `count` are shown, and how wide each is."""
    if count <= room:
        return list(range(count)), max(1, min(widest, room // count))
    if room < 2:
        return [0], 1
    return [round(i * (count - 1) / (room - 1)) for i in range(room)], 1


def _ink(point: Point, colours: Colours) -> tuple[str, Style]:
    """A point's character, and its colours."""
    from rich.style import Style

    if point.state == "failed":
        return FAILED, Style()
    level = level_of(point)
    return scale.character(level), scale.cell_style(level, colours)


def level_of(point: Point) -> int:
    """A point's level on the heatmap's scale; a failed one is as empty as one yet to come."""
    if point.decades is not None:
        return scale.level_of(point.decades)
    return STATE_LEVELS.get(point.state, scale.EMPTY)


def stroke_of(line: TheoryLine | None, *, unicode: bool) -> str:
    """What theory's line is drawn with."""
    if line is None or line.across:
        return "│" if unicode else "|"
    return "─" if unicode else "_"


def marks_of(diagram: Diagram, line: TheoryLine | None, layout: Layout) -> set[tuple[int, int]]:
    """Where the theory line goes: (line of the picture, character)."""
    marks: set[tuple[int, int]] = set()
    if line is None:
        return marks
    width, height = layout.width, layout.height
    if line.across:
        values = [float(diagram.x.values[column]) for column in layout.columns]
        for number, row in enumerate(layout.rows):
            for border in line.scales[row]:
                place = _position(values, border)
                if place is not None:
                    column = min(len(values) * width - 1, int((place + 0.5) * width))
                    marks.update((number * height + offset, column) for offset in range(height))
        return marks
    assert diagram.y is not None
    values = [float(diagram.y.values[row]) for row in layout.rows]
    for place, column in enumerate(layout.columns):
        for border in line.scales[column]:
            position = _position(values, border)
            if position is not None:
                number = min(len(values) * height - 1, int((position + 0.5) * height))
                marks.update((number, place * width + offset) for offset in range(width))
    return marks


def _position(values: Sequence[float], wanted: float) -> float | None:
    """The index, with a fraction, at which `values`, rising or falling, reach `wanted`."""
    for index, (one, other) in enumerate(pairwise(values)):
        if min(one, other) <= wanted <= max(one, other) and one != other:
            return index + (wanted - one) / (other - one)
    return None


def ticks(values: Sequence[Value], layout: Layout, room: int) -> str:
    """Labels under their columns: every one, or every second, ... whichever first leaves room.

    What stands between two names cannot be guessed, so they are rather cut short.
    """
    labels = [shown(values[column]) for column in layout.columns]
    gap = 2
    if isinstance(values[0], str) and layout.width >= _LEAST_NAME:
        labels, gap = [_cut(label, layout.width - 1) for label in labels], 1
    for stride in range(1, len(labels) + 1):
        line = ""
        for place in range(0, len(labels), stride):
            label = labels[place]
            middle = place * layout.width + (layout.width - len(label)) // 2
            start = max(0, min(middle, room - len(label)))
            if line and start < len(line) + gap:
                break
            line = line.ljust(start) + label
        else:
            return line
    return ""


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}."


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
        text.append(f"\n{FAILED * 2} failed")
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
