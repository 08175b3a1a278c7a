"""Above the picture: what the scenario asks, or what the control under the cursor does."""

from __future__ import annotations

import textwrap
from typing import ClassVar

from textual.geometry import Size
from textual.strip import Strip

from tui.strips import StripWidget, line_of


class Caption(StripWidget):
    """One or two sentences."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"caption--lead", "caption--text"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lead, self._text = "", ""

    def show(self, lead: str, text: str) -> None:
        """Show `text`, with what it is about in front."""
        if (lead, text) != (self._lead, self._text):
            self._lead, self._text = lead, text
            self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as it takes, where the style sheet leaves that open."""
        return len(self._lines(width))

    def _lines(self, width: int, most: int | None = None) -> list[str]:
        text = f"{self._lead} {self._text}".strip()
        return textwrap.wrap(text, max(width, 1), max_lines=most, placeholder=" …")

    def draw(self, size: Size) -> list[Strip]:
        lead = self.get_component_rich_style("caption--lead", partial=True)
        style = self.get_component_rich_style("caption--text", partial=True)
        wrapped = self._lines(size.width, size.height)
        strips = []
        for number, line in enumerate(wrapped):
            head = line[: len(self._lead)] if number == 0 else ""
            strips.append(line_of(size.width, (head, lead), (line[len(head) :], style)))
        return strips
