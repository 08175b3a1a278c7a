"""What no program can do without: the arithmetic of the matrix products, the memory that moves.

And how fast this machine does either: the best plain matrix product and the best plain copy.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.backend import Backend
    from engine.layer import Shape
    from engine.spec import NetworkSpec

#: Sides of the square matrices whose product is timed; which is quickest depends on the caches.
_SIDES = (512, 1024, 2048)
#: Bytes that each thread copies, beyond any cache.
_COPIED = 64 * 2**20
#: Seconds that each is tried for.
_SECONDS = 0.3


def flops(spec: NetworkSpec, parameters: Mapping[str, Shape]) -> float:
    """Floating point operations of all matrix products of one forward and full backward pass.

    Each weight is met three times, forward, for its own gradient and for that of what it read; the
    first layer's input needs none. Elementwise work is not counted, nor what an algorithm saves.
    """
    samples = spec.batch_size * spec.time_steps * prod(spec.input_shape[:-1])
    total = 0.0
    for name, shape in parameters.items():
        layer, _, weight = name.partition(".")
        if len(shape) < 2:
            continue
        passes = 2 if name == "layer1.W" else 3
        met = samples
        if layer == "readout":
            met = spec.batch_size
        elif weight == "U":
            met = spec.batch_size * (spec.time_steps - 1)
        total += 2.0 * passes * met * prod(shape)
    return total


def moved_bytes(spec: NetworkSpec, parameters: Mapping[str, Shape]) -> float:
    """Bytes that move between memory and an unlimited cache in one forward and backward pass.

    Each layer reads its input, writes h, and on the way back reads h, its input once more and
    dL/dh from above, and writes the gradient of its input, the first layer's aside. Parameters are
    read twice and their gradients written.
    """
    width = 8 if spec.dtype == "float64" else 4
    samples = spec.batch_size * spec.time_steps * prod(spec.input_shape[:-1])
    inputs, units = spec.input_shape[-1], spec.hidden_size
    values = 0
    for layer in range(spec.depth):
        read = units if layer else inputs
        from_above = layer < spec.depth - 1
        values += samples * (2 * read + 2 * units + from_above * units + (read if layer else 0))
    values += 3 * sum(prod(shape) for shape in parameters.values())
    return float(values * width)


def gemm_peak(backend: Backend, wait: Callable[[], None]) -> float:
    """Floating point operations a second of the best square matrix product on the device."""
    best = 0.0
    for side in _SIDES:
        a = backend.empty((side, side))
        a.fill(1.0 / side)
        out = backend.empty((side, side))

        def multiply(a: Any = a, out: Any = out) -> None:
            backend.xp.matmul(a, a, out=out)
            wait()

        best = max(best, 2.0 * side**3 / _quickest(multiply))
    return best


def bandwidth(backend: Backend, threads: int, wait: Callable[[], None]) -> float:
    """Bytes a second read and written by a plain copy, by as many threads at once."""
    values = _COPIED // backend.dtype.itemsize
    pairs = [(backend.zeros((values,)), backend.empty((values,))) for _ in range(threads)]

    def copy(pair: tuple[Any, Any]) -> None:
        pair[1][...] = pair[0]
        wait()

    with ThreadPoolExecutor(threads) as pool:
        return 2.0 * _COPIED * threads / _quickest(lambda: list(pool.map(copy, pairs)))


def _quickest(action: Callable[[], object]) -> float:
    action()
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while (begin := time.perf_counter()) < end:
        action()
        best = min(best, time.perf_counter() - begin)
    return best
