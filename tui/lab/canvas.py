"""Curves to character cells: plotext draws the dots, one figure per curve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from textual_plotext import Plot

    from engine.arrays import HostArray

#: Rows of equal length, top first; a space is transparent.
Cells: TypeAlias = Sequence[str]
Limits: TypeAlias = tuple[float, float]

#: Pieces beyond which a broken curve is drawn as loose points.
_MAX_PIECES = 24
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_figure: Plot | None = None


def drawn(
    values: HostArray, width: int, height: int, span: int, limits: Limits, unicode: bool
) -> Cells:
    """One curve on an otherwise empty canvas.

    `values` stand at x = span - len(values) + 1 ... span, so that their last one, the loss end,
    is at the right edge; values that are not finite leave a gap. `limits` bound the y axis.
    """
    import numpy as np

    xs, ys = _thinned(values, width, span)
    pieces = _pieces(xs, ys)
    if not pieces or width < 1 or height < 1:
        return [" " * width] * height
    figure = _cleared(width, height)
    marker = "braille" if unicode else "."
    if len(pieces) > _MAX_PIECES:
        finite = np.isfinite(ys)
        figure.scatter(xs[finite].tolist(), ys[finite].tolist(), marker=marker)
    else:
        for piece_xs, piece_ys in pieces:
            figure.plot(piece_xs, piece_ys, marker=marker)
    figure.xlim(0.5, span + 0.5)
    figure.ylim(*limits)
    rows = _ANSI.sub("", figure.build()).split("\n")[:height]
    return [row.ljust(width)[:width] for row in rows]


def _cleared(width: int, height: int) -> Plot:
    # The bare Plot costs a third of PlotextPlot, which parses its ANSI text back into cells and
    # repaints all of them: 5 against 17 ms for four curves at 100x20, pinned ones being cached.
    global _figure
    if _figure is None:
        from textual_plotext import Plot

        _figure = Plot()
    _figure.clear_figure()
    _figure.theme("clear")
    _figure.frame(False)
    _figure.xfrequency(0)
    _figure.yfrequency(0)
    _figure.plotsize(width, height)
    # plotsize alone keeps the size of the figure before (Textualize/textual-plotext#5).
    _figure._set_size(width, height)
    return _figure


def _thinned(values: HostArray, width: int, span: int) -> tuple[HostArray, HostArray]:
    """At most two points, the lowest and the highest, per dot column of the canvas."""
    import numpy as np

    count = len(values)
    xs = np.arange(span - count + 1, span + 1, dtype=np.float64)
    columns = max(2 * width * count // span, 1)
    if count <= 2 * columns:
        return xs, values
    starts = (np.arange(columns) * count) // columns
    with np.errstate(invalid="ignore"):
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return np.repeat(xs[starts], 2), np.stack([low, high], axis=1).ravel()


def _pieces(xs: HostArray, ys: HostArray) -> list[tuple[list[float], list[float]]]:
    """The stretches of a curve that have no gap."""
    import numpy as np

    finite = np.isfinite(ys)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]]).astype(np.int8)))
    return [
        (xs[start:end].tolist(), ys[start:end].tolist())
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def dashed(cells: Cells, dash: int, gap: int) -> Cells:
    """A drawn curve with gaps: `dash` cells, then `gap` without, counted along columns or rows.

    Rows count where the curve is steeper than a cell a column, or its dashes would have no ends.
    """
    found = [(x, y) for y, row in enumerate(cells) for x, cell in enumerate(row) if cell != " "]
    if not found:
        return cells
    columns, rows = ({place[axis] for place in found} for axis in (0, 1))
    axis = 0 if len(columns) >= len(rows) else 1
    kept = {place for place in found if place[axis] % (dash + gap) < dash}
    return [
        "".join(cell if (x, y) in kept else " " for x, cell in enumerate(row))
        for y, row in enumerate(cells)
    ]


def overlaid(under: str, over: str) -> str:
    """Two braille cells in one; anything else on top hides what is beneath."""
    if "\u2800" <= under <= "\u28ff" and "\u2800" <= over <= "\u28ff":
        return chr(ord(under) | ord(over))
    return over
