"""The line to type into that narrows the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

if TYPE_CHECKING:
    from tui.lab.catalogue import Catalogue


class Search(Input):
    """Lives as long as the search: Escape ends it, Enter runs what it found."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("down", "hand_over", "to the list"),
        Binding("enter", "take", "run"),
    ]

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(placeholder="search the catalogue", compact=True)
        # A blinking cursor would redraw for ever.
        self.cursor_blink = False
        self._catalogue = catalogue

    def watch_value(self, value: str) -> None:
        """Narrow the list as words are typed."""
        self._catalogue.narrow(value)

    def action_close(self) -> None:
        """Show the whole catalogue again."""
        self._catalogue.narrow("")
        self._catalogue.focus()
        self.remove()

    def action_hand_over(self) -> None:
        """Choose among what was found, from the best on."""
        self._catalogue.focus()

    def action_take(self) -> None:
        """Run what fits best, where the cursor is, and show the whole catalogue again."""
        entry = self._catalogue.highlighted_entry
        if entry is not None:
            self._catalogue.action_select()
            self.action_close()
