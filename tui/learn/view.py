"""The body of the Learn screen: a page's lines, scrolled by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.geometry import Size
from textual.strip import Strip

from tui.learn.layout import TWO_COLUMNS, lay_out, lay_out_wide
from tui.learn.lines import STYLES, Line, wrapped
from tui.strips import StripWidget, line_of

if TYPE_CHECKING:
    from scenarios.lesson.page import Page, Reading

#: Columns left free at the left, and at the right with the scroll bar.
_LEFT, _RIGHT = 1, 2
_WHEEL = 3


class PageView(StripWidget, can_focus=True):
    """Shows one page; what does not fit is a few keys away."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"learn--{style}" for style in STYLES}

    def __init__(self, *, unicode: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._unicode = unicode
        self._shown: tuple[Page, Reading] | None = None
        self._note = ""
        self._lines: list[Line] = []
        self._width = 0
        self._top = 0

    def show(self, page: Page, reading: Reading) -> None:
        """Show a reading; another page starts at its top."""
        if self._shown is None or self._shown[0] is not page:
            self._top = 0
        self._shown, self._note, self._width = (page, reading), "", 0
        self.redraw()

    def show_note(self, note: str) -> None:
        """Say why there is no page, or that it is on its way."""
        self._shown, self._note, self._width, self._top = None, note, 0, 0
        self.redraw()

    def scroll_lines(self, by: int) -> bool:
        """Move by so many lines. False where there is nothing more that way."""
        before = self._top
        self._top = min(max(before + by, 0), self._last_top)
        self.redraw()
        return self._top != before

    def scroll_screen(self, by: int) -> bool:
        """Move by so many screenfuls, less two lines to read on from."""
        return self.scroll_lines(by * max(self.content_size.height - 2, 1))

    @property
    def _last_top(self) -> int:
        return max(len(self._lines) - self.content_size.height, 0)

    def draw(self, size: Size) -> list[Strip]:
        width = max(size.width - _LEFT - _RIGHT, 20)
        if width != self._width:
            self._lines, self._width = self._laid_out(width), width
        self._top = min(self._top, max(len(self._lines) - size.height, 0))
        styles = {
            name: self.get_component_rich_style(f"learn--{name}", partial=True) for name in STYLES
        }
        bar = self._scroll_bar(size.height)
        strips = []
        for row in range(size.height):
            place = self._top + row
            line = self._lines[place] if place < len(self._lines) else []
            pieces = [(text, styles[style]) for text, style in line]
            inner = line_of(size.width - 1 - _LEFT, *pieces)
            left = Strip.blank(_LEFT)
            strips.append(Strip.join([left, inner, line_of(1, (bar[row], styles["dim"]))]))
        return strips

    def _laid_out(self, width: int) -> list[Line]:
        if self._shown is None:
            return wrapped(self._note, width, "dim", unicode=self._unicode)
        lay = lay_out_wide if width >= TWO_COLUMNS else lay_out
        return lay(*self._shown, width, unicode=self._unicode)

    def _scroll_bar(self, height: int) -> str:
        total = len(self._lines)
        if total <= height:
            return " " * height
        size = max(height * height // total, 1)
        start = round(self._top / (total - height) * (height - size))
        return "".join("┃" if start <= row < start + size else "│" for row in range(height))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """For those who have a mouse."""
        event.stop()
        self.scroll_lines(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The same, upwards."""
        event.stop()
        self.scroll_lines(-_WHEEL)
