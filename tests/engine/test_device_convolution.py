"""Convolutions on a device do what those on the CPU do, in a few launches each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import engine.cuda.convolution as device_convolution
from engine.convolution import AUTO, CONVOLUTIONS, choose
from engine.convolution.base import ConvolutionSizes
from engine.cuda.convolution import device_convolutions
from engine.network import Network
from engine.plan import workspace_bytes
from engine.spec import InitSpec
from tests.engine.device import DeviceBackend, DeviceModule, on_device, plain
from tests.engine.host_cuda import CountingCompiler, host_compiler  # noqa: F401
from tests.engine.support import problem
from tests.engine.test_backend import compare_with_the_cpu
from tests.engine.test_convolution import TOLERANCE, arrays, computed, distance, planned
from tests.engine.test_kernels import device  # noqa: F401
from tests.engine.test_memory import SPECS, traced

KERNEL_SIZES = {"im2col": (1, 2, 3, 5), "winograd": (3,)}
CASES = [(name, size) for name, sizes in KERNEL_SIZES.items() for size in sizes]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize(("name", "size"), CASES)
@pytest.mark.parametrize("at_once", [2**27, 900])
def test_it_is_that_on_the_cpu(
    host_compiler,  # noqa: F811
    monkeypatch,
    at_once,
    name,
    size,
    cells,
    circular,
    dtype,
):
    """All at once, and where not all images have room: several cells, one, or a part of it."""
    monkeypatch.setattr(device_convolution, "_MOST_VALUES", at_once)
    backend = DeviceBackend(dtype, host_compiler)
    for batch, height, width in ((3, 5, 7), (1, 1, 2), (2, 8, 4)):
        sizes = ConvolutionSizes(cells, batch, height, width, 2, 3, size, circular)
        given = arrays(sizes, dtype)
        found = computed(name, sizes, *given, backend)
        true = computed("im2col", sizes, *given)
        for one, other in zip(found, true, strict=True):
            assert distance(plain(one), other) < TOLERANCE[dtype]


@pytest.mark.parametrize(("name", "size"), CASES)
def test_other_images_than_planned(host_compiler, name, size):  # noqa: F811
    """Fewer or more, one image for all cells, and in another order of axes."""
    sizes = ConvolutionSizes(2, 4, 6, 5, 3, 2, size, False)
    backend = DeviceBackend("float64", host_compiler)
    algorithm = planned(name, sizes, backend)
    for batch in (4, 1, 7, 4):
        images, kernel, gradient = arrays(replace(sizes, batch=batch))
        for one in (
            np.broadcast_to(images[:1], images.shape),
            np.asarray(images, order="F"),
            images[:, ::-1, :, ::-1],
        ):
            true = computed("im2col", sizes, one, kernel, gradient)
            out, to_kernel = backend.empty(gradient.shape), backend.empty(kernel.shape)
            algorithm.convolve(on_device(one), backend.asarray(kernel), out)
            algorithm.kernel_gradient(on_device(one), backend.asarray(gradient), to_kernel)
            np.testing.assert_allclose(plain(out), true[0], rtol=0, atol=1e-12)
            np.testing.assert_allclose(plain(to_kernel), true[2], rtol=0, atol=1e-12)


class CountingModule(DeviceModule):
    """Counts products."""

    def __init__(self, launches):
        self.launches = launches

    def matmul(self, x, y, out):
        self.launches["product"] += 1
        return super().__getattr__("matmul")(x, y, out=out)


LAUNCHES = {
    "im2col": {"im2col": 3, "product": 3},
    "winograd": {
        "winograd_kernel": 2,
        "winograd_patches": 3,
        "winograd_outputs": 2,
        "winograd_gradients": 1,
        "winograd_kernel_gradient": 1,
        "product": 3,
    },
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_launches_do_not_grow_with_images(host_compiler, name):  # noqa: F811
    for cells, batch, edge in ((1, 2, 4), (3, 9, 12)):
        backend = DeviceBackend("float32", CountingCompiler())
        backend.xp = CountingModule(backend.compiler.launches)
        sizes = ConvolutionSizes(cells, batch, edge, edge, 2, 3, 3, True)
        computed(name, sizes, *arrays(sizes, "float32"), backend)
        assert backend.compiler.launches == {key: 2 * n for key, n in LAUNCHES[name].items()}


def test_auto_goes_by_kernel_and_size():
    large, among = ConvolutionSizes(1, 16, 32, 32, 64, 64, 3, False), device_convolutions()
    assert choose(AUTO, large, among) is among["winograd"]
    assert choose("im2col", large, among) is among["im2col"]
    for changes in ({"kernel_size": 5}, {"batch": 8}, {"inputs": 15}):
        assert choose(AUTO, replace(large, **changes), among) is among["im2col"]
    # Stacking cells must change no cell's result.
    assert choose(AUTO, replace(large, cells=9), among) is among["winograd"]


def test_every_algorithm_has_its_like_on_a_device():
    for name, one in device_convolutions().items():
        assert one is not CONVOLUTIONS[name]
        assert (one.name, one.kernel_sizes) == (name, CONVOLUTIONS[name].kernel_sizes)


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {"convolution": "winograd"},
        {"convolution": "winograd", "padding": "circular", "residual": True},
        {"kernel_size": 2, "padding": "circular", "norm": "layer"},
        {"kernel_size": 5, "input_shape": (3, 4, 2)},
    ],
    ids=lambda changes: " ".join(map(str, changes.values())),
)
def test_a_network_is_that_on_the_cpu(device, changes, cells):  # noqa: F811
    compare_with_the_cpu("cnn", changes, "float64", cells)


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_workspace_bytes_is_what_gets_allocated(host_compiler, convolution, cells):  # noqa: F811
    spec = replace(SPECS["cnn"], convolution=convolution)
    backend = DeviceBackend("float32", host_compiler)

    def build():
        x, target = problem(spec, cells)
        return Network(spec, [InitSpec(seed=seed) for seed in range(cells)], backend), x, target

    build()
    _, kept, _ = traced(build)
    assert kept == pytest.approx(workspace_bytes(spec, cells, backend=backend), rel=0.02)
