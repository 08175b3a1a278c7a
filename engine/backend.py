"""The seam between the engine and the array library: NumPy on the CPU, CuPy on a GPU.

Nothing is imported before a device is asked for. Layers use `Backend.xp` for what the two libraries
share and the methods below for what they do not.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from engine.arrays import Array, ArrayModule
from engine.devices import WAY_ON, cupy_with, line_of, memory_limit, ordinal_of
from engine.errors import DeviceError
from engine.host import cgroup_headroom, cpu_name
from engine.measuring import Measuring, OnDevice

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from engine.activations import Activation
    from engine.arrays import HostArray
    from engine.companion import Companion
    from engine.cuda.compiler import Compiler
    from engine.layer import Layer
    from engine.measurements import Plan, Result

#: Bytes.
_CACHE_LINE = 64


class Backend(Measuring):
    """One device and one dtype to compute in.

    Attributes:
        xp: the array module.
        dtype: float32 or float64, as a NumPy dtype.
        description: {"device", "name", "backend", "note"}, JSON-able; `note` says what `auto`
            passed over, None where nothing was.
        compiler: what compiles kernels for the device; None on the CPU, which has none.
        companion: a second thread for large products, where a CPU has a core to spare for it;
            whoever sets it holds BLAS to one thread during passes.
        small_products: whether BLAS is quicker at many small products than at a large one; whoever
            sets it has it run on one thread.
    """

    xp: ArrayModule
    dtype: np.dtype[Any]
    description: dict[str, str | None]
    compiler: Compiler | None = None
    companion: Companion | None = None
    small_products: bool = False

    def activation(self, activation: Activation) -> Activation:
        """The activation as the device computes it: in single kernels if it has any."""
        if self.compiler is None:
            return activation
        from engine.cuda.activations import fused

        return fused(activation, self.compiler)

    def layer(self, layer: type[Layer], activation: str) -> type[Layer]:
        """The layer as the device runs it: in kernels where it and the activation have them."""
        if self.compiler is None:
            return layer
        from engine.cuda.layers import on_device

        return on_device(layer, activation)

    def empty(self, shape: tuple[int, ...]) -> Array:
        """An uninitialised array on the device."""
        return self.xp.empty(shape, dtype=self.dtype)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        """An array of zeros on the device."""
        return self.xp.zeros(shape, dtype=self.dtype)

    def carve(self, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
        """Arrays of zeros, one after another in a single allocation.

        A large allocation gets huge pages where the system has them, which many middling ones would
        not; each array starts at a cache line.
        """
        line = _CACHE_LINE // self.dtype.itemsize
        sizes = [prod(shape) for shape in shapes]
        rooms = [-(-size // line) * line for size in sizes]
        whole = self.zeros((sum(rooms) + line,))
        start = self._to_next_line(whole)
        carved = []
        for shape, size, room in zip(shapes, sizes, rooms, strict=True):
            carved.append(whole[start : start + size].reshape(shape))
            start += room
        return carved

    def _to_next_line(self, array: Array) -> int:
        """Values between an array's start and the first cache line's."""
        return 0

    def asarray(self, values: object) -> Array:
        """`values` on the device, in the backend's dtype."""
        return self.xp.asarray(values, dtype=self.dtype)

    def product(self, x: Array, y: Array, out: Array) -> Callable[[], object]:
        """What writes x y to `out`, stacks of matrices (S, N, M), each time it is called."""
        if len(out) == 1 and x[0].flags.forc and y[0].flags.forc:
            # For a stack of one, the method starts quickest; what has gaps it would copy.
            if out[0].flags.c_contiguous:
                return partial(x[0].dot, y[0], out[0])
            return partial(y[0].T.dot, x[0].T, out[0].T)
        return partial(self.xp.matmul, x, y, out=out)

    def transposed_product(self, x: Array, y: Array, out: Array) -> None:
        """Write x^T y to `out`, stacks of matrices with at least one axis in front."""
        if out.ndim == 3:
            self.product(x.swapaxes(-1, -2), y, out)()
            return
        if self.compiler is None or len(out) > 1:
            self.xp.matmul(x.swapaxes(-1, -2), y, out=out)
            return
        # Of a stack CuPy copies what is transposed; a single matrix is read as it is.
        first = x[(0,) * (x.ndim - 2)].T
        for place in itertools.product(*map(range, out.shape[:-2])):
            self.xp.matmul(first, y[place], out=out[place])

    @abstractmethod
    def to_host(self, array: Array) -> NDArray[Any]:
        """A NumPy array of the same dtype."""

    def squared_norms(self, rows: Array) -> Array:
        """Sums of squares over the last axis, on the device and in the rows' own dtype."""
        return (rows * rows).sum(axis=-1)

    @abstractmethod
    def available_bytes(self) -> int:
        """Memory the device has free."""


