"""A page's knobs, in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Size
from textual.strip import Strip

from tui.learn.notation import plain
from tui.strips import StripWidget, line_of

if TYPE_CHECKING:
    from rich.style import Style

    from scenarios.lesson.page import Knob, Page, Settings


class KnobBar(StripWidget):
    """What can be changed on this page; the chosen one carries arrows."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"knobs--label", "knobs--value", "knobs--chosen"}

    def __init__(self, *, unicode: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._unicode = unicode
        self._page: Page | None = None
        self._settings: Settings | None = None
        self._chosen = 0

    def show(self, page: Page, settings: Settings, chosen: int) -> None:
        """Show a page's knobs as they are set."""
        self._page, self._settings, self._chosen = page, settings, chosen
        self.redraw()

    def draw(self, size: Size) -> list[Strip]:
        if self._page is None or self._settings is None:
            return []
        label = self.get_component_rich_style("knobs--label", partial=True)
        value = self.get_component_rich_style("knobs--value", partial=True)
        chosen = self.get_component_rich_style("knobs--chosen", partial=True)
        line: list[tuple[str, Style]] = []
        for place, knob in enumerate(self._page.knobs):
            text = shown(knob, self._settings)
            title = knob.title if self._unicode else plain(knob.title)
            if place == self._chosen:
                line += [(f" {title} ◂ {text} ▸ ", chosen), (" ", label)]
            else:
                line += [(f" {title} ", label), (f"{text}  ", value)]
        return [line_of(size.width, *line)]


def shown(knob: Knob, settings: Settings) -> str:
    """A knob's value as it is read."""
    value = settings[knob.key]
    return f"{value:g}" if isinstance(value, float) else str(value)
