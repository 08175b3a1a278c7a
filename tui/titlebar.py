"""The line at the top: the program, the scenario, and what its run is doing."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from textual.geometry import Size
from textual.strip import Strip

from tui.strips import StripWidget, line_of

_SIGNS = {
    "starting": "…",
    "computing": "…",
    "running": "▶",
    "paused": "‖",
    "finished": "■",
    "failed": "✗",
}


class TitleBar(StripWidget):
    """One line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "title--name",
        "title--text",
        "title--state",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text, self._state = "", ""

    def show(self, text: str, state: Enum | None) -> None:
        """Show what this is about, and what it is doing, if anything."""
        shown = "" if state is None else str(state.value)
        if (text, shown) != (self._text, self._state):
            self._text, self._state = text, shown
            self.redraw()

    def draw(self, size: Size) -> list[Strip]:
        name = self.get_component_rich_style("title--name", partial=True)
        plain = self.get_component_rich_style("title--text", partial=True)
        state_style = self.get_component_rich_style("title--state", partial=True)
        program = " ∇ nablascope "
        state = f" {_SIGNS[self._state]} {self._state} " if self._state else ""
        room = max(size.width - len(program) - len(state), 0)
        text = f" {self._text}"
        text = text if len(text) <= room else f"{text[: max(room - 1, 0)]}…"
        return [
            line_of(size.width, (program, name), (text.ljust(room), plain), (state, state_style))
        ]
