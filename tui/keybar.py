"""The line of keys at the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from tui.strips import StripWidget, line_of

if TYPE_CHECKING:
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
        parts: list[tuple[str, Style]] = []
        seen: set[str] = set()
        room = size.width
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.show or not active.enabled or binding.action in seen:
                continue
            seen.add(binding.action)
            key = self.app.get_key_display(binding)
            needed = len(key) + len(binding.description) + 3
            # The last one can do without the space behind it.
            if needed - 1 > room:
                break
            room -= needed
            click = Style(meta={"@click": f"app.simulate_key('{binding.key}')"})
            parts.append((f" {key} ", key_style + click))
            parts.append((f"{binding.description} ", text_style + click))
        return [line_of(size.width, *parts)]
