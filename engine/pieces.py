"""Long arrays a stretch at a time, where arithmetic needs room that no workspace plans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.arrays import Array, ArrayModule

#: Values in a piece: it stays in cache, and a temporary of its size is lost beside a network.
_PIECE = 2**13


def pieces(xp: ArrayModule, *arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The same stretch of every array, flat, for writing too; all are of one shape.

    On a GPU, where each piece would be a launch and temporaries come from a pool, and for arrays
    that do not lie in one stretch, in one order, everything at once.
    """
    orders = zip(*((a.flags.c_contiguous, a.flags.f_contiguous) for a in arrays), strict=True)
    if xp.__name__ == "cupy" or not any(map(all, orders)):
        yield arrays
        return
    flat = [array.ravel("K") for array in arrays]
    for start in range(0, flat[0].size, _PIECE):
        yield tuple(array[start : start + _PIECE] for array in flat)
