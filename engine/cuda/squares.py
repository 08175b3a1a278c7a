"""Sums of squares on a device, by a kernel of our own: a library's takes one block a row."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from engine.cuda.kernels import read

if TYPE_CHECKING:
    from engine.arrays import Array, ArrayModule
    from engine.cuda.compiler import Compiler, Kernel
    from engine.layer import Shape

#: Threads of a block, the values that are worth a thread, and blocks that keep a device busy.
_THREADS, _VALUES, _BLOCKS = 256, 8, 512
#: Bytes that a block's threads share, a sum for each.
_ROOM = 8 * _THREADS
#: Launches that are remembered.
_MOST_KNOWN = 2**14

_NUMBERS = {"float32": "float", "float64": "double", "bool": "bool"}


class Squares:
    """Launches sums as squares.cu has them; those of one device take turns.

    Passes sum the same arrays again and again, so what a launch is given is remembered.
    """

    def __init__(self, xp: ArrayModule, compiler: Compiler) -> None:
        import numpy as np

        self._xp = xp
        self._address = compiler.address
        #: By dtype.
        self._kernels = {
            name: compiler.kernels(f"typedef {number} number;\n{read('squares.cu')}")
            for name, number in _NUMBERS.items()
        }
        names = ("data", "second", "third", "values", "step 1", "step 2", "step 3")
        self._layout = np.dtype([(name, np.int64) for name in names])
        #: What blocks that share a row leave each other, and how many of them have come by.
        self._shares = xp.zeros(_BLOCKS, dtype="float64")
        self._arrived = xp.zeros(_BLOCKS, dtype="uint32")
        self._known: dict[tuple[Any, ...], tuple[Kernel, tuple[int], tuple[Any, ...]]] = {}

    def __call__(self, blocks: Array, out: Array) -> None:
        """Sums over the last axis of blocks (..., n), at most three axes in front, to `out`."""
        steps, width = blocks.strides, blocks.itemsize
        if steps[-1] != width:
            blocks = self._xp.ascontiguousarray(blocks)
            steps = blocks.strides
        shape, data, target = blocks.shape, self._address(blocks), self._address(out)
        key = (data, target, shape, steps, width)
        if key not in self._known:
            if len(self._known) == _MOST_KNOWN:
                self._known.clear()
            launch = self._kernels[blocks.dtype.name]("squares")
            self._known[key] = (launch, *self._given(data, target, shape, steps))
        launch, grid, given = self._known[key]
        launch(grid, (_THREADS, 1), given, shared_mem=_ROOM)

    def _given(
        self, data: int, target: int, shape: Shape, steps: Shape
    ) -> tuple[tuple[int], tuple[Any, ...]]:
        """The grid and the arguments of a launch; addresses instead of arrays, to keep none."""
        import numpy as np

        *lead, values = shape
        rows, missing = prod(lead), 3 - len(lead)
        _, second, third = (1,) * missing + tuple(lead)
        parts = min(max(1, _BLOCKS // rows), -(-values // (_THREADS * _VALUES)))
        laid_out = (data, second, third, values, *(0,) * missing, *steps[:-1])
        described = np.array([laid_out], dtype=self._layout)
        shared = (np.int64(parts), self._shares, self._arrived)
        return (rows * parts,), (described, np.int64(target), *shared)
