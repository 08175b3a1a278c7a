"""The heatmap's fixed scale: from decades beside the loss end to a level, its colour and character.

The scale never moves, so two runs, or two moments of one run, can be compared by eye. Its limits
at 3 decades are the verdict's own: everything between them is healthy and nearly white.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.color import Color
from rich.style import Style

from tui.colours import Colours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import HostArray


class Level(NamedTuple):
    """One tone: it starts at `low` decades, up to where the next one starts."""

    low: float
    rgb: str
    ansi: int
    character: str


#: Blue to orange survives every common colour blindness; ink grows from vanishing to exploding.
LEVELS = (
    Level(float("-inf"), "#08275f", 4, "."),
    Level(-100, "#0c3a86", 4, ","),
    Level(-60, "#164fa6", 4, ","),
    Level(-30, "#2466bd", 12, ":"),
    Level(-20, "#387fcf", 12, ":"),
    Level(-10, "#5a9bdf", 14, "-"),
    Level(-5, "#82b6ea", 14, "-"),
    Level(-3, "#c3dbf0", 7, "="),
    Level(-2, "#dde9f2", 7, "="),
    Level(-1, "#f4f3ee", 15, "="),
    Level(1, "#f6e6d2", 7, "="),
    Level(2, "#f7d7b4", 7, "="),
    Level(3, "#f5b97d", 11, "+"),
    Level(5, "#f09d51", 11, "+"),
    Level(10, "#e57f30", 9, "*"),
    Level(20, "#d5651c", 9, "*"),
    Level(30, "#bd4b10", 1, "%"),
    Level(60, "#9d360a", 1, "%"),
    Level(100, "#7a2406", 1, "#"),
)
#: Where each level but the first starts.
_LIMITS = tuple(level.low for level in LEVELS[1:])
#: The limits a legend names.
NAMED_LIMITS = (-100, -30, -10, -3, 3, 10, 30, 100)

#: Levels of cells that have no number: nothing measured yet, an exact zero, a forward overflow.
EMPTY, ZERO, OVERFLOW = -3, -2, -1
_SPECIAL = {
    EMPTY: Level(0, "#000000", 0, " "),
    ZERO: Level(0, "#000000", 0, "0"),
    OVERFLOW: Level(0, "#b0148f", 5, "!"),
}


def levels_of(decades: HostArray, values: HostArray) -> NDArray[np.int8]:
    """The level of every cell.

    `decades` are log10 magnitudes relative to the loss end, `values` the absolute ones they came
    from: -inf is an exact zero, nan a forward overflow.
    """
    import numpy as np

    levels = np.searchsorted(_LIMITS, decades, side="right").astype(np.int8)
    levels[np.isneginf(values)] = ZERO
    levels[np.isnan(values)] = OVERFLOW
    return levels


def level_of(decades: float) -> int:
    """The level of one number of decades."""
    return bisect_right(_LIMITS, decades)


def character(level: int) -> str:
    """The level without colour."""
    return _tone(level).character


def is_named(level: int, limits: Sequence[float]) -> bool:
    """Whether a legend that names only these limits shows the level: one between any two."""
    low = LEVELS[level].low
    return low in limits or low in (float("-inf"), -1)


def cell_style(level: int, colours: Colours) -> Style:
    """A whole cell of one level, with a character on it."""
    if level == EMPTY or colours == Colours.NONE:
        return Style()
    dark = level < 0 or level < 4 or level > len(LEVELS) - 4
    return Style.from_color(Color.from_ansi(15 if dark else 0), _colour(level, colours))


def half_style(upper: int, lower: int, colours: Colours) -> Style:
    """A half-block: the upper half in one level's colour, the lower in another's."""
    return Style.from_color(
        None if upper == EMPTY else _colour(upper, colours),
        None if lower == EMPTY else _colour(lower, colours),
    )


def _tone(level: int) -> Level:
    return _SPECIAL[level] if level < 0 else LEVELS[level]


def _colour(level: int, colours: Colours) -> Color:
    tone = _tone(level)
    if colours == Colours.SIXTEEN:
        return Color.from_ansi(tone.ansi)
    return Color.parse(tone.rgb)
