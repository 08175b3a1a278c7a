"""Winograd's F(4x4, 3x3): a 3x3 convolution with a quarter of the multiplications.

Lavin and Gray 2016, eq. 8: a tile of 4x4 outputs is A^T ((G w G^T) * (B^T d B)) A, where d is the
6x6 patch of inputs that it sees and * is elementwise. Summed over channels, that product is 36
matrix products; the transforms are small matrix products themselves, one side at a time, and read
overlapping patches where they lie. dL/dw takes the transposes of the same maps; dL/dx is such a
convolution itself, with the mirrored kernel.

The interpolation points 0, +-1/sqrt(2), +-sqrt(2) and infinity have half the rounding of the
customary 0, +-1, +-2 (on points: Barabasz et al. 2020): in float32, with 64 channels, 8e-7 of the
result's norm, where im2col has 3e-7. An error is small beside its tile's largest value, not beside
each pixel: where a patch is all zero beside one that is not, im2col gives an exact 0 and this a
rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.convolution.base import Convolution

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.backend import Backend
    from engine.convolution.base import ConvolutionSizes
    from engine.layer import Shape

#: Outputs along one side of a tile, and the inputs they see.
_OUT, _IN = 4, 6

#: Values of the images in one block: small enough that its tiles, 36 / 16 times as many, and their
#: products stay in cache.
_BLOCK_VALUES = 2**16

_LOW, _HIGH = math.sqrt(0.5), math.sqrt(2.0)

#: One side of B^T: the polynomial that is zero at all points but one. With infinity's, x times it.
_PATCH_SIDE = (
    (1.0, 0.0, -2.5, 0.0, 1.0, 0.0),
    *((0.0, -2.0 * p, -2.0, p, 1.0, 0.0) for p in (_LOW, -_LOW)),
    *((0.0, -0.5 * p, -0.5, p, 1.0, 0.0) for p in (_HIGH, -_HIGH)),
    (0.0, 1.0, 0.0, -2.5, 0.0, 1.0),
)

#: One side of G: a kernel's polynomial at each point, over that point's distances to the others.
_KERNEL_SIDE = (
    (1.0, 0.0, 0.0),
    *((-2 / 3, -2 / 3 * p, -2 / 3 * p * p) for p in (_LOW, -_LOW)),
    *((1 / 6, p / 6, p * p / 6) for p in (_HIGH, -_HIGH)),
    (0.0, 0.0, 1.0),
)

#: One side of A: powers of each point.
_OUTPUT_SIDE = (
    (1.0, 0.0, 0.0, 0.0),
    *((1.0, p, p * p, p**3) for p in (_LOW, -_LOW, _HIGH, -_HIGH)),
    (0.0, 0.0, 0.0, 1.0),
)


class Winograd(Convolution):
    """F(4x4, 3x3), a block of cells, samples and rows of tiles at a time."""

    name: ClassVar[str] = "winograd"
    title: ClassVar[str] = "Winograd F(4x4, 3x3)"
    kernel_sizes: ClassVar[tuple[int, ...] | None] = (3,)

    @staticmethod
    def pays(sizes: ConvolutionSizes) -> bool:
        # Measured beside im2col: below these the transforms cost what the products save.
        positions = sizes.batch * sizes.height * sizes.width
        return min(sizes.inputs, sizes.outputs) >= 16 and positions >= 1024

    @staticmethod
    def plan(sizes: ConvolutionSizes) -> dict[str, Shape]:
        block = _Block.of(sizes)
        values = block.cells * block.rows * block.batch * max(sizes.inputs, sizes.outputs)
        kernels, hands = (_IN * _IN, sizes.inputs, sizes.outputs), block.hands
        padded = (block.padded(channels) for channels in (sizes.inputs, sizes.outputs))
        return {_padded_name(shape): shape for shape in padded} | {
            "winograd lines": (hands, _IN * (_OUT * block.across + _IN - _OUT) * values),
            "winograd tiles": (hands, _IN * _IN * block.across * values),
            "winograd products": (hands, _IN * _IN * block.across * values),
            "winograd kernel": (hands, sizes.cells, *kernels),
            "winograd transposed": (sizes.cells, 9, sizes.outputs, sizes.inputs),
            "winograd part": (hands, block.cells, *kernels),
        }

    def __init__(
        self, backend: Backend, sizes: ConvolutionSizes, shared: Mapping[str, Array]
    ) -> None:
        self._backend = backend
        self._xp = xp = backend.xp
        self._sizes = sizes
        self._block = _Block.of(sizes)
        self.hands = self._block.hands
        self._shared = shared
        self._patch = backend.asarray(_PATCH_SIDE)
        self._output = backend.asarray(_OUTPUT_SIDE)
        self._gather = xp.ascontiguousarray(self._output.swapaxes(0, 1))
        side = backend.asarray(_KERNEL_SIDE)
        #: From a kernel's 9 values to its 36, columns before rows as in tiles.
        self._kernel = xp.einsum("vj,ui->vuij", side, side).reshape(_IN * _IN, 9)
        self._flipped = xp.ascontiguousarray(self._kernel[:, ::-1])
        #: What tiles see of a block's padded images, and of each hand's lines, by channels.
        self._patches: dict[int, tuple[Array, list[Array]]] = {}
        for channels in {sizes.inputs, sizes.outputs}:
            shape = self._block.padded(channels)
            cells, height, width, batch, _ = shape
            padded = self._buffer(_padded_name(shape), (cells, height, width * batch * channels))
            shape = (cells, self._block.rows, _IN, width, batch * channels)
            lines = [self._own("winograd lines", shape, hand) for hand in range(self._block.hands)]
            self._patches[channels] = self._windows(padded), list(map(self._windows, lines))

    def convolve(self, images: Array, kernel: Array, out: Array) -> None:
        self._convolve(images, self._transformed(self._kernel, kernel), out)

    def convolve_transposed(self, gradient: Array, kernel: Array, out: Array) -> None:
        cells, *_, inputs, outputs = kernel.shape
        # Copied, since a product with a transposed matrix takes BLAS longer.
        transposed = self._buffer("winograd transposed", (cells, 9, outputs, inputs))
        transposed[...] = kernel.reshape(cells, 9, inputs, outputs).swapaxes(-1, -2)
        self._convolve(gradient, self._transformed(self._flipped, transposed), out)

    def kernel_gradient(self, images: Array, gradient: Array, out: Array) -> None:
        xp, kernels = self._xp, (_IN * _IN, *out.shape[-2:])
        hands = range(self._block.hands)
        totals = [self._own("winograd kernel", (len(out), *kernels), hand) for hand in hands]
        for cell, sample, padded in self._padded(images):
            own = [total[cell] for total in totals]
            fresh = sample.start == 0
            self._share_rows(partial(self._add_row, padded, gradient[cell, sample], own, fresh))
        for total in totals[1:]:
            xp.add(totals[0], total, out=totals[0])
        flat = totals[0].reshape(len(out), _IN * _IN, -1)
        xp.matmul(self._kernel.swapaxes(0, 1), flat, out=out.reshape(len(out), 9, -1))

    def _add_row(
        self,
        padded: Array,
        gradient: Array,
        totals: list[Array],
        fresh: bool,
        hand: int,
        row: slice,
        first: bool,
    ) -> None:
        """Add to a hand's total what some rows of tiles give, or set it if it is `fresh`."""
        total = totals[hand]
        part = self._own("winograd part", total.shape, hand)
        target = total if fresh and first else part
        tiles, products = self._tiles(padded, row, hand), self._spread(gradient, row, hand)
        self._xp.matmul(tiles.swapaxes(-1, -2), products, out=target.swapaxes(0, 1))
        if target is part:
            self._xp.add(total, part, out=total)

    def _buffer(self, name: str, shape: Shape) -> Array:
        return self._shared[name][: prod(shape)].reshape(shape)

    def _own(self, name: str, shape: Shape, hand: int) -> Array:
        """One hand's part of a buffer."""
        room = self._shared[name].size // self._block.hands
        return self._shared[name][hand * room :][: prod(shape)].reshape(shape)

    def _transformed(self, transform: Array, kernel: Array) -> Array:
        cells = len(kernel)
        result = self._buffer("winograd kernel", (cells, _IN * _IN, *kernel.shape[-2:]))
        flat = result.reshape(cells, _IN * _IN, -1)
        self._xp.matmul(transform, kernel.reshape(cells, 9, -1), out=flat)
        return result

    def _convolve(self, images: Array, kernel: Array, out: Array) -> None:
        for cell, sample, padded in self._padded(images):
            by_tile = kernel[cell].swapaxes(0, 1)
            self._share_rows(partial(self._convolve_row, padded, by_tile, out[cell, sample]))

    def _convolve_row(
        self, padded: Array, kernel: Array, out: Array, hand: int, row: slice, _: bool
    ) -> None:
        tiles = self._tiles(padded, row, hand)
        shape = (*tiles.shape[:-1], out.shape[-1])
        products = self._own("winograd products", shape, hand)
        self._xp.matmul(tiles, kernel, out=products)
        self._collect(products, out, row, hand)

    def _share_rows(self, work: Callable[[int, slice, bool], None]) -> None:
        """Do `work` on all rows of tiles of a block, every other one with the second hand.

        It is told the hand, whose buffers nobody else uses meanwhile, the rows, and whether they
        are the hand's first. The second hand is a companion's where there is one.
        """
        block, companion = self._block, self._backend.companion

        def take(hand: int) -> None:
            for start in range(hand * block.rows, block.down, block.hands * block.rows):
                work(hand, slice(start, start + block.rows), start == hand * block.rows)

        if block.hands == 1:
            take(0)
        elif companion is None:
            take(0)
            take(1)
        else:
            begun = companion.submit(take, 1)
            take(0)
            begun.result()

    def _padded(self, images: Array) -> Iterator[tuple[slice, slice, Array]]:
        """Cells and samples of each block in turn, and their images within borders.

        A last block may have fewer samples; the rest of it is zero.
        """
        block, (height, width) = self._block, images.shape[2:4]
        shape = block.padded(images.shape[-1])
        whole = self._buffer(_padded_name(shape), shape)
        for first_cell in range(0, len(images), block.cells):
            cell = slice(first_cell, first_cell + block.cells)
            padded = whole[: len(images[cell])]
            inside = padded[:, 1 : 1 + height, 1 : 1 + width].transpose(0, 3, 1, 2, 4)
            for first in range(0, images.shape[1], block.batch):
                sample = slice(first, first + block.batch)
                given = images[cell, sample]
                inside[:, : given.shape[1]] = given
                inside[:, given.shape[1] :] = 0.0
                if self._sizes.circular:
                    padded[:, 0] = padded[:, height]
                    padded[:, height + 1] = padded[:, 1]
                    padded[:, :, 0] = padded[:, :, width]
                    padded[:, :, width + 1] = padded[:, :, 1]
                yield cell, sample, padded

    def _tiles(self, padded: Array, row: slice, hand: int) -> Array:
        """B^T d B of some rows of tiles, (36, c, tiles * b, C)."""
        cells, _, _, batch, channels = padded.shape
        rows, across, values = self._block.rows, self._block.across, batch * channels
        images, columns = self._patches[channels]
        lines = images[:cells, row]
        self._xp.matmul(self._patch, lines, out=self._own("winograd lines", lines.shape, hand))
        tiles = self._own("winograd tiles", (_IN, _IN, cells, rows, across, values), hand)
        seen = columns[hand][:cells]
        self._xp.matmul(self._patch, seen, out=tiles.transpose(2, 3, 1, 4, 0, 5))
        return tiles.reshape(_IN * _IN, cells, -1, channels)

    def _windows(self, values: Array) -> Array:
        """The overlapping runs of 6 that tiles see of the last axis but one."""
        *leading, count, _ = values.shape
        *strides, step, unit = values.strides
        shape = (*leading, (count - _IN) // _OUT + 1, _IN, values.shape[-1])
        return self._xp.lib.stride_tricks.as_strided(
            values, shape, (*strides, _OUT * step, step, unit)
        )

    def _collect(self, products: Array, out: Array, row: slice, hand: int) -> None:
        """Write A^T m A of some rows of tiles, m (36, c, tiles * b, C), to their place in out."""
        rows, across, batch = self._block.rows, self._block.across, self._block.batch
        _, cells, _, channels = products.shape
        shape = (_OUT, _IN, cells, rows, across, batch * channels)
        half = self._own("winograd lines", shape, hand)
        self._xp.matmul(self._gather, products.reshape(_IN, -1), out=half.reshape(_OUT, -1))
        # The tiles have served.
        shape = (cells, rows, _OUT, across, _OUT, batch * channels)
        image = self._own("winograd tiles", shape, hand)
        source, place = half.transpose(0, 2, 3, 4, 1, 5), image.transpose(4, 0, 1, 3, 2, 5)
        self._xp.matmul(self._gather, source, out=place)
        lines = out[:, :, _OUT * row.start : _OUT * row.stop].transpose(0, 2, 3, 1, 4)
        image = image.reshape(cells, rows * _OUT, across * _OUT, batch, channels)
        lines[...] = image[:, : lines.shape[1], : lines.shape[2], : lines.shape[3]]

    def _spread(self, gradient: Array, row: slice, hand: int) -> Array:
        """A g A^T of some rows of tiles of dL/d(out), (36, c, tiles * b, C)."""
        rows, across, batch = self._block.rows, self._block.across, self._block.batch
        cells, channels = len(gradient), gradient.shape[-1]
        # The products' own room is free until the last step.
        shape: Shape = (cells, rows * _OUT, across * _OUT, batch, channels)
        image = self._own("winograd products", shape, hand)
        lines = gradient[:, :, _OUT * row.start : _OUT * row.stop].transpose(0, 2, 3, 1, 4)
        if lines.shape != image.shape:
            image.fill(0.0)
        image[:, : lines.shape[1], : lines.shape[2], : lines.shape[3]] = lines
        shape = (cells, rows, _IN, across, _OUT, batch * channels)
        half = self._own("winograd lines", shape, hand)
        lines, flat = image.reshape(cells, rows, _OUT, -1), half.reshape(cells, rows, _IN, -1)
        self._xp.matmul(self._output, lines, out=flat)
        whole = (_IN, _IN, cells, rows, across, batch * channels)
        result = self._own("winograd products", whole, hand)
        self._xp.matmul(self._output, half, out=result.transpose(2, 3, 1, 4, 0, 5))
        return result.reshape(_IN * _IN, cells, -1, channels)


@dataclass(frozen=True, slots=True)
class _Block:
    """Cells, samples and rows of tiles worked on at a time, of `down` x `across` tiles an image.

    `down` counts whole blocks, so the last one may reach beyond the image.
    """

    cells: int
    batch: int
    rows: int
    down: int
    across: int

    @property
    def hands(self) -> int:
        """How many can work on a block at a time, on rows of their own: two, or one."""
        return min(2, self.down // self.rows)

    @classmethod
    def of(cls, sizes: ConvolutionSizes) -> _Block:
        """Blocks of about `_BLOCK_VALUES` each: samples first, which lie side by side."""
        down, across = -(-sizes.height // _OUT), -(-sizes.width // _OUT)
        values = _OUT * _OUT * across * max(sizes.inputs, sizes.outputs)
        batch = _share(sizes.batch, _BLOCK_VALUES // values)
        rows = _share(down, _BLOCK_VALUES // (values * batch))
        cells = _share(sizes.cells, _BLOCK_VALUES // (values * batch * rows))
        return cls(cells, batch, rows, -(-down // rows) * rows, across)

    def padded(self, channels: int) -> Shape:
        """Whole images within their borders, positions before samples."""
        height, width = (_OUT * tiles + _IN - _OUT for tiles in (self.down, self.across))
        return (self.cells, height, width, self.batch, channels)


def _share(count: int, most: int) -> int:
    """The largest of the equal shares of `count` that are no larger than `most`, or 1."""
    return -(-count // -(-count // max(1, most)))


def _padded_name(shape: Shape) -> str:
    # Borders are zeroed once, so only layers that agree on where they lie may share a buffer.
    return f"winograd padded {'x'.join(map(str, shape))}"
