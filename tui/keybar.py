"""The line of keys at the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from tui.strips import StripWidget, line_of

if TYPE_CHECKING:
    from textual.binding import Binding
    from textual.screen import Screen


class KeyBar(StripWidget):
    """What the keys do at this moment. One widget: Textual's own footer mounts one per key."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--text"}

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def on_unmount(self) -> None:
        """Stop following."""
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _changed(self, _screen: Screen[object]) -> None:
        self.redraw()

    def draw(self, size: Size) -> list[Strip]:
        key_style = self.get_component_rich_style("keys--key", partial=True)
        text_style = self.get_component_rich_style("keys--text", partial=True)
        shown: dict[str, tuple[Binding, str]] = {}
        for active in self.screen.active_bindings.values():
            if active.binding.show and active.enabled:
                key = self.app.get_key_display(active.binding)
                shown.setdefault(active.binding.action, (active.binding, key))
        # The last one can do without the space behind it.
        excess = -1 - size.width
        excess += sum(len(key) + len(binding.description) + 3 for binding, key in shown.values())
        for action in reversed(list(shown)):
            # Help is what leads to those that have no room.
            if excess > 0 and action != "help":
                binding, key = shown.pop(action)
                excess -= len(key) + len(binding.description) + 3
        parts: list[tuple[str, Style]] = []
        for binding, key in shown.values():
            click = Style(meta={"@click": f"app.simulate_key('{binding.key}')"})
            parts.append((f" {key} ", key_style + click))
            parts.append((f"{binding.description} ", text_style + click))
        return [line_of(size.width, *parts)]
