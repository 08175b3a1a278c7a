"""The sources, read and put together, and how arrays are handed to the kernels in them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.activations import Activation
    from engine.arrays import Array
    from engine.cuda.compiler import Compiler
    from engine.layer import Shape

#: Threads of a block where each goes its own way: few, so that a small net takes many processors.
_LONE_THREADS = 64
#: Threads that a block can have, and rows of them that share out a product, at most.
_MOST_THREADS, _MOST_ROWS = 1024, 8


@cache
def read(name: str) -> str:
    """The text of a source file beside this one."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def has_formula(activation: Activation) -> bool:
    """Whether activations.cuh has it."""
    return re.search(rf"\bphi_{activation.name}\(", read("activations.cuh")) is not None


def source(name: str, real: str, activation: str) -> str:
    """A whole source: `name` with all it needs in front, for `real` float or double."""
    needed = [read(part) for part in ("activations.cuh", "recurrence.cuh", "product.cuh", name)]
    chosen = [f"#define PHI phi_{activation}", f"#define SLOPE slope_{activation}"]
    return "\n".join([f"typedef {real} real;", *chosen, *needed])


class TimeLoop:
    """The kernels of NAME.cu for a layer's shapes and activation, and what they are given."""

    def __init__(
        self, name: str, compiler: Compiler, dtype: np.dtype[Any], shape: Shape, activation: str
    ) -> None:
        self._name = name
        self._compiler = compiler
        self._itemsize = dtype.itemsize
        self._cells, self._batch, self._units = shape
        real = "double" if dtype.itemsize == 8 else "float"
        self._kernels = compiler.kernels(source(f"{name}.cu", real, activation))

    def steps(self, array: Array | None, by_gate: bool = False) -> NDArray[Any]:
        """An argument `Steps`: an array as the time loop has it, (n, ..., B, H), or no data.

        `by_gate` says that the gates' axis stands before B. The stack axis S stands where the dots
        are, and is dropped for a stack of one.
        """
        import numpy as np

        data = cell = step = gate = sample = 0
        if array is not None:
            data = self._compiler.address(array)
            step = array.strides[0] // self._itemsize
            cell = array.strides[1] // self._itemsize if self._cells > 1 else 0
            gate = array.strides[-3] // self._itemsize if by_gate else 0
            sample = array.strides[-2] // self._itemsize
        distances = [(name, np.int64) for name in ("cell", "step", "gate", "sample")]
        layout = np.dtype([("data", np.uint64), *distances])
        return np.array([(data, cell, step, gate, sample)], dtype=layout)

    def _sizes(self, steps: int) -> NDArray[Any]:
        """The argument `Sizes`."""
        import numpy as np

        names = ("cells", "batch", "units", "steps")
        layout = [(name, np.int64) for name in names]
        return np.array([(self._cells, self._batch, self._units, steps)], layout)

    def _launch_lone(self, kernel: str, *arguments: Any) -> None:
        """Launch NAME_kernel with a thread for each unit of each sample."""
        blocks = -(-self._cells * self._batch * self._units // _LONE_THREADS)
        self._kernels(f"{self._name}_{kernel}")((blocks,), (_LONE_THREADS, 1), arguments)


class UnitLoop(TimeLoop):
    """All steps in one launch, a thread for each unit of each sample, where units do not meet."""

    def forward(self, steps: int, *arguments: Any) -> None:
        """Run so many steps forward."""
        self._launch_lone("forward", *arguments, self._sizes(steps))

    def backward(self, steps: int, *arguments: Any) -> None:
        """Run so many steps backward."""
        self._launch_lone("backward", *arguments, self._sizes(steps))


class MatrixLoop(TimeLoop, ABC):
    """What takes a layer with a matrix U through time."""

    @abstractmethod
    def forward(self, h: Array, u: Array, *arguments: Any) -> None:
        """Run n steps forward; h is (n + 1, ..., B, H), u the blocks of U by gate."""

    @abstractmethod
    def backward(self, grad_h: Array, transposed: Array, *arguments: Any) -> None:
        """Run n steps backward; grad_h is (n + 1, ..., B, H), the other U^T, (S, G H, H)."""


class SampleLoop(MatrixLoop):
    """All steps in one launch, a block for each sample, whose threads share h: product.cuh."""

    def __init__(
        self,
        name: str,
        compiler: Compiler,
        dtype: np.dtype[Any],
        shape: Shape,
        activation: str,
        gates: int,
    ) -> None:
        super().__init__(name, compiler, dtype, shape, activation)
        self._gates = gates
        self._rows = max(1, min(_MOST_ROWS, _MOST_THREADS // self._units))

    def forward(self, h: Array, u: Array, *arguments: Any) -> None:
        # h, and the share of each row of threads in each gate's product.
        self._together("forward", h, (u, *arguments), 1 + self._rows * self._gates)

    def backward(self, grad_h: Array, transposed: Array, *arguments: Any) -> None:
        # dL/da of all gates, and the rows' shares in one product.
        self._together("backward", grad_h, (transposed, *arguments), self._gates + self._rows)

    def _together(
        self, kernel: str, states: Array, arguments: tuple[Any, ...], vectors: int
    ) -> None:
        launch = self._kernels(f"{self._name}_{kernel}")
        grid, block = (self._cells * self._batch,), (self._units, self._rows)
        room = vectors * self._units * self._itemsize
        launch(grid, block, (*arguments, self._sizes(len(states) - 1)), shared_mem=room)
