"""im2col, the convolution as one matrix product, for a tile of images at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.convolution.base import Convolution

if TYPE_CHECKING:
    from engine.arrays import Array, ArrayModule
    from engine.backend import Backend
    from engine.convolution.base import ConvolutionSizes
    from engine.layer import Shape

#: Values in one tile of patches: small enough for the cache, large enough to feed two BLAS threads.
_TILE_VALUES = 2**19


class PatchBuffer:
    """im2col at stride 1 that keeps the image's size, for a tile of images at a time.

    A patch row of k * channels values lies contiguous in the padded image, so k copies of such
    rows make a patch instead of k * k copies of pixels.

    Args:
        padded: (S, tile, height + k - 1, width + k - 1, channels), zero at its border.
        patches: (S, tile, height, width, k, k * channels).
        before: rows and columns of padding above and left; the rest of k - 1 is below and right.
        circular: whether the border wraps around instead of staying zero.
    """

    def __init__(
        self, xp: ArrayModule, padded: Array, patches: Array, before: int, circular: bool
    ) -> None:
        self._xp = xp
        self._padded = padded
        self._patches = patches
        self._before = before
        self._circular = circular
        s_cell, s_image, s_row, s_column, s_channel = padded.strides
        self._windows = xp.lib.stride_tricks.as_strided(
            padded, patches.shape, (s_cell, s_image, s_row, s_column, s_row, s_channel)
        )

    @property
    def tile(self) -> int:
        """How many images fit at a time."""
        return int(self._patches.shape[1])

    def gather(self, images: Array) -> Array:
        """Patches (S, n * height * width, k * k * channels) of images (S, n, height, width, C)."""
        cells, count, height, width, _ = images.shape
        before = self._before
        padded = self._padded[:cells, :count]
        padded[:, :, before : before + height, before : before + width] = images
        if self._circular:
            self._wrap(padded, 2, height)
            self._wrap(padded, 3, width)
        patches = self._patches[:cells, :count]
        self._xp.copyto(patches, self._windows[:cells, :count])
        return patches.reshape(cells, count * height * width, -1)

    def _wrap(self, padded: Array, axis: int, size: int) -> None:
        lines = padded.swapaxes(axis, 0)
        for line in range(len(lines)):
            if not self._before <= line < self._before + size:
                lines[line] = lines[self._before + (line - self._before) % size]


class Im2col(Convolution):
    """Patches are gathered for a few images at a time and never kept."""

    name: ClassVar[str] = "im2col"
    title: ClassVar[str] = "im2col"

    @staticmethod
    def pays(sizes: ConvolutionSizes) -> bool:
        return True

    @staticmethod
    def plan(sizes: ConvolutionSizes) -> dict[str, Shape]:
        shared: dict[str, Shape] = {}
        patches = 0
        for channels, before in _sides(sizes):
            border = _border(sizes, channels)
            shared[_padded_name(border, before)] = border
            patches = max(patches, prod(_patches(sizes, channels)))
        k, inputs, outputs = sizes.kernel_size, sizes.inputs, sizes.outputs
        shared["patches"] = (patches,)
        shared["kernel_gradient"] = (sizes.cells, k * k * inputs, outputs)
        shared["kernel_flipped"] = (sizes.cells, k, k, outputs, inputs)
        return shared

    def __init__(
        self, backend: Backend, sizes: ConvolutionSizes, shared: Mapping[str, Array]
    ) -> None:
        self._xp = xp = backend.xp
        self._shared = shared
        buffers = []
        for channels, before in _sides(sizes):
            border, shape = _border(sizes, channels), _patches(sizes, channels)
            padded = shared[_padded_name(border, before)].reshape(border)
            patches = shared["patches"][: prod(shape)].reshape(shape)
            buffers.append(PatchBuffer(xp, padded, patches, before, sizes.circular))
        self._forward, self._backward = buffers

    def convolve(self, images: Array, kernel: Array, out: Array) -> None:
        self._convolve(self._forward, images, kernel, out)

    def convolve_transposed(self, gradient: Array, kernel: Array, out: Array) -> None:
        cells, k, _, inputs, outputs = kernel.shape
        shape = (cells, k, k, outputs, inputs)
        flipped = self._shared["kernel_flipped"][: kernel.size].reshape(shape)
        flipped[...] = kernel[:, ::-1, ::-1].swapaxes(-1, -2)
        self._convolve(self._backward, gradient, flipped, out)

    def kernel_gradient(self, images: Array, gradient: Array, out: Array) -> None:
        xp, outputs = self._xp, out.shape[-1]
        total = out.reshape(len(out), -1, outputs)
        part = self._shared["kernel_gradient"][: total.size].reshape(total.shape)
        for tile in _tiles(self._forward, images):
            patches = self._forward.gather(images[:, tile])
            rows = gradient[:, tile].reshape(len(out), -1, outputs)
            xp.matmul(patches.swapaxes(-1, -2), rows, out=part if tile.start else total)
            if tile.start:
                xp.add(total, part, out=total)

    def _convolve(self, buffer: PatchBuffer, images: Array, kernel: Array, out: Array) -> None:
        matrix = kernel.reshape(len(kernel), -1, kernel.shape[-1])
        for tile in _tiles(buffer, images):
            rows = out[:, tile].reshape(len(out), -1, out.shape[-1])
            self._xp.matmul(buffer.gather(images[:, tile]), matrix, out=rows)


def _sides(sizes: ConvolutionSizes) -> tuple[tuple[int, int], tuple[int, int]]:
    """Channels read and padding before them, forward and backward.

    The transposed convolution sees the mirrored kernel, so its padding is mirrored too.
    """
    k = sizes.kernel_size
    return (sizes.inputs, (k - 1) // 2), (sizes.outputs, k // 2)


def _tile(sizes: ConvolutionSizes, channels: int) -> int:
    values = sizes.cells * sizes.height * sizes.width * sizes.kernel_size**2 * channels
    return max(1, _TILE_VALUES // values)


def _tiles(buffer: PatchBuffer, images: Array) -> Iterator[slice]:
    for start in range(0, images.shape[1], buffer.tile):
        yield slice(start, start + buffer.tile)


def _border(sizes: ConvolutionSizes, channels: int) -> Shape:
    more = sizes.kernel_size - 1
    tile = _tile(sizes, channels)
    return (sizes.cells, tile, sizes.height + more, sizes.width + more, channels)


def _patches(sizes: ConvolutionSizes, channels: int) -> Shape:
    k = sizes.kernel_size
    return (sizes.cells, _tile(sizes, channels), sizes.height, sizes.width, k, k * channels)


def _padded_name(border: Shape, before: int) -> str:
    # Borders are zeroed once, so only layers that agree on where they lie may share a buffer.
    return f"padded {'x'.join(map(str, border))} {before}"
