"""The axis left of a picture, and the corner and labels below it: the same for all pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.lab.axis import GUTTER
from tui.strips import line_of, strip_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.style import Style
    from textual.strip import Strip


def framed(
    rows: Iterable[tuple[Sequence[str], Sequence[Style]]],
    labels: Mapping[int, str],
    ink: Style,
    *,
    after: str = " ",
) -> list[Strip]:
    """Rows of characters and their styles, with numbers to their left and `after` to their right.

    `labels` are by row, 0 at the top; what is wider than the gutter loses its last digits.
    """
    strips = []
    for number, (characters, styles) in enumerate(rows):
        text = labels.get(number, "")
        gutter = f"{text:>{GUTTER - 2}.{GUTTER - 2}} {'┤' if text else '│'}"
        styles = [*[ink] * GUTTER, *styles, *[ink] * len(after)]
        strips.append(strip_of([*gutter, *characters, *after], styles))
    return strips


def foot(width: int, labels: str, ink: Style) -> Strip:
    """The line below, `labels` beginning under the picture's first column."""
    return line_of(width, (" " * (GUTTER - 1) + "└", ink), (labels, ink))
