"""Sums of squares on a device, by a kernel of our own: a library's takes one block a row."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from engine.cuda.kernels import read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.arrays import Array, ArrayModule
    from engine.cuda.compiler import Compiler

#: Threads of a block, the values that are worth a thread, and blocks that keep a device busy.
_THREADS, _VALUES, _BLOCKS = 256, 8, 512

_NUMBERS = {"float32": "float", "float64": "double", "bool": "bool"}


class Squares:
    """Launches sums as squares.cu has them; those of one device take turns."""

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

    def __call__(self, blocks: Array, out: Array) -> None:
        """Sums over the last axis of blocks (..., n), at most three axes in front, to `out`."""
        import numpy as np

        if blocks.strides[-1] != blocks.itemsize:
            blocks = self._xp.ascontiguousarray(blocks)
        rows = prod(out.shape)
        most = max(1, _BLOCKS // rows)
        parts = min(most, -(-blocks.shape[-1] // (_THREADS * _VALUES)))
        given = (self._rows(blocks), out, np.int64(parts), self._shares, self._arrived)
        launch = self._kernels[blocks.dtype.name]("squares")
        launch((rows * parts,), (_THREADS, 1), given, shared_mem=8 * _THREADS)

    def _rows(self, blocks: Array) -> NDArray[Any]:
        """The argument `Rows`."""
        import numpy as np

        *lead, values = blocks.shape
        _, second, third = (1,) * (3 - len(lead)) + tuple(lead)
        steps = (0,) * (3 - len(lead)) + blocks.strides[:-1]
        given = (self._address(blocks), second, third, values, *steps)
        return np.array([given], dtype=self._layout)
