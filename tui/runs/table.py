"""The list of runs, a line each, under the heads of its columns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from textual.message import Message
from textual.strip import Strip

from tui.runs.columns import COLUMNS, Row, cell, widths_of
from tui.strips import StripWidget, line_of

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events
    from textual.geometry import Size

    from tui.runs.listing import Listing

_WHEEL = 3


class RunsTable(StripWidget, can_focus=True):
    """Shows the window of a listing; keys are the screen's."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "runs--head",
        "runs--order",
        "runs--words",
        "runs--note",
        "runs--cursor",
        *(f"runs--pin-{slot}" for slot in range(5)),
        *(f"runs--{name}" for name in ("vanishing", "exploding", "healthy", "dead", "overflow")),
    }

    class Moved(Message):
        """The wheel was turned, or the widget has another size: by so many rows."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self, listing: Listing, *, markers: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self._listing = listing
        self._markers = markers
        self._pinned: Mapping[int, int] = {}
        self._note = ""

    def show(self, pinned: Mapping[int, int], note: str) -> None:
        """Show the listing as it is; slots of pinned runs by number, and a note without rows."""
        self._pinned, self._note = pinned, note
        self.redraw()

    @property
    def height(self) -> int:
        """Rows that have room."""
        return max(self.content_size.height - 1, 1)

    def draw(self, size: Size) -> list[Strip]:
        listing = self._listing
        rows = listing.seen(size.height - 1)
        filled = [self._fill(row) for row in rows if row is not None]
        if not filled:
            lines = textwrap.wrap(self._note, size.width - 4)
            return [Strip.blank(size.width), *(self._noted(size.width, line) for line in lines)]
        sizes = widths_of(COLUMNS, filled, size.width - 2)
        strips = [self._heads(size.width, sizes)]
        for place, row in enumerate(rows, listing.top):
            if row is None:
                strips.append(self._noted(size.width, "…"))
            else:
                strips.append(self._row(size.width, row, sizes, place == listing.cursor))
        return strips

    def _noted(self, width: int, line: str) -> Strip:
        return line_of(width, (f"  {line}", self._ink("note")))

    def _fill(self, row: Row) -> dict[str, str]:
        return {name: column.fill(row) for name, column in COLUMNS.items()}

    def _heads(self, width: int, sizes: Mapping[str, int]) -> Strip:
        listing = self._listing
        arrow = "▾" if listing.descending else "▴"
        parts: list[tuple[str, Style]] = [("  ", self._ink("head"))]
        for name, size in sizes.items():
            ordered = name == listing.column
            text = f"{name}{arrow}" if ordered else name
            # The arrow may take one of the two cells between columns.
            head = cell(text, max(size, len(text)), COLUMNS[name])
            parts.append((head, self._ink("order" if ordered else "head")))
            parts.append((" " * (size + 2 - len(head)), self._ink("head")))
        return line_of(width, *parts)

    def _row(self, width: int, row: Row, sizes: Mapping[str, int], chosen: bool) -> Strip:
        slot = self._pinned.get(row["id"])
        words = self._ink("cursor" if chosen else "words")
        mark = " " if slot is None else self._markers[slot]
        style = words if chosen or slot is None else self._ink(f"pin-{slot}")
        parts: list[tuple[str, Style]] = [(f"{mark} ", style)]
        cells = self._fill(row)
        for name, size in sizes.items():
            told = name == "verdict" and row["verdict"] is not None and not chosen
            ink = self._ink(row["verdict"]) if told else words
            parts += [(cell(cells[name], size, COLUMNS[name]), ink), ("  ", words)]
        if chosen:
            parts.append((" " * width, words))
        return line_of(width, *parts)

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"runs--{name}", partial=True)

    def on_resize(self) -> None:
        """More rows may be in sight."""
        self.post_message(self.Moved(0))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """For those who have a mouse."""
        event.stop()
        self.post_message(self.Moved(_WHEEL))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The same, upwards."""
        event.stop()
        self.post_message(self.Moved(-_WHEEL))
