"""im2col: a convolution as one matrix product.

Every position of the filter becomes a row of the patches it sees; the filter, flattened the same
way, becomes a matrix; their product is the convolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.arrays import Array, ArrayModule


def im2col(
    xp: ArrayModule, image: Array, kernel_size: int, stride: int = 1, padding: int = 0
) -> Array:
    """Patches of zero-padded images.

    `image` is (N, height, width, channels); the result (N, positions, kernel_size^2 * channels),
    positions running row by row. A 4x4 image under a 2x2 filter with stride 1 and padding 1 gives
    25 positions of 4 values. Raises ValueError where the filter does not fit the padded image.
    """
    batch, height, width, channels = image.shape
    if kernel_size > min(height, width) + 2 * padding:
        raise ValueError(
            f"a {kernel_size}x{kernel_size} filter does not fit a {height}x{width} image "
            f"with padding {padding}"
        )
    padded = xp.pad(image, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows = (height + 2 * padding - kernel_size) // stride + 1
    columns = (width + 2 * padding - kernel_size) // stride + 1
    sb, sy, sx, sc = padded.strides
    windows = xp.lib.stride_tricks.as_strided(
        padded,
        (batch, rows, columns, kernel_size, kernel_size, channels),
        (sb, sy * stride, sx * stride, sy, sx, sc),
    )
    return windows.reshape(batch, rows * columns, kernel_size * kernel_size * channels)


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
        padded = self._padded[:, :count]
        padded[:, :, before : before + height, before : before + width] = images
        if self._circular:
            self._wrap(padded, 2, height)
            self._wrap(padded, 3, width)
        patches = self._patches[:, :count]
        self._xp.copyto(patches, self._windows[:, :count])
        return patches.reshape(cells, count * height * width, -1)

    def _wrap(self, padded: Array, axis: int, size: int) -> None:
        lines = padded.swapaxes(axis, 0)
        for line in range(len(lines)):
            if not self._before <= line < self._before + size:
                lines[line] = lines[self._before + (line - self._before) % size]
