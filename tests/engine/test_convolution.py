"""The algorithms behind a convolution: each right by itself, and equal to rounding."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine.convolution.winograd as winograd
from engine.backend import open_backend
from engine.convolution import AUTO, CONVOLUTIONS, choose, fits
from engine.convolution.base import ConvolutionSizes
from engine.cuda.convolution import device_convolutions
from engine.network import Network
from engine.spec import InitSpec, NetworkSpec
from tests.engine.device import DeviceBackend, plain
from tests.engine.support import problem

#: Largest error beside the norm of the whole result; im2col itself has a third of it.
TOLERANCE = {"float32": 5e-6, "float64": 2e-14}

SIZES = [
    pytest.param(ConvolutionSizes(1, 3, 8, 8, 4, 5, 3, False), id="whole tiles"),
    pytest.param(ConvolutionSizes(2, 3, 7, 9, 4, 3, 3, True), id="odd, circular, stacked"),
    pytest.param(ConvolutionSizes(3, 2, 5, 6, 2, 7, 3, False), id="odd, stacked"),
    pytest.param(ConvolutionSizes(1, 1, 1, 1, 2, 2, 3, True), id="one pixel, circular"),
    pytest.param(ConvolutionSizes(1, 1, 1, 2, 1, 1, 3, False), id="two pixels"),
]


def arrays(sizes, dtype="float64", seed=0):
    """Images, a kernel, and the gradient of their convolution."""
    rng, k = np.random.default_rng(seed), sizes.kernel_size
    lead = (sizes.cells, sizes.batch, sizes.height, sizes.width)
    shapes = (*lead, sizes.inputs), (sizes.cells, k, k, sizes.inputs, sizes.outputs)
    return [rng.standard_normal(shape).astype(dtype) for shape in (*shapes, (*lead, sizes.outputs))]


def definition(sizes, images, kernel):
    """out[y, x] = sum over the kernel of images[y + i - 1, x + j - 1] kernel[i, j], in float64."""
    mode = "wrap" if sizes.circular else "constant"
    border = ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0))
    padded = np.pad(images.astype("float64"), border, mode=mode)
    out = 0.0
    for i in range(3):
        for j in range(3):
            seen = padded[:, :, i : i + sizes.height, j : j + sizes.width]
            out = out + np.einsum("sbyxc,sco->sbyxo", seen, kernel[:, i, j].astype("float64"))
    return out


def planned(name, sizes, backend):
    """The algorithm as the backend runs it, on scratch as planned."""
    algorithm = (CONVOLUTIONS if backend.compiler is None else device_convolutions())[name]
    shapes = algorithm.plan(sizes)
    shared = {key: backend.zeros((prod(shape),)) for key, shape in shapes.items()}
    return algorithm(backend, sizes, shared)


def computed(name, sizes, images, kernel, gradient, backend=None):
    """The convolution and its two gradients, at the second go over used scratch."""
    backend = backend or open_backend("cpu", images.dtype.name)
    algorithm = planned(name, sizes, backend)
    images, kernel, gradient = map(backend.asarray, (images, kernel, gradient))
    results = [backend.empty(like.shape) for like in (gradient, images, kernel)]
    for _ in range(2):
        algorithm.convolve(images, kernel, results[0])
        algorithm.convolve_transposed(gradient, kernel, results[1])
        algorithm.kernel_gradient(images, gradient, results[2])
    return results


def distance(one, other):
    return np.linalg.norm(one - other) / max(np.linalg.norm(other), 1e-300)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_convolution_is_as_defined_and_its_gradients_are_its_transposes(sizes, name, dtype):
    images, kernel, gradient = arrays(sizes, dtype)
    out, to_images, to_kernel = computed(name, sizes, images, kernel, gradient)
    assert distance(out, definition(sizes, images, kernel)) < TOLERANCE[dtype]
    # Linear in each argument, so a gradient's product with any direction is known in full.
    other_images, other_kernel, _ = arrays(sizes, dtype, seed=1)
    for result, expected in (
        (to_images * other_images, definition(sizes, other_images, kernel) * gradient),
        (to_kernel * other_kernel, definition(sizes, images, other_kernel) * gradient),
    ):
        error = abs(result.sum(dtype="float64") - expected.sum())
        assert error < 2.0 * TOLERANCE[dtype] * np.linalg.norm(expected) * expected.size**0.5


@given(
    sizes=st.builds(
        ConvolutionSizes,
        cells=st.integers(1, 3),
        batch=st.integers(1, 5),
        height=st.integers(1, 11),
        width=st.integers(1, 11),
        inputs=st.integers(1, 4),
        outputs=st.integers(1, 4),
        kernel_size=st.just(3),
        circular=st.booleans(),
    ),
    block=st.sampled_from([1, 100, 400, 2000]),
)
@settings(max_examples=60, deadline=None)
def test_all_agree_whatever_the_shape_and_the_blocks(sizes, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_BLOCK_VALUES", block)
        given_arrays = arrays(sizes)
        expected, *others = (computed(name, sizes, *given_arrays) for name in CONVOLUTIONS)
        for results in others:
            for result, wanted in zip(results, expected, strict=True):
                np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_another_number_of_images_than_planned(name):
    """What linearising asks: a few tangents at a time, then the batch again."""
    sizes = ConvolutionSizes(1, 4, 6, 5, 3, 2, 3, False)
    backend = open_backend("cpu", "float64")
    algorithm = planned(name, sizes, backend)
    for batch in (4, 1, 7, 4):
        images, kernel, gradient = arrays(replace(sizes, batch=batch))
        out, to_kernel = np.empty_like(gradient), np.empty_like(kernel)
        algorithm.convolve(images, kernel, out)
        algorithm.kernel_gradient(images, gradient, to_kernel)
        np.testing.assert_allclose(out, definition(sizes, images, kernel), rtol=0, atol=1e-12)
        again = computed("im2col", replace(sizes, batch=batch), images, kernel, gradient)
        np.testing.assert_allclose(to_kernel, again[2], rtol=0, atol=1e-12)


def test_samples_that_overflowed_stay_in_their_own_tiles():
    """A block that is not full holds the samples of the one before, which must not count."""
    sizes = ConvolutionSizes(1, 4, 4, 4, 2, 2, 3, False)
    backend = open_backend("cpu", "float64")
    algorithm = planned("winograd", sizes, backend)
    images, kernel, gradient = arrays(sizes)
    to_kernel = np.empty_like(kernel)
    with np.errstate(all="ignore"):
        algorithm.kernel_gradient(images * np.inf, gradient, to_kernel)
    algorithm.kernel_gradient(images[:, :3], gradient[:, :3], to_kernel)
    assert np.isfinite(to_kernel).all()


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_no_array_of_the_host_meets_one_of_the_device(name):
    sizes = ConvolutionSizes(2, 3, 5, 6, 3, 4, 3, True)
    on_host = computed(name, sizes, *arrays(sizes))
    on_device = computed(name, sizes, *arrays(sizes), backend=DeviceBackend("float64"))
    for one, other in zip(on_host, on_device, strict=True):
        np.testing.assert_array_equal(one, plain(other))


@pytest.mark.parametrize(("dtype", "decades"), [("float32", 1e-4), ("float64", 1e-11)])
def test_a_deep_network_shows_the_same_with_either(dtype, decades):
    spec = NetworkSpec("cnn", "tanh", 8, 16, 4, (9, 10, 3), padding="circular", dtype=dtype)
    inits = [InitSpec(weight_scale=scale, seed=seed) for seed, scale in ((0, 1.3), (1, 0.2))]
    x, target = problem(spec, len(inits))
    shown = {}
    for name in CONVOLUTIONS:
        network = Network(replace(spec, convolution=name), inits, open_backend("cpu", dtype))
        fields = network.evaluate(x, target)
        gradients = np.concatenate([network.gradient(n).ravel() for n in network.parameters])
        shown[name] = [fields.log10_grad_h, fields.log10_grad_a, np.log10(np.abs(fields.loss))]
        shown[name] += [*fields.log10_grad_params.values(), gradients]
    for one, other in zip(*shown.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=decades)


def test_auto_goes_by_kernel_and_size():
    large = ConvolutionSizes(1, 32, 16, 16, 32, 32, 3, False)
    assert choose(AUTO, large) is CONVOLUTIONS["winograd"]
    assert choose("im2col", large) is CONVOLUTIONS["im2col"]
    for changes in ({"kernel_size": 5}, {"batch": 1}, {"inputs": 3}):
        assert choose(AUTO, replace(large, **changes)) is CONVOLUTIONS["im2col"]
    # Stacking cells must change no cell's result.
    assert choose(AUTO, replace(large, cells=9)) is choose(AUTO, large)


def test_an_algorithm_refuses_kernels_that_it_cannot_compute():
    assert fits("winograd", 3) and not fits("winograd", 5)
    assert fits(AUTO, 5) and fits("im2col", 5)
    with pytest.raises(ValueError, match="winograd cannot compute 5x5"):
        choose("winograd", ConvolutionSizes(1, 1, 8, 8, 1, 1, 5, False))
