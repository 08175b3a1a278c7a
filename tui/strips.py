"""Widgets that draw their own lines and repaint only the cells that changed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from rich.style import Style


def strip_of(characters: Sequence[str], styles: Sequence[Style]) -> Strip:
    """One line from single-cell characters and the style of each; neighbours alike are merged."""
    segments: list[Segment] = []
    start, width = 0, len(characters)
    for end in range(1, width + 1):
        if end == width or styles[end] is not styles[start]:
            segments.append(Segment("".join(characters[start:end]), styles[start]))
            start = end
    return Strip(segments, width)


def line_of(width: int, *parts: tuple[str, Style]) -> Strip:
    """One line of exactly `width` cells from pieces of text and their styles."""
    return Strip([Segment(text, style) for text, style in parts if text]).adjust_cell_length(width)


def ranked_line(width: int, *parts: tuple[str, Style, int]) -> Strip:
    """One line of text, style and rank: where not all of it fits, the lowest ranks are left out."""
    kept: list[tuple[str, Style]] = []
    for least in sorted({rank for _, _, rank in parts}):
        kept = [(text, style) for text, style, rank in parts if rank >= least]
        if sum(len(text) for text, _ in kept) <= width:
            break
    return line_of(width, *kept)


class StripWidget(Widget):
    """A widget that draws itself as a list of strips.

    A subclass implements `draw`; whoever changes what it shows calls `redraw`. Only the spans
    that differ from the last drawing are sent to the terminal, which a slow link will notice.
    """

    _strips: list[Strip] = []  # noqa: RUF012 (replaced, never mutated)
    _drawn_size: Size | None = None
    _entitled = ""

    @abstractmethod
    def draw(self, size: Size) -> list[Strip]:
        """The whole content, one strip per line, each `size.width` cells wide."""

    def redraw(self) -> None:
        """Draw anew and repaint what changed. Does nothing while the widget is out of sight."""
        size = self.content_size
        if not size.area or not self.display:
            self._drawn_size = None
            return
        if self._drawn_size != size:
            self._drawn_size = None
            self.refresh()
            return
        before, self._strips = self._strips, self.draw(size)
        changed = [
            region
            for y, (old, new) in enumerate(zip(before, self._strips, strict=False))
            if (region := _difference(old, new, y)) is not None
        ]
        low, high = sorted((len(before), len(self._strips)))
        if high > low:
            changed.append(Region(0, low, size.width, high - low))
        if changed:
            self.refresh(*changed)

    def entitle(self, title: str) -> None:
        """Set the border's title; Textual would repaint the whole widget even for the same one."""
        if title != self._entitled:
            self._entitled = title
            self.border_title = title

    def notify_style_update(self) -> None:
        """Draw everything again: colours may have changed."""
        self._drawn_size = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """One line of what was drawn last."""
        size = self.content_size
        if self._drawn_size != size:
            self._strips, self._drawn_size = self.draw(size), size
        ground = self.visual_style.rich_style
        if y >= len(self._strips):
            return Strip.blank(size.width, ground)
        return self._strips[y].apply_style(ground)


def _difference(old: Strip, new: Strip, y: int) -> Region | None:
    """The span of line `y` in which two strips differ, None if they are alike."""
    before, after = list(old), list(new)
    if before == after:
        return None
    left = _common_cells(before, after)
    right = _common_cells(before[::-1], after[::-1])
    width = new.cell_length
    return Region(left, y, max(width - left - right, 1), 1)


def _common_cells(before: list[Segment], after: list[Segment]) -> int:
    cells = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        cells += one.cell_length
    return cells
