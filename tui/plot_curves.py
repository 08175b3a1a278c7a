"""Loss curves for a plain shell: one letter a curve, a logarithmic loss axis."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

#: What curves are drawn with, in order; the legend says which is which.
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_COLOURS = ("blue", "red", "cyan", "magenta", "green", "orange")
_HEIGHT = 14


def curves_text(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    *,
    columns: int,
    level: tuple[str, float] | None = None,
    colour: bool = False,
) -> str | None:
    """Draw curves of (step, loss) by name over the logarithm of the loss, as lines of text.

    Losses that have no logarithm leave a gap; None where there is nothing to draw. `level` is the
    name and the height of a line of dashes behind the curves.
    """
    drawn = {
        name: [(step, math.log10(loss)) for step, loss in points if 0.0 < loss < math.inf]
        for name, points in curves.items()
    }
    values = [value for points in drawn.values() for _, value in points]
    if not values:
        return None
    legend = [f"{_letter(place)} {name}" for place, name in enumerate(drawn)]
    last = max(step for points in drawn.values() for step, _ in points)
    height = None
    if level is not None:
        height = math.log10(level[1])
        values.append(height)
        legend.append(f"- {level[0]}, {level[1]:.3g}")
    import plotext

    low, high = math.floor(min(values)), math.ceil(max(values))
    high = max(high, low + 1)
    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(columns, _HEIGHT + 3)
    plotext.theme("clear")
    if height is not None:
        plotext.plot([0, last], [height, height], marker="-")
    for place, points in enumerate(drawn.values()):
        if points:
            plotext.plot(
                [step for step, _ in points],
                [value for _, value in points],
                marker=_letter(place),
                color=_COLOURS[place % len(_COLOURS)] if colour else None,
            )
    plotext.ylim(low, high)
    ticks = list(range(low, high + 1, -(-(high - low) // 5)))
    plotext.yticks(ticks, [f"{10.0**tick:g}" for tick in ticks])
    built: str = plotext.build()
    if not colour:
        built = plotext.uncolorize(built)
    lines = [line.rstrip() for line in built.rstrip().splitlines()]
    return "\n".join([*lines, *textwrap.wrap("  ".join(legend), columns)])


def _letter(place: int) -> str:
    return _LETTERS[place % len(_LETTERS)]
