"""The line at the top: the screens as tabs, the scenario, and what its run is doing."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from tui.modes import MODES
from tui.strips import StripWidget, line_of

_SIGNS = {
    "starting": "…",
    "computing": "…",
    "running": "▶",
    "paused": "‖",
    "finished": "■",
    "diverged": "✗",
    "failed": "✗",
    "stored": "■",
}


#: Columns from which on the program's name is written out, and from which on the tabs have keys.
_NAMED, _KEYED = 100, 70


class TitleBar(StripWidget):
    """One line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "title--name",
        "title--tab",
        "title--here",
        "title--text",
        "title--state",
    }

    def __init__(self, mode: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._mode = mode
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
        program = " ∇ nablascope " if size.width >= _NAMED else " ∇ "
        tabs = self._tabs(keyed=size.width >= _KEYED)
        state = f" {_SIGNS[self._state]} {self._state} " if self._state else ""
        room = max(size.width - len(program) - sum(len(t) for t, _ in tabs) - len(state), 0)
        text = f" {self._text}"
        text = text if len(text) <= room else f"{text[: max(room - 1, 0)]}…"
        return [
            line_of(
                size.width, (program, name), *tabs, (text.ljust(room), plain), (state, state_style)
            )
        ]

    def _tabs(self, *, keyed: bool) -> list[tuple[str, Style]]:
        """Every screen with its key; brackets mark the one that is shown."""
        tab = self.get_component_rich_style("title--tab", partial=True)
        here = self.get_component_rich_style("title--here", partial=True)
        tabs = []
        for mode in MODES:
            label = f"{mode.key} {mode.title}" if keyed else mode.title
            click = Style(meta={"@click": f"app.switch_mode('{mode.name}')"})
            if mode.name == self._mode:
                tabs.append((f"[{label}]", here + click))
            else:
                tabs.append((f" {label} ", tab + click))
        return tabs
