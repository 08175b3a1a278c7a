"""Feed-forward layers on a device do what those on the CPU do, in one kernel each way."""

from __future__ import annotations

import numpy as np
import pytest

from engine.architectures import ARCHITECTURES
from engine.backend import open_backend
from engine.network import Network
from engine.spec import InitSpec
from tests.engine.device import DeviceBackend
from tests.engine.host_cuda import CountingCompiler, host_compiler  # noqa: F401
from tests.engine.support import CONNECTED, build, problem, small_spec
from tests.engine.test_backend import compare_with_the_cpu
from tests.engine.test_kernels import device  # noqa: F401

BETWEEN = [entry for entry in CONNECTED if not ARCHITECTURES[entry.values[0]].recurrent]
BETWEEN += [
    pytest.param("mlp", {"bias": False, "residual": residual}, id=f"mlp-no-bias-{residual}")
    for residual in (False, True)
]


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize(("kind", "changes"), BETWEEN)
def test_whatever_lies_between_layers(device, kind, changes, cells):  # noqa: F811
    if changes.get("norm") == "batch":
        # Of the third cell's tiny weights it leaves some gradients that are all rounding.
        cells = min(cells, 2)
    compare_with_the_cpu(kind, changes, "float64", cells)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_saturated_units_of_every_sort(device, activation, dtype):  # noqa: F811
    """Where phi is zero, where it leaks, and where its slope dips below zero."""
    compare_with_the_cpu("mlp", {"activation": activation}, dtype, 3)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_an_activation_without_a_formula(device, kind, monkeypatch):  # noqa: F811
    monkeypatch.setattr("engine.cuda.feedforward.has_formula", lambda activation: False)
    compare_with_the_cpu(kind, {}, "float64", 1)


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("residual", [True, False])
def test_a_layer_is_one_kernel_each_way_beside_its_products(
    host_compiler,  # noqa: F811
    residual,
    statistics,
):
    spec = small_spec("mlp", residual=residual, input_shape=(6,))
    x, target = problem(spec)
    backend = DeviceBackend("float64", CountingCompiler())
    here, there = (
        Network(spec, [InitSpec(bias_scale=0.3)], place)
        for place in (open_backend("cpu", "float64"), backend)
    )
    true = here.evaluate(x, target, statistics=statistics)
    given = backend.asarray(x), backend.asarray(target)
    found = there.evaluate(*given, statistics=statistics)
    assert sum(backend.compiler.launches.values()) == 2 * spec.depth
    for name in ("loss", "log10_grad_h", "log10_grad_a", "saturated_fraction", "zero_fraction"):
        np.testing.assert_allclose(getattr(found, name), getattr(true, name), atol=1e-10)


def test_another_batch_in_the_same_network(device):  # noqa: F811
    """What is launched is worked out once, for arrays that stay where they are."""
    spec = small_spec("cnn", padding="circular")
    here, there = (build(spec, device=place) for place in ("cpu", "cuda"))
    for seed in (1, 2, 1):
        x, target = problem(spec, seed=seed)
        true = here.evaluate(x, target)
        found = there.evaluate(there.backend.asarray(x), there.backend.asarray(target))
        np.testing.assert_allclose(found.loss, true.loss, rtol=1e-10)
        for name in here.parameters:
            np.testing.assert_allclose(there.gradient(name), here.gradient(name), atol=1e-10)
