"""A histogram in a plain shell: a line a bar, the largest values on top."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from tui.lab.axis import round_up

if TYPE_CHECKING:
    from engine.arrays import HostArray

#: Bars that values are spread over, about.
_BARS = 8
#: Columns of the line at the mark.
_LINE = 50


def histogram(
    values: HostArray,
    mark: float,
    told: str,
    columns: int,
    prefix: str = "",
    reach: float = math.inf,
) -> list[str]:
    """Bars of how many of `values` are of each size, with a line at `mark` that says `told`.

    One bar gathers what lies more than `reach` below the largest, -inf too. `prefix` goes before
    every number, as 10^ before a logarithm.
    """
    import numpy as np

    high = float(values.max())
    kept = values[values >= high - reach] if math.isfinite(high) else values
    if float(kept.min()) == high:
        names, counts = ["0" if high == -math.inf else f"{prefix}{high:.6g}"], [kept.size]
        above, lowest = int(high > mark), names[0]
    else:
        edges = _edges(float(kept.min()), high, mark)
        digits = max(0, 1 - math.floor(math.log10(edges[1] - edges[0])))
        ends = [f"{prefix}{round(edge, digits) + 0.0:.{digits}f}" for edge in edges]
        names, lowest = [f"{low} to {top}" for low, top in pairwise(ends)], ends[0]
        # Rounding may put an end of the values beyond the last edge.
        places = np.clip(np.searchsorted(edges, kept, side="right") - 1, 0, len(names) - 1)
        counts = np.bincount(places, minlength=len(names)).tolist()
        # Half a bar: the mark is an edge only where it is among the values.
        above = sum(low + top > 2.0 * mark for low, top in pairwise(edges))
    rows = list(zip(names, counts, strict=True))[::-1]
    if kept.size < values.size:
        rows.append((f"below {lowest}", values.size - kept.size))
    longest = max(len(name) for name, _ in rows)
    most = max(count for _, count in rows)
    room = max(columns - longest - len(f"  {most}"), 1)
    lines = [f"{name:>{longest}} {_bar(count / most * room)}{count}" for name, count in rows]
    lines.insert(above, f"{'':>{longest}} {f'── {told} ':─<{min(room, _LINE)}}")
    return lines


def _edges(low: float, high: float, mark: float) -> list[float]:
    """Where bars begin and end; a mark among the values is such a place."""
    step = round_up((high - low) / _BARS)
    start = mark if low - step < mark < high + step else 0.0
    first = math.floor((low - start) / step)
    last = max(math.ceil((high - start) / step), first + 1)
    return [start + place * step for place in range(first, last + 1)]


def _bar(length: float) -> str:
    return f"{'█' * round(length) or '▏'} " if length else ""
