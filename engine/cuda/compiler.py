"""What turns sources into functions of a device: CuPy, with NVIDIA's or AMD's run-time compiler."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from engine.arrays import Array, ArrayModule


class Kernel(Protocol):
    """One kernel of a source, launched on a grid of blocks of threads."""

    def __call__(
        self,
        grid: tuple[int],
        block: tuple[int, int],
        arguments: tuple[Any, ...],
        *,
        shared_mem: int = 0,
    ) -> None: ...


class Compiler(ABC):
    """Compiles when a function is first called, for the device that is then current."""

    @abstractmethod
    def elementwise(
        self, inputs: str, outputs: str, operation: str, name: str, preamble: str
    ) -> Callable[..., object]:
        """A function (*inputs, *outputs) that does `operation` for each element.

        Both are declared as for `cupy.ElementwiseKernel`, which keeps the names i and n to itself.
        Arrays may be strided; `operation` may read what an output holds.
        """

    @abstractmethod
    def kernels(self, source: str) -> Callable[[str], Kernel]:
        """The kernels of a source, by name."""

    @abstractmethod
    def recorded(self, work: Callable[[], None]) -> Callable[[], object] | None:
        """What does all that `work` launches once more, at once; None where that cannot be.

        `work` allocates nothing, waits for nothing and has run before, so that all it needs is
        there.
        """

    @abstractmethod
    def address(self, array: Array) -> int:
        """Where an array's first value lies in the device's memory."""


@dataclass(frozen=True)
class CuPyCompiler(Compiler):
    """CuPy's, which keeps what it compiled on disk."""

    cupy: ArrayModule

    def elementwise(
        self, inputs: str, outputs: str, operation: str, name: str, preamble: str
    ) -> Callable[..., object]:
        made: Callable[..., object] = self.cupy.ElementwiseKernel(
            inputs, outputs, operation, name, preamble=preamble
        )
        return made

    def kernels(self, source: str) -> Callable[[str], Kernel]:
        # CuPy makes a kernel anew each time it is asked for.
        found: Callable[[str], Kernel] = cache(self.cupy.RawModule(code=source).get_function)
        return found

    def recorded(self, work: Callable[[], None]) -> Callable[[], object] | None:
        stream = self.cupy.cuda.Stream(non_blocking=True)
        try:
            with stream:
                stream.begin_capture()
                try:
                    work()
                finally:
                    graph = stream.end_capture()
        except RuntimeError:
            # AMD's devices have no graphs in CuPy, and not all of a library can be captured.
            return None
        launch: Callable[[], object] = graph.launch
        return launch

    def address(self, array: Array) -> int:
        return int(array.data.ptr)
