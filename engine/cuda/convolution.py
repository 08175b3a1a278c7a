"""Convolutions on a device: the engine's own algorithms, a whole batch in a few launches.

What a CPU does block by block, so that it stays in cache, is done here at once as far as memory
allows, by kernels that read images where they lie: no copy within a border, no loop.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from engine.convolution import CONVOLUTIONS
from engine.convolution.base import Convolution
from engine.convolution.patches import Im2col
from engine.convolution.winograd import Winograd
from engine.cuda.kernels import read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import Array
    from engine.backend import Backend
    from engine.convolution.base import ConvolutionSizes
    from engine.cuda.compiler import Compiler
    from engine.layer import Shape

#: One launch, of a kernel or of the library's.
Launch: TypeAlias = Callable[[], object]

#: Values of patches, or of transformed tiles, at a time: half a GiB of float32. Layers share them,
#: and even a small device has so much; images beyond that take turns.
_MOST_VALUES = 2**27
#: Threads of a block, and of those the ones side by side.
_THREADS, _ASIDE = 256, 32
#: Outputs along one side of Winograd's tiles, and the values that a tile becomes.
_OUT, _TILE = 4, 36


class DeviceConvolution(Convolution):
    """What the algorithms share: their kernels, and how these are given images.

    What each has to launch, in this order, can be kept for arrays that every pass goes over, which
    spares a device's slow half, the host, most of its work.
    """

    source: ClassVar[str]

    def __init__(
        self, backend: Backend, sizes: ConvolutionSizes, shared: Mapping[str, Array]
    ) -> None:
        assert backend.compiler is not None
        self._xp = backend.xp
        self._sizes = sizes
        self._shared = shared
        self._address = backend.compiler.address
        real = "double" if backend.dtype.itemsize == 8 else "float"
        self._kernels = _compiled(backend.compiler, self.source, real)

    @abstractmethod
    def convolution(self, images: Array, kernel: Array, out: Array) -> Iterator[Launch]:
        """What `convolve` launches."""

    @abstractmethod
    def transposed(self, gradient: Array, kernel: Array, out: Array) -> Iterator[Launch]:
        """What `convolve_transposed` launches."""

    @abstractmethod
    def gradient(self, images: Array, gradient: Array, out: Array) -> Iterator[Launch]:
        """What `kernel_gradient` launches."""

    def convolve(self, images: Array, kernel: Array, out: Array) -> None:
        for launch in self.convolution(images, kernel, out):
            launch()

    def convolve_transposed(self, gradient: Array, kernel: Array, out: Array) -> None:
        for launch in self.transposed(gradient, kernel, out):
            launch()

    def kernel_gradient(self, images: Array, gradient: Array, out: Array) -> None:
        for launch in self.gradient(images, gradient, out):
            launch()

    def _scratch(self, name: str, shape: Shape) -> Array:
        return self._shared[name][: prod(shape)].reshape(shape)

    def _product(self, x: Array, y: Array, out: Array) -> Launch:
        """Write x y to `out`, stacks of matrices in one piece each: one launch, and no copy."""
        if len(out) == 1:
            x, y, out = x[0], y[0], out[0]
        return partial(self._xp.matmul, x, y, out=out)

    def _images(self, array: Array) -> NDArray[Any]:
        """The argument `Images`."""
        steps = (stride // array.itemsize for stride in array.strides)
        names = ("data", "cell", "sample", "row", "column", "channel")
        return _packed(names, self._address(array), *steps)

    def _window(self, images: Array, size: int, before: int, circular: bool) -> NDArray[Any]:
        """The argument `Window`."""
        shape = ("cells", "batch", "height", "width", "channels")
        names = (*shape, "size", "before", "circular")
        return _packed(names, *images.shape, size, before, circular)

    def _launch(
        self, name: str, items: int, channels: int, arguments: tuple[Any, ...], turned: bool = False
    ) -> Launch:
        """A kernel whose threads share out items and channels, as images.cuh has it."""
        aside = min(items if turned else channels, _ASIDE)
        above = _THREADS // aside
        blocks = -(-items // (aside if turned else above))
        return partial(self._kernels(name), (blocks,), (aside, above), arguments)


class DeviceIm2col(DeviceConvolution):
    """Patches of all images, gathered by one kernel, and one product."""

    name: ClassVar[str] = Im2col.name
    title: ClassVar[str] = Im2col.title
    kernel_sizes: ClassVar[tuple[int, ...] | None] = Im2col.kernel_sizes
    source: ClassVar[str] = "im2col"

    @staticmethod
    def pays(sizes: ConvolutionSizes) -> bool:
        return True

    @staticmethod
    def plan(sizes: ConvolutionSizes) -> dict[str, Shape]:
        k, inputs, outputs = sizes.kernel_size, sizes.inputs, sizes.outputs
        patches = sizes.height * sizes.width * k * k * max(inputs, outputs)
        return {
            "patches": (_room(sizes, patches), patches),
            "kernel": (sizes.cells, k, k, outputs, inputs),
        }

    def convolution(self, images: Array, kernel: Array, out: Array) -> Iterator[Launch]:
        return self._convolved(images, (kernel.shape[1] - 1) // 2, kernel, out)

    def transposed(self, gradient: Array, kernel: Array, out: Array) -> Iterator[Launch]:
        cells, k, _, inputs, outputs = kernel.shape
        mirrored = self._scratch("kernel", (cells, k, k, outputs, inputs))
        yield partial(self._xp.copyto, mirrored, kernel[:, ::-1, ::-1].swapaxes(-1, -2))
        # The mirrored kernel's padding is mirrored too.
        yield from self._convolved(gradient, k // 2, mirrored, out)

    def gradient(self, images: Array, gradient: Array, out: Array) -> Iterator[Launch]:
        before, outputs = (out.shape[1] - 1) // 2, out.shape[-1]
        for cell, sample in _parts(images, self._fitting(images)):
            patches, gather = self._gathered(images[cell, sample], before, turned=True)
            rows = gradient[cell, sample].reshape(len(patches), -1, outputs)
            total = out[cell].reshape(len(patches), -1, outputs)
            part = self._scratch("kernel", total.shape) if sample.start else total
            yield gather
            yield self._product(patches, rows, part)
            if part is not total:
                yield partial(self._xp.add, total, part, out=total)

    def _convolved(self, images: Array, before: int, kernel: Array, out: Array) -> Iterator[Launch]:
        matrix = kernel.reshape(len(kernel), -1, kernel.shape[-1])
        for cell, sample in _parts(images, self._fitting(images)):
            patches, gather = self._gathered(images[cell, sample], before)
            yield gather
            rows = out[cell, sample].reshape(*patches.shape[:2], -1)
            yield self._product(patches, matrix[cell], rows)

    def _fitting(self, images: Array) -> int:
        """How many images there is room for."""
        k = self._sizes.kernel_size
        return int(self._shared["patches"].size // (k * k * prod(images.shape[2:])))

    def _gathered(self, images: Array, before: int, turned: bool = False) -> tuple[Array, Launch]:
        """Patches (S, positions, k * k * channels), or turned, (S, k * k * channels, positions)."""
        import numpy as np

        cells, *positions, channels = images.shape
        k, circular = self._sizes.kernel_size, self._sizes.circular
        rows, terms = prod(positions), k * k * channels
        patches = self._scratch("patches", (cells, *((terms, rows) if turned else (rows, terms))))
        window = self._window(images, k, before, circular)
        given = (self._images(images), patches, window, np.int64(turned))
        return patches, self._launch("im2col", cells * rows, channels, given, turned)


class DeviceWinograd(DeviceConvolution):
    """F(4x4, 3x3) with a kernel for each transform, and all products in one launch."""

    name: ClassVar[str] = Winograd.name
    title: ClassVar[str] = Winograd.title
    kernel_sizes: ClassVar[tuple[int, ...] | None] = Winograd.kernel_sizes
    source: ClassVar[str] = "winograd"

    @staticmethod
    def pays(sizes: ConvolutionSizes) -> bool:
        # By reckoning: a layer takes five more launches than im2col, 10 us each, but moves 36 bytes
        # less for each value, at 2 TB/s, and adds 13.5 terms less a channel, at 50 TFLOP/s. With 64
        # channels that is even at 500,000 values, with 16 at 750,000.
        channels = min(sizes.inputs, sizes.outputs)
        values = sizes.batch * sizes.height * sizes.width * channels
        return channels >= 16 and values >= 2**20

    @staticmethod
    def plan(sizes: ConvolutionSizes) -> dict[str, Shape]:
        tiles = _tiles(sizes.height, sizes.width)
        values = _TILE * tiles * max(sizes.inputs, sizes.outputs)
        room = _room(sizes, values)
        return {
            "winograd tiles": (room, values),
            "winograd products": (room, values),
            "winograd kernel": (sizes.cells, _TILE, sizes.inputs, sizes.outputs),
        }

    def convolution(self, images: Array, kernel: Array, out: Array) -> Iterator[Launch]:
        return self._convolved(images, kernel, out, mirrored=False)

    def transposed(self, gradient: Array, kernel: Array, out: Array) -> Iterator[Launch]:
        return self._convolved(gradient, kernel, out, mirrored=True)

    def gradient(self, images: Array, gradient: Array, out: Array) -> Iterator[Launch]:
        import numpy as np

        inputs, outputs = out.shape[-2:]
        for cell, sample in _parts(images, self._fitting(images)):
            given = gradient[cell, sample]
            patches, transform = self._patches(images[cell, sample], turned=True)
            yield transform
            tiles = patches.shape[-1]
            spread = self._scratch("winograd products", (len(patches), tiles, outputs))
            arguments = self._images(given), spread, self._window(given, 3, 0, False)
            yield self._launch("winograd_gradients", len(given) * tiles, outputs, arguments)
            sums = self._scratch("winograd kernel", (len(patches), inputs, outputs))
            yield self._product(patches, spread, sums)
            own, fresh = out[cell], np.int64(sample.start == 0)
            yield self._each_weight("winograd_kernel_gradient", own, (sums, own), fresh)

    def _convolved(
        self, images: Array, kernel: Array, out: Array, mirrored: bool
    ) -> Iterator[Launch]:
        import numpy as np

        cells, outputs = len(kernel), out.shape[-1]
        matrices = self._scratch("winograd kernel", (cells, _TILE, images.shape[-1], outputs))
        yield self._each_weight("winograd_kernel", kernel, (kernel, matrices), np.int64(mirrored))
        for cell, sample in _parts(images, self._fitting(images)):
            place = out[cell, sample]
            patches, transform = self._patches(images[cell, sample])
            yield transform
            tiles = patches.shape[1]
            products = self._scratch("winograd products", (len(patches), tiles, outputs))
            own = matrices[cell].reshape(len(patches), -1, outputs)
            yield self._product(patches, own, products)
            arguments = products, self._images(place), self._window(place, 3, 0, False)
            yield self._launch("winograd_outputs", len(place) * tiles, outputs, arguments)

    def _fitting(self, images: Array) -> int:
        """How many images there is room for."""
        tiles = _tiles(*images.shape[2:4])
        values = _TILE * tiles * max(self._sizes.inputs, self._sizes.outputs)
        return int(self._shared["winograd tiles"].size // values)

    def _patches(self, images: Array, turned: bool = False) -> tuple[Array, Launch]:
        """B^T d B, (S * 36, tiles, channels), or turned, (S * 36, channels, tiles)."""
        import numpy as np

        cells, batch, height, width, channels = images.shape
        tiles = batch * _tiles(height, width)
        shape = (channels, tiles) if turned else (tiles, channels)
        patches = self._scratch("winograd tiles", (cells * _TILE, *shape))
        window = self._window(images, 3, 1, self._sizes.circular)
        given = (self._images(images), patches, window, np.int64(turned))
        return patches, self._launch("winograd_patches", cells * tiles, channels, given, turned)

    def _each_weight(
        self, name: str, kernel: Array, arrays: tuple[Array, Array], flag: np.int64
    ) -> Launch:
        """A kernel with a thread for each pair of channels of a convolution's `kernel`."""
        cells, *_, inputs, outputs = kernel.shape
        sizes = _packed(("cells", "inputs", "outputs"), cells, inputs, outputs)
        blocks = -(-cells * inputs * outputs // _THREADS)
        return partial(self._kernels(name), (blocks,), (_THREADS, 1), (*arrays, sizes, flag))


_ON_DEVICE: dict[type[Convolution], type[Convolution]] = {
    Im2col: DeviceIm2col,
    Winograd: DeviceWinograd,
}


def device_convolutions() -> dict[str, type[Convolution]]:
    """All algorithms by name, as a device runs them."""
    return {name: _ON_DEVICE.get(one, one) for name, one in CONVOLUTIONS.items()}


@cache
def _compiled(compiler: Compiler, name: str, real: str) -> Any:
    """The kernels of NAME.cu, which all layers share."""
    parts = [f"typedef {real} real;", read("images.cuh"), read(f"{name}.cu")]
    return compiler.kernels("\n".join(parts))


@cache
def _layout(names: tuple[str, ...]) -> np.dtype[Any]:
    import numpy as np

    return np.dtype([(name, np.int64) for name in names])


def _packed(names: tuple[str, ...], *values: int) -> NDArray[Any]:
    """A kernel's argument that is a structure of whole numbers."""
    import numpy as np

    return np.array(values, dtype=np.int64).view(_layout(names))


def _room(sizes: ConvolutionSizes, values: int) -> int:
    """How many images, of so many values each, to have scratch for."""
    return min(sizes.cells * sizes.batch, max(1, _MOST_VALUES // values))


def _parts(images: Array, room: int) -> Iterator[tuple[slice, slice]]:
    """Cells and samples that have room together: several cells only with all their samples.

    So each part lies in one piece, and mostly there is one.
    """
    cells, batch = images.shape[:2]
    together = max(1, room // batch)
    for cell in range(0, cells, together):
        for sample in range(0, batch, room):
            yield slice(cell, cell + together), slice(sample, sample + room)


def _tiles(height: int, width: int) -> int:
    """Winograd's tiles of one image."""
    return -(-height // _OUT) * -(-width // _OUT)
