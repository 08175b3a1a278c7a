"""Deep convolutional network by im2col: h_l = phi(conv(h_{l-1}, W) + b), stride 1, same size."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.feedforward import FeedForwardLayer, buffers
from engine.im2col import PatchBuffer
from engine.initialisers import WeightSpec
from engine.layer import LayerPlan, Shape, mask_shape, matrix_gradient

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.backend import Backend
    from engine.initialisers import Role
    from engine.layer import Arrays
    from engine.spec import NetworkSpec

#: Values in one tile of patches: small enough for the cache, large enough to feed two BLAS threads.
_TILE_VALUES = 2**19


class ConvolutionLayer(FeedForwardLayer):
    """A convolution, W of shape (k, k, C_in, C_out), images NHWC.

    Padding of k - 1 keeps the size, (k - 1) // 2 of it above and left; zeros or, circular, the
    opposite border. Patches are gathered for a few images at a time and never kept.
    """

    hop_role: ClassVar[Role] = "kernel"

    @staticmethod
    def plan(spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        height, width, inputs = input_shape
        k, outputs = spec.kernel_size, spec.hidden_size
        own, scratch = buffers(cells, spec.batch_size, (height, width, outputs))
        shared: dict[str, Shape] = {"slope": scratch, "mask": mask_shape(scratch)}
        patches = 0
        for channels, before in ((inputs, (k - 1) // 2), (outputs, k // 2)):
            tile = _tile(spec, cells, input_shape, channels)
            border = (cells, tile, height + k - 1, width + k - 1, channels)
            shared[_padded_name(height, width, channels, before)] = border
            patches = max(patches, cells * tile * height * width * k * k * channels)
        shared["patches"] = (patches,)
        shared["kernel_gradient"] = (cells, k * k * inputs, outputs)
        shared["kernel_flipped"] = (cells, k, k, outputs, inputs)
        weight = WeightSpec((k, k, inputs, outputs), "kernel", k * k * inputs, k * k * outputs)
        return LayerPlan(
            weights={"W": weight},
            biases={"b": (outputs,)} if spec.bias else {},
            own=own,
            shared=shared,
            output_shape=(height, width, outputs),
        )

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        kernel = arrays.parameters["W"]
        self._inputs, self._outputs = kernel.shape[-2:]
        self._image = arrays.own["h"].shape[-3:-1]
        k = spec.kernel_size
        self._forward_patches = self._patch_buffer(self._inputs, (k - 1) // 2)
        # The transposed convolution sees the mirrored kernel, so its padding is mirrored too.
        self._backward_patches = self._patch_buffer(self._outputs, k // 2)

    def _patch_buffer(self, channels: int, before: int) -> PatchBuffer:
        spec, (height, width), k = self.spec, self._image, self.spec.kernel_size
        tile = _tile(spec, self.cells, (height, width, self._inputs), channels)
        border = (self.cells, tile, height + k - 1, width + k - 1, channels)
        padded = self.arrays.shared[_padded_name(height, width, channels, before)]
        shape = (self.cells, tile, height, width, k, k * channels)
        patches = self.arrays.shared["patches"][: prod(shape)].reshape(shape)
        xp = self.backend.xp
        circular = spec.padding == "circular"
        return PatchBuffer(xp, padded[: prod(border)].reshape(border), patches, before, circular)

    def _tiles(self, buffer: PatchBuffer, images: Array) -> Iterator[slice]:
        for start in range(0, images.shape[1], buffer.tile):
            yield slice(start, start + buffer.tile)

    def _linear(self, x: Array, out: Array) -> None:
        kernel = self.arrays.parameters["W"].reshape(self.cells, -1, self._outputs)
        self._convolve(self._forward_patches, x, kernel, out)

    def _linear_backward(self, gradient: Array, out: Array) -> None:
        kernel = self.arrays.parameters["W"]
        shape = (self.cells, *kernel.shape[1:3], self._outputs, self._inputs)
        flipped = self.arrays.shared["kernel_flipped"][: kernel.size].reshape(shape)
        flipped[...] = kernel[:, ::-1, ::-1].swapaxes(-1, -2)
        matrix = flipped.reshape(self.cells, -1, self._inputs)
        self._convolve(self._backward_patches, gradient, matrix, out)

    def _convolve(self, buffer: PatchBuffer, images: Array, kernel: Array, out: Array) -> None:
        for tile in self._tiles(buffer, images):
            rows = out[:, tile].reshape(self.cells, -1, kernel.shape[-1])
            self.backend.xp.matmul(buffer.gather(images[:, tile]), kernel, out=rows)

    def _weight_gradient(self, x: Array, gradient: Array) -> None:
        total = self.arrays.gradients["W"].reshape(self.cells, -1, self._outputs)
        part = self.arrays.shared["kernel_gradient"][: total.size].reshape(total.shape)
        total.fill(0.0)
        for tile in self._tiles(self._forward_patches, x):
            rows = gradient[:, tile].reshape(self.cells, -1, self._outputs)
            matrix_gradient(self.backend, self._forward_patches.gather(x[:, tile]), rows, part)
            self.backend.xp.add(total, part, out=total)


def _tile(spec: NetworkSpec, cells: int, image: Shape, channels: int) -> int:
    values = cells * image[0] * image[1] * spec.kernel_size**2 * channels
    return max(1, _TILE_VALUES // values)


def _padded_name(height: int, width: int, channels: int, before: int) -> str:
    # Borders are zeroed once, so only layers that agree on where they lie may share a buffer.
    return f"padded {height}x{width}x{channels} {before}"
