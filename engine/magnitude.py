"""Magnitudes that stay right where the dtype ends: log2 RMS, and gradients with exponents.

A gradient is carried as `data * 2**exponent`, one exponent per cell and time step. As long as
magnitudes stay inside WINDOW no exponent is ever touched and nothing is paid for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.arrays import Array

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import Exponents, HostArray
    from engine.backend import Backend

LOG10_2 = math.log10(2.0)

#: |log2 RMS| up to which data is left as it is: 2**40 squared still fits float32 with room to sum.
WINDOW = 40.0

#: |log2 RMS| up to which float32 data still has all its bits, if it came there in one hop.
TRUSTED = 100.0

#: Largest power of two that is one float32 factor with room to spare.
_LARGEST_FACTOR = 120

#: Values scaled by their largest elements at a time: few beside a workspace, and on a device, where
#: each time waits for it, many.
_PIECE, _DEVICE_PIECE = 2**13, 2**22

#: Sums of squares between these lost nothing to the ends of float32.
_LEAST_SQUARE, _LARGEST_SQUARE = _SOUND_SQUARES = 2.0**-90, 2.0**120


def log2_rms(backend: Backend, blocks: Array, lead: int = 2) -> HostArray:
    """log2 of the RMS of each block: one number for each index of the first `lead` axes.

    -inf for a block of exact zeros, nan for one with an infinity or a nan. Blocks whose squares
    leave the dtype are summed again, scaled by their largest element.
    """
    import numpy as np

    result: HostArray = np.empty(blocks.shape[:lead])
    put_log2_rms(backend, blocks, result)
    return result


def put_log2_rms(backend: Backend, blocks: Array, out: HostArray) -> None:
    """Write what `log2_rms` returns to `out`, one number for each index of its axes."""
    if backend.measurements is not None:
        put_each_log2_rms(backend, [(blocks, out)])
        return
    if out.size == 1:
        out.fill(log2_rms_of_all(backend, blocks))
        return
    flat = blocks.reshape(*out.shape, -1)
    _put_log2_rms(backend, flat, backend.sum_squares(flat), out)


def put_each_log2_rms(backend: Backend, fields: Sequence[tuple[Array, HostArray]]) -> None:
    """`put_log2_rms` of each (blocks, out); what waits for a device does so once."""
    if backend.measurements is None:
        for blocks, out in fields:
            put_log2_rms(backend, blocks, out)
        return
    flats = [(blocks.reshape(*out.shape, -1), out) for blocks, out in fields]
    backend.measurements.put_log2_rms(flats)


def _put_log2_rms(backend: Backend, flat: Array, squares: HostArray, out: HostArray) -> None:
    """Write log2 RMS over the last axis to `out`, given the sums of squares."""
    import numpy as np

    np.log2(squares, out=out)
    out -= math.log2(flat.shape[-1])
    out *= 0.5
    if not within(squares, *_SOUND_SQUARES):
        sound = (squares > _SOUND_SQUARES[0]) & (squares < _SOUND_SQUARES[1])
        look_again(backend, flat, ~sound, out)


def look_again(backend: Backend, flat: Array, places: NDArray[np.bool_], out: HostArray) -> None:
    """Write log2 RMS over the last axis to `out` at these places, whatever squares would leave."""
    import numpy as np

    found = np.argwhere(places)
    most = max(1, (_PIECE if backend.measurements is None else _DEVICE_PIECE) // flat.shape[-1])
    for first in range(0, len(found), most):
        part = found[first : first + most].T
        rows = flat[tuple(backend.xp.asarray(axis) for axis in part)]
        out[tuple(part)] = _careful_log2_rms(backend, rows)


def log2_rms_of_all(backend: Backend, block: Array) -> float:
    """`log2_rms` of a whole array: one number, as most layers give, is quicker without arrays."""
    square = backend.sum_all_squares(block)
    if _LEAST_SQUARE < square < _LARGEST_SQUARE:
        return 0.5 * math.log2(square / block.size)
    return _careful_log2_rms(backend, block.reshape(1, -1)).item()


def within(values: HostArray, low: float, high: float) -> bool:
    """Whether every value lies strictly between `low` and `high`; a nan does not."""
    if values.size == 1:
        return low < values.item() < high
    # To find a place starts several times quicker than to compare all; a nan is found as both ends.
    return values.item(values.argmax()) < high and values.item(values.argmin()) > low


def _careful_log2_rms(backend: Backend, rows: Array) -> HostArray:
    """log2 RMS of rows (n, size), each scaled by its largest element."""
    import numpy as np

    largest = backend.to_host(backend.xp.abs(rows).max(axis=1)).astype(np.float64)
    lost = ~np.isfinite(largest)
    shift = np.frexp(np.where(lost, 1.0, largest))[1]
    scaled = backend.xp.ldexp(rows, backend.xp.asarray(-shift[:, None]))
    # A row of zeros has no squares to take a logarithm of, and -inf is what it should give.
    with np.errstate(divide="ignore"):
        squares = backend.to_host(backend.squared_norms(scaled)).astype(np.float64)
        sizes: HostArray = shift + 0.5 * np.log2(squares / rows.shape[-1])
    sizes[lost] = math.nan
    return sizes


@dataclass(slots=True)
class ScaledGradient:
    """A gradient field `data * 2**exponent`.

    Attributes:
        data: (S, T', B, *features) on the device: the last T' of the layer's T time steps, the
            gradient being zero at all earlier ones.
        exponent: (S, T') integers on the host.
    """

    data: Array
    exponent: Exponents


def untouched(exponent: Exponents) -> bool:
    """Whether every exponent is 0."""
    # A single number, as most layers have, is quicker read than searched for.
    return not (exponent.item() if exponent.size == 1 else exponent.any())


def multiply_by_power(backend: Backend, data: Array, exponent: Exponents) -> None:
    """Multiply in place by 2**exponent; `exponent` covers the leading axes of `data`."""
    if untouched(exponent):
        return
    import numpy as np

    shape = exponent.shape + (1,) * (data.ndim - exponent.ndim)
    if exponent.max() > _LARGEST_FACTOR:
        # A single factor would be inf in float32, and inf * 0 is not 0; ldexp is slow but right.
        powers = backend.xp.asarray(exponent.reshape(shape).astype(np.int32))
        backend.xp.ldexp(data, powers, out=data)
        return
    factors = np.ldexp(1.0, np.maximum(exponent, -1080)).reshape(shape)
    # A single one need not be an array, which a device would be sent.
    factor = factors.item() if factors.size == 1 else backend.asarray(factors)
    backend.xp.multiply(data, factor, out=data)


def add_scaled(
    backend: Backend, one: ScaledGradient, other: ScaledGradient, out: Array
) -> ScaledGradient:
    """Write one + other to `out`, which may be the data of either; both may be rescaled."""
    import numpy as np

    exponent = one.exponent
    if not np.array_equal(exponent, other.exponent):
        # The scale of the larger, by what they are and not by what they were once scaled with.
        sizes = [log2_rms(backend, part.data) + part.exponent for part in (one, other)]
        largest = np.fmax(*(np.where(np.isfinite(size), size, -math.inf) for size in sizes))
        chosen = np.where(np.isfinite(largest), largest, np.maximum(exponent, other.exponent))
        exponent = np.rint(chosen).astype(np.int64)
        for part in (one, other):
            multiply_by_power(backend, part.data, part.exponent - exponent)
    backend.xp.add(one.data, other.data, out=out)
    return ScaledGradient(out, exponent)
