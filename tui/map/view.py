"""The picture: every point's decades on the heatmap's scale, theory's line, and a cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from scenarios.sweeps.diagram import Point
from tui.colours import Colours
from tui.lab import scale
from tui.lab.legend import legend
from tui.map.session import State
from tui.plot_diagram import (
    FAILED,
    STATE_LEVELS,
    Layout,
    layout_of,
    level_of,
    marks_of,
    stroke_of,
    ticks,
)
from tui.strips import StripWidget, line_of, strip_of

if TYPE_CHECKING:
    from tui.map.session import MapSession

#: Cells that a point may take across and up.
_WIDEST, _TALLEST = 12, 5
#: Points that the cursor moves by with shift held down.
_MANY = 5
_ONE, _SOME = "Another point", f"{_MANY} points on"
#: Stands for a point that has not been run, and on a colour lent by a coarser neighbour.
_YET = "·"


class MapView(StripWidget, can_focus=True):
    """The diagram as far as it is, with a cursor on one of its points."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"map--axis"}
    BINDING_GROUP_TITLE = "On the map"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", key_display="enter", tooltip="Run this point in the Lab"),
        Binding("z", "zoom", "zoom", tooltip="Mark a corner; again at the other corner: zoom in"),
        Binding("Z", "unzoom", "out", tooltip="Zoom out again"),
        Binding("left,h", "move(-1, 0)", "Left", False, tooltip=_ONE),
        Binding("right,l", "move(1, 0)", "Right", False, tooltip=_ONE),
        Binding("up,k", "move(0, -1)", "Up", False, tooltip=_ONE),
        Binding("down,j", "move(0, 1)", "Down", False, tooltip=_ONE),
        Binding("shift+left", f"move(-{_MANY}, 0)", "Left", False, tooltip=_SOME),
        Binding("shift+right", f"move({_MANY}, 0)", "Right", False, tooltip=_SOME),
        Binding("shift+up", f"move(0, -{_MANY})", "Up", False, tooltip=_SOME),
        Binding("shift+down", f"move(0, {_MANY})", "Down", False, tooltip=_SOME),
        Binding("home", "move(-100000, 0)", "First", False, tooltip="The first column"),
        Binding("end", "move(100000, 0)", "Last", False, tooltip="The last column"),
    ]

    class Moved(Message):
        """The cursor stands on another point."""

    class Opened(Message):
        """The point under the cursor is to run in the Lab."""

    class Zoomed(Message):
        """What lies between two points, (row, column) each, is to be mapped."""

        def __init__(self, one: tuple[int, int], other: tuple[int, int]) -> None:
            super().__init__()
            self.one, self.other = one, other

    class Unzoomed(Message):
        """The map before the last zoom is wanted."""

    def __init__(self, session: MapSession, *, colours: Colours, unicode: bool, id: str) -> None:
        super().__init__(id=id)
        self._session = session
        self._colours = colours
        # With colours enough, they need no characters.
        self._blank = unicode and colours == Colours.MANY
        self._unicode = unicode
        self._cursor = (0, 0)
        self._mark: tuple[int, int] | None = None
        self._styles: dict[int, Style] = {}

    def show(self) -> None:
        """Draw what has come."""
        assert self._session.diagram.y is not None
        up, across = self._session.diagram.y.title, self._session.diagram.x.title
        self.entitle(f"decades: {up} up, {across} across")
        self.redraw()

    def start_over(self) -> None:
        """Another map: the cursor goes to its middle."""
        points = self._session.points
        self._mark = None
        self._cursor = (len(points) // 2, len(points[0]) // 2)
        self.post_message(self.Moved())

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the diagram."""
        return self._cursor

    @property
    def mark(self) -> tuple[int, int] | None:
        """The corner that a zoom begins at, by row and column."""
        return self._mark

    # Drawing

    def draw(self, size: Size) -> list[Strip]:
        session = self._session
        layout = self._layout(size)
        axis = self.get_component_rich_style("map--axis", partial=True)
        line, unicode = session.line, self._unicode
        marks = marks_of(session.diagram, line, layout)
        stroke = stroke_of(line, unicode=unicode)
        pointers = self._pointers(layout)
        strips = []
        for number, row in enumerate(layout.rows):
            inks = [self._ink(row, column, axis) for column in layout.columns]
            for offset in range(layout.height):
                characters = [c for ink in inks for c in ink[0] * layout.width]
                styles = [style for _, style in inks for _ in range(layout.width)]
                y = number * layout.height + offset
                for x in range(len(characters)):
                    if (y, x) in marks:
                        characters[x] = stroke
                for pointed, place, signs in pointers:
                    if pointed == row:
                        self._point_out(characters, styles, place, layout.width, signs)
                label = layout.label(row) if offset == layout.height // 2 else ""
                head = line_of(layout.gutter, (label, axis))
                body = strip_of(characters, styles)
                strips.append(Strip.join([head, body]).adjust_cell_length(size.width))
        below = ticks(session.diagram.x.values, layout, size.width - layout.gutter)
        strips.append(line_of(size.width, (" " * layout.gutter, axis), (below, axis)))
        strips += [Strip.blank(size.width)] * (size.height - 1 - len(strips))
        states = {point.state for row in session.points for point in row}
        special = {level for state, level in STATE_LEVELS.items() if state in states}
        strips.append(
            legend(
                size.width, special, indent=layout.gutter, blank=self._blank, ink=self._style,
                words=axis,
            )
        )  # fmt: skip
        return strips

    def _layout(self, size: Size) -> Layout:
        lines = max(size.height - 2, 1)
        diagram = self._session.diagram
        return layout_of(diagram, size.width, lines, widest=_WIDEST, tallest=_TALLEST)

    def _ink(self, row: int, column: int, axis: Style) -> tuple[str, Style]:
        """A point's character and colours; before it comes, those of a coarser one beside it."""
        points = self._session.points
        point = points[row][column]
        if point.state == "empty":
            if self._blank and self._session.state is State.RUNNING:
                for bits in (1, 3):
                    lent = points[row & ~bits][column & ~bits]
                    if lent.state != "empty":
                        return _YET, self._style(level_of(lent))
            return _YET, axis
        level = level_of(point)
        if point.state == "failed":
            return FAILED, self._style(level)
        return " " if self._blank and level >= 0 else scale.character(level), self._style(level)

    def _style(self, level: int) -> Style:
        style = self._styles.get(level)
        if style is None:
            style = self._styles[level] = scale.cell_style(level, self._colours)
        return style

    def _pointers(self, layout: Layout) -> list[tuple[int, int, str]]:
        """What is pointed out: row and place from the left, and the characters that do it."""
        found = []
        for place, characters in ((self._mark, "()o"), (self._cursor, "[]x")):
            if place is not None:
                row, column = self._nearest(place, layout)
                found.append((row, layout.columns.index(column), characters))
        return found

    @staticmethod
    def _point_out(
        characters: list[str], styles: list[Style], place: int, width: int, signs: str
    ) -> None:
        """Brackets and reversed colours."""
        first, last = place * width, (place + 1) * width - 1
        for x in range(first, last + 1):
            styles[x] = styles[x] + Style(reverse=True)
        if first == last:
            characters[first] = signs[2]
        else:
            characters[first], characters[last] = signs[0], signs[1]

    @staticmethod
    def _nearest(place: tuple[int, int], layout: Layout) -> tuple[int, int]:
        """Where there is no room for every point, the one shown that is closest."""
        row, column = place
        return (
            min(layout.rows, key=lambda shown: abs(shown - row)),
            min(layout.columns, key=lambda shown: abs(shown - column)),
        )

    # Keys

    def action_move(self, right: int, down: int) -> None:
        """Move the cursor over the points that are shown."""
        layout = self._layout(self.content_size)
        row, column = self._nearest(self._cursor, layout)
        across, up = layout.columns.index(column) + right, layout.rows.index(row) + down
        self._cursor = (
            layout.rows[min(max(up, 0), len(layout.rows) - 1)],
            layout.columns[min(max(across, 0), len(layout.columns) - 1)],
        )
        self._moved()

    def _moved(self) -> None:
        self.redraw()
        self.post_message(self.Moved())

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor where the mouse points."""
        layout, place = self._layout(self.content_size), event.get_content_offset(self)
        if place is None or place.x < layout.gutter:
            return
        row, column = place.y // layout.height, (place.x - layout.gutter) // layout.width
        if row < len(layout.rows) and column < len(layout.columns):
            self._cursor = (layout.rows[row], layout.columns[column])
            self._moved()

    def action_open(self) -> None:
        """Run the point in the Lab."""
        self.post_message(self.Opened())

    def action_zoom(self) -> None:
        """Mark one corner, then zoom to the other."""
        if self._mark is None:
            self._mark = self._cursor
            self._moved()
        else:
            self.post_message(self.Zoomed(self._mark, self._cursor))
            self.drop_mark()

    def action_unzoom(self) -> None:
        """Zoom out."""
        self.drop_mark()
        self.post_message(self.Unzoomed())

    def drop_mark(self) -> bool:
        """Forget the corner; whether there was one."""
        had, self._mark = self._mark is not None, None
        if had:
            self._moved()
        return had


def words_of(point: Point) -> str:
    """The verdict on a point, in a word."""
    from engine.verdict import verdict_name

    return point.state if point.decades is None else verdict_name(point.decades)
