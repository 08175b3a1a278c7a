"""The picture of a gradient for a plain shell: log10 |dL/dh| over layers or time steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from tui.lab.axis import round_places, round_step, x_labels

#: The least the vertical axis spans, in decades: rounding must not look like a trend.
_LEAST_DECADES = 4
_HEIGHT = 14


def picture(
    log10_grad: Sequence[float],
    *,
    axis: str,
    columns: int,
    unicode: bool = True,
    colour: str | None = None,
    theory: Sequence[float] = (),
) -> str | None:
    """Draw one value a layer ("layer") or time step ("time"), first to last, as lines of text.

    The last value is the one next to the loss. Values that are not finite leave a gap; None where
    fewer than two can be drawn. `colour` is one of plotext's, None for none. `theory` holds as many
    values again, drawn as dashes behind the others, as far as they leave those most of the room.
    """
    places = [i + 1 for i, value in enumerate(log10_grad) if math.isfinite(value)]
    if len(places) < 2:
        return None
    import plotext

    values = [log10_grad[place - 1] for place in places]
    low, high = _limits(min(values), max(values))
    predicted = [value for value in theory if math.isfinite(value)]
    if predicted:
        room = high - low
        low = max(min(low, math.floor(min(predicted))), low - room)
        high = min(max(high, math.ceil(max(predicted))), high + room)
    step = round_step(high - low, _HEIGHT // 2)
    ticks = list(range(math.ceil(low / step) * step, high + 1, step))
    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(columns, _HEIGHT + 2)
    plotext.theme("clear")
    marker = "braille" if unicode else "*"
    for xs, ys in _dashes(theory, columns):
        plotext.plot(xs, ys, marker="braille" if unicode else "-")
    for run in _without_gaps(places):
        drawn = [log10_grad[place - 1] for place in run]
        draw = plotext.plot if len(run) > 1 else plotext.scatter
        draw(run, drawn, marker=marker, color=colour)
    plotext.xlim(1, len(log10_grad))
    plotext.ylim(low, high)
    plotext.xticks([], [])
    plotext.yticks(ticks, [str(tick) for tick in ticks])
    built: str = plotext.build()
    if colour is None:
        built = plotext.uncolorize(built)
    lines = [line.rstrip() for line in built.rstrip().splitlines()]
    gutter = max(len(str(tick)) for tick in ticks) + 1
    ends = _ends(axis, len(log10_grad), columns - gutter)
    return "\n".join([*lines, " " * gutter + ends])


def _ends(axis: str, span: int, columns: int) -> str:
    word = "step" if axis == "time" else "layer"
    left, right = f"{word} 1 (farthest)", f"(next to the loss) {word} {span}"
    # What explains an end goes before any of its name is cut.
    if len(left) + len(right) >= columns:
        left = f"{word} 1"
    if len(left) + len(right) >= columns:
        right = f"{word} {span}"
    numbers = [(place, str(place)) for place in round_places(span, 8)]
    return x_labels(columns, span, left, right, numbers)


def _limits(lowest: float, highest: float) -> tuple[int, int]:
    low, high = math.floor(lowest), math.ceil(highest)
    missing = _LEAST_DECADES - (high - low)
    if missing > 0:
        low -= (missing + 1) // 2
        high += missing // 2
    return low, high


def _dashes(values: Sequence[float], columns: int) -> list[tuple[list[float], list[float]]]:
    """A curve over places 1, 2, ... as strokes of three columns with gaps of two between them."""
    strokes: list[tuple[list[float], list[float]]] = []
    if len(values) < 2:
        return strokes
    for start in range(0, columns - 2, 5):
        xs, ys = [], []
        for column in range(start, start + 3):
            x = column / (columns - 1) * (len(values) - 1)
            left = min(int(x), len(values) - 2)
            y = values[left] + (x - left) * (values[left + 1] - values[left])
            if math.isfinite(y):
                xs.append(x + 1.0)
                ys.append(y)
        if len(xs) > 1:
            strokes.append((xs, ys))
    return strokes


def _without_gaps(places: list[int]) -> list[list[int]]:
    runs: list[list[int]] = [[places[0]]]
    for before, place in pairwise(places):
        if place == before + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs
