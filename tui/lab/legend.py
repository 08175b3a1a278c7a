"""What the colours and characters of the fixed scale stand for, in one line."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from tui.lab import scale
from tui.strips import line_of

if TYPE_CHECKING:
    from rich.style import Style
    from textual.strip import Strip

#: Cells from which on the line says what it is about, and from which on the whole scale fits.
_ROOMY, _WHOLE = 70, 46


def legend(
    width: int,
    special: Collection[int],
    *,
    indent: int,
    blank: bool,
    ink: Callable[[int], Style],
    words: Style,
) -> Strip:
    """The scale with its limits in decades, and those `special` levels that have no number.

    `blank` where colour alone tells the levels apart, `ink` gives a level's style.
    """
    roomy = width >= _ROOMY
    # Where the whole scale does not fit, its outermost levels go without a number.
    limits = scale.NAMED_LIMITS if width >= _WHOLE else scale.NAMED_LIMITS[1:-1]
    parts: list[tuple[str, Style]] = [(" " * indent if roomy else "", words)]
    for level, tone in enumerate(scale.LEVELS):
        if tone.low in limits:
            parts.append((f"{tone.low:+.0f}" if blank else f" {tone.low:.0f} ", words))
        if scale.is_named(level, limits) or (roomy and blank):
            parts.append((" " if blank else tone.character, ink(level)))
    parts.append((" decades" if roomy else "", words))
    for level, meaning in ((scale.ZERO, "exact zero"), (scale.OVERFLOW, "overflow")):
        if level in special:
            parts.append((" ", words))
            parts.append((scale.character(level), ink(level)))
            parts.append((f" {meaning}", words))
    return line_of(width, *parts)
