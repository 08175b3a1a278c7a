"""The lesson's im2col, and convolutions that agree with the definition."""

from __future__ import annotations

import numpy as np
import pytest

from engine.im2col import im2col
from tests.engine.support import build, small_spec


def test_a_4x4_image_under_a_2x2_filter_gives_25_columns_of_4():
    image = np.arange(1.0, 17.0).reshape(1, 4, 4, 1)
    columns = im2col(np, image, kernel_size=2, stride=1, padding=1)
    assert columns.shape == (1, 25, 4)
    padded = np.zeros((6, 6))
    padded[1:5, 1:5] = image[0, :, :, 0]
    expected = [
        [padded[i, j], padded[i, j + 1], padded[i + 1, j], padded[i + 1, j + 1]]
        for i in range(5)
        for j in range(5)
    ]
    np.testing.assert_array_equal(columns[0], expected)
    # The corner sees one pixel, an edge two, the inside four.
    np.testing.assert_array_equal(columns[0, 0], [0, 0, 0, 1])
    np.testing.assert_array_equal(columns[0, 1], [0, 0, 1, 2])
    np.testing.assert_array_equal(columns[0, 12], [6, 7, 10, 11])
    np.testing.assert_array_equal(columns[0, 24], [16, 0, 0, 0])


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 0), (1, 2), (3, 1)])
def test_positions_and_channels(stride, padding):
    image = np.random.default_rng(0).standard_normal((2, 7, 5, 3))
    size = 3
    columns = im2col(np, image, size, stride, padding)
    padded = np.pad(image, ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    rows = (7 + 2 * padding - size) // stride + 1
    across = (5 + 2 * padding - size) // stride + 1
    assert columns.shape == (2, rows * across, size * size * 3)
    for n in range(2):
        for r in range(rows):
            for c in range(across):
                top, left = r * stride, c * stride
                patch = padded[n, top : top + size, left : left + size]
                np.testing.assert_array_equal(columns[n, r * across + c], patch.reshape(-1))


def test_a_filter_larger_than_the_padded_image_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        im2col(np, np.zeros((1, 2, 4, 1)), kernel_size=3)


@pytest.mark.parametrize("padding", ["zero", "circular"])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 6, 9])
def test_the_network_convolves_as_defined(kernel_size, padding):
    """h[y, x] = sum over the kernel of image[y + i - before, x + j - before] W[i, j]."""
    spec = small_spec(
        "cnn", "linear", depth=1, kernel_size=kernel_size, padding=padding, bias=False
    )
    network = build(spec)
    height, width, _ = spec.input_shape
    image = np.random.default_rng(1).standard_normal((spec.batch_size, *spec.input_shape))
    kernel = network.parameters["layer1.W"][0]
    before = (kernel_size - 1) // 2
    expected = np.zeros((spec.batch_size, height, width, spec.hidden_size))
    for y in range(height):
        for x in range(width):
            for i in range(kernel_size):
                for j in range(kernel_size):
                    row, column = y + i - before, x + j - before
                    if padding == "circular":
                        row, column = row % height, column % width
                    elif not (0 <= row < height and 0 <= column < width):
                        continue
                    expected[:, y, x] += image[:, row, column] @ kernel[i, j]
    pooled = expected.mean(axis=(1, 2)) @ network.parameters["readout.W"][0]
    fields = network.evaluate(image[None, None], np.zeros((1, spec.batch_size, 2)))
    assert fields.activation_rms[0, 0, 0] == pytest.approx(np.sqrt(np.mean(expected**2)))
    assert fields.loss[0] == pytest.approx(np.mean(pooled**2))