class NumPyBackend(Backend):
    """The CPU, through NumPy and its BLAS."""

    def __init__(self, dtype: str, note: str | None = None) -> None:
        import numpy

        self.xp = numpy
        self.dtype = numpy.dtype(dtype)
        self.description = {
            "device": "cpu",
            "name": cpu_name(),
            "backend": "numpy",
            "note": note,
        }

    def to_host(self, array: Array) -> NDArray[Any]:
        result: NDArray[Any] = array
        return result

    def _to_next_line(self, array: Array) -> int:
        return int(-array.ctypes.data % _CACHE_LINE // array.itemsize)

    def squared_norms(self, rows: Array) -> Array:
        return self.xp.vecdot(rows, rows)

    def sum_squares(self, blocks: Array) -> HostArray:
        result: HostArray = self.xp.vecdot(blocks, blocks).astype(self.xp.float64)
        return result

    def sum_all_squares(self, array: Array) -> float:
        row = array.ravel("K")
        return float(row.dot(row))

    def put_share(self, mask: Array, out: HostArray) -> None:
        xp, parts = self.xp, out.size
        count, size = xp.count_nonzero, mask.size // parts
        total = count(mask)
        if parts == 1 or total in (0, mask.size):
            out.fill(total / mask.size)
            return
        rows = mask.reshape(parts, -1)
        if size % 8 == 0 and size <= 8 * 255:
            # Eight counts at once, one in each byte of a word: none of them can overflow.
            lanes = xp.add.reduce(rows.view(xp.uint64), axis=1)
            counts = lanes.view(xp.uint8).reshape(parts, 8).sum(axis=1)
        else:
            # Counting contiguous bytes is quick; along an axis NumPy casts them first.
            counts = xp.asarray([count(row) for row in rows])
        out[...] = counts.reshape(out.shape)
        out /= size

    def numbers(self, array: Array, *, decides: bool = False) -> HostArray:
        result: HostArray = self.xp.asarray(array, dtype=self.xp.float64)
        return result

    def smallest(self, array: Array) -> float:
        return float(array.min())

    def settle(self, action: Callable[[], object]) -> None:
        action()

    def disregard(self, out: HostArray, places: Any) -> None:
        pass

    def during(
        self, plans: dict[Hashable, Plan], key: Hashable, work: Callable[[], Result]
    ) -> Result:
        return work()

    def available_bytes(self) -> int:
        import psutil

        available: int = psutil.virtual_memory().available
        limit = cgroup_headroom()
        return available if limit is None else min(available, limit)


class CuPyBackend(OnDevice, Backend):
    """One CUDA (or ROCm) device, through CuPy."""

    def __init__(self, ordinal: int, dtype: str) -> None:
        cupy = cupy_with(ordinal)
        try:
            properties = cupy.cuda.runtime.getDeviceProperties(ordinal)
            limit = memory_limit(properties["totalGlobalMem"])
            cupy.cuda.Device(ordinal).use()
            self._pool = cupy.get_default_memory_pool()
            if limit is not None and not self._pool.get_limit():
                self._pool.set_limit(size=limit)
            cupy.zeros(1).sum().item()
        except DeviceError:
            raise
        except Exception as error:
            raise DeviceError(
                f"cuda:{ordinal} does not work: {line_of(error)}; {WAY_ON}"
            ) from error
        from engine.cuda.compiler import CuPyCompiler
        from engine.cuda.transfers import CuPyMeasurements

        self.xp = cupy
        self.compiler = CuPyCompiler(cupy)
        self.dtype = cupy.dtype(dtype)
        self.measurements = CuPyMeasurements(self)
        self.description = {
            "device": f"cuda:{ordinal}",
            "name": properties["name"].decode(),
            "backend": "cupy",
            "note": None,
        }

    def to_host(self, array: Array) -> NDArray[Any]:
        result: NDArray[Any] = self.xp.asnumpy(array)
        return result

    def available_bytes(self) -> int:
        free, _ = self.xp.cuda.runtime.memGetInfo()
        available: int = free + self._pool.free_bytes()
        limit: int = self._pool.get_limit()
        return min(available, limit - self._pool.used_bytes()) if limit else available


def open_backend(device: str, dtype: str) -> Backend:
    """Open `device`: "auto", "cpu", "cuda" or "cuda:N".

    `auto` takes the first GPU that works, else the CPU, and says in the description's note what it
    passed over. Raises DeviceError where the device asked for cannot be used.
    """
    if device == "cpu":
        return NumPyBackend(dtype)
    if device == "auto":
        try:
            return CuPyBackend(0, dtype)
        except DeviceError as error:
            return NumPyBackend(dtype, note=str(error).removesuffix(f"; {WAY_ON}"))
    return CuPyBackend(ordinal_of(device), dtype)
