"""Terminal sizes: from which the layout changes, and what is shown where there is no room."""

from __future__ import annotations

import textwrap

from textual.geometry import Size
from textual.strip import Strip

from tui.strips import StripWidget, line_of

MINIMUM = Size(60, 20)
#: Columns and rows from which the layout changes, and the class a screen has from there on.
WIDTHS = [(0, "-too-narrow"), (MINIMUM.width, "-slim"), (80, "-narrow"), (100, "-wide")]
HEIGHTS = [(0, "-too-low"), (MINIMUM.height, "-low"), (32, "-high")]


def classes_for(size: Size) -> str:
    """The classes of a screen of this size.

    Textual sets them with the first resize, which is after a first paint in the wrong layout.
    """
    width = max(limit for limit in WIDTHS if limit[0] <= size.width)[1]
    height = max(limit for limit in HEIGHTS if limit[0] <= size.height)[1]
    return f"{width} {height}"


class TooSmall(StripWidget):
    """Shown in place of everything else; goes by itself when the terminal grows."""

    def draw(self, size: Size) -> list[Strip]:
        text = (
            f"nablascope needs {MINIMUM.width} columns and {MINIMUM.height} rows; "
            f"this terminal has {size.width} and {size.height}. Make it larger, or press q to quit."
        )
        style = self.visual_style.rich_style
        return [line_of(size.width, (line, style)) for line in textwrap.wrap(text, size.width)]
