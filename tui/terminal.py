"""What the terminal can show: how many colours, and whether it knows more than ASCII."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.filter import LineFilter

from tui.ascii import to_ascii
from tui.colours import Colours as Colours

if TYPE_CHECKING:
    from rich.segment import Segment
    from textual.app import App
    from textual.color import Color


def colours_of(app: App[Any]) -> Colours:
    """What NO_COLOR, TERM and COLORTERM say of this terminal."""
    if app.no_color or app.console.color_system is None:
        return Colours.NONE
    return Colours.SIXTEEN if app.console.color_system in ("standard", "windows") else Colours.MANY


def speaks_unicode(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the locale promises UTF-8. One that is not set at all is taken to."""
    named = environ.get("LC_ALL")
    if not named:
        named = environ.get("LC_CTYPE")
        lang = environ.get("LANG")
        # Python itself sets LC_CTYPE=C.UTF-8 in a C locale (PEP 538), so LANG has the last word.
        if lang in ("C", "POSIX") and named in (None, "", "C.UTF-8", "C.utf8", "UTF-8"):
            return False
        named = named or lang
    return not named or "utf" in named.lower()


class AsciiFilter(LineFilter):
    """Turns every line the app draws into ASCII of the same width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Translate a line, whatever widget it comes from."""
        from rich.segment import Segment

        return [
            segment if segment.text.isascii() else Segment(to_ascii(segment.text), *segment[1:])
            for segment in segments
        ]
