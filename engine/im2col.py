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
