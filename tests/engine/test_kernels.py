"""Kernels for a GPU do what the engine does, whoever compiles them."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

from engine.activations import ACTIVATIONS, Activation
from engine.architectures import ARCHITECTURES
from engine.backend import open_backend
from engine.cuda.activations import FusedActivation, fused
from engine.cuda.compiler import CuPyCompiler
from engine.cuda.kernels import has_formula, read
from engine.cuda.layers import DeviceLayer
from engine.magnitude import log2_rms, log2_rms_of_all
from engine.network import Network
from engine.optimizers import OPTIMIZERS
from engine.plan import workspace_bytes
from engine.spec import InitSpec
from tests.engine.device import DeviceBackend
from tests.engine.host_cuda import host_compiler  # noqa: F401
from tests.engine.support import CONNECTED, KINDS, build, frame_of, problem, small_spec
from tests.engine.test_backend import agree, compare_with_the_cpu
from tests.engine.test_memory import traced

RECURRENT = [entry for entry in CONNECTED if ARCHITECTURES[entry.values[0]].recurrent]
RECURRENT += [pytest.param(kind, {"bias": False}, id=f"{kind}-no-bias") for kind in KINDS[2:]]


@pytest.fixture(params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request, monkeypatch):
    """Where "cuda" is: the kernels on this machine's processor, or a GPU."""
    if request.param == "gpu":
        return
    compiler = request.getfixturevalue("host_compiler")

    def open_here(device, dtype):
        return DeviceBackend(dtype, compiler) if device == "cuda" else open_backend(device, dtype)

    monkeypatch.setattr("tests.engine.support.open_backend", open_here)


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_on_kernels_is_that_on_the_cpu(device, kind, cells):
    compare_with_the_cpu(kind, {}, "float64", cells)


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize(("kind", "changes"), RECURRENT)
def test_whatever_lies_between_layers(device, kind, changes, cells):
    compare_with_the_cpu(kind, changes, "float64", cells)


@pytest.mark.parametrize("kind", ["indrnn", "rnn", "lstm", "gru"])
def test_as_many_units_as_leave_room_for_a_few_rows_of_threads(device, kind):
    changes = {"hidden_size": 150, "time_steps": 3, "depth": 2, "batch_size": 2}
    compare_with_the_cpu(kind, changes, "float64", 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["indrnn", "rnn", "lstm", "gru"])
def test_gradients_that_leave_the_window(device, kind, dtype):
    """Blocks are resumed in the middle, and steps are counted in eights."""
    compare_with_the_cpu(kind, {"time_steps": 67, "depth": 2, "batch_size": 2}, dtype, 3)


@pytest.mark.parametrize("scale", [1e-6, 30.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["indrnn", "rnn", "lstm", "gru"])
def test_a_net_alone_whose_gradients_leave_the_window(device, kind, dtype, scale):
    """Steps run again need their pre-activations, while sums of others have begun."""
    # What saturates a little differently goes another way altogether.
    chaos = kind in ("lstm", "gru") and scale > 1.0
    changes = {"time_steps": 40, "depth": 2, "activation": "linear"}
    inits = [InitSpec(recurrent_scale=1e-2 if chaos else scale, weight_scale=0.1, seed=2)]
    compare_with_the_cpu(kind, changes, dtype, 1, inits)


@pytest.mark.parametrize("kind", ["indrnn", "irnn"])
def test_a_forward_pass_that_overflows(device, kind):
    """ReLU must not make a zero of nan."""
    spec = small_spec(kind, "relu", time_steps=300, dtype="float32")
    x, target = problem(spec)
    init = InitSpec(recurrent_scale=2.0, recurrent_lower=2.0)
    mine, other = (build(spec, init, device=device) for device in ("cpu", "cuda"))
    true = frame_of(mine, x, target)
    found = frame_of(other, other.backend.asarray(x), other.backend.asarray(target))
    assert true.overflow is not None
    assert found.overflow == true.overflow
    before = slice(None), slice(true.overflow.step - 1)
    np.testing.assert_allclose(found.activation_rms[before], true.activation_rms[before], rtol=1e-3)
    assert np.isnan(found.log10_grad_h).all()


@pytest.mark.parametrize("statistics", [False, True])
@pytest.mark.parametrize("kind", ["indrnn", "rnn", "irnn", "lstm", "gru"])
def test_slopes_are_worked_out_in_the_loop(device, kind, statistics, monkeypatch):
    """No kernel of their own runs over the field before the loop back."""
    spec = small_spec(kind)
    found = []
    for place in ("cpu", "cuda"):
        network = build(spec, device=place)
        given = map(network.backend.asarray, problem(spec))
        found.append(asdict(network.evaluate(*given, statistics=statistics)))
        monkeypatch.setattr(FusedActivation, "slope", None)
    agree(found[1], found[0], 1e-10)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "gelu", "selu"])
def test_shares_of_saturated_units(device, activation):
    """Of slopes that are 0 or 1, that are never negative, that may be, and that exceed 1."""
    compare_with_the_cpu("indrnn", {"activation": activation}, "float32", 3)


def test_an_activation_without_a_formula_has_no_loop_in_a_kernel(device, monkeypatch):
    monkeypatch.setattr("engine.cuda.layers.has_formula", lambda activation: False)
    assert not isinstance(build(small_spec("rnn"), device="cuda").layers[0], DeviceLayer)
    compare_with_the_cpu("rnn", {}, "float64", 1)


@pytest.mark.parametrize("kind", ["indrnn", "rnn", "lstm", "gru"])
def test_the_workspace_is_as_announced(host_compiler, kind):  # noqa: F811
    backend = DeviceBackend("float32", host_compiler)
    spec = small_spec(kind, time_steps=800, hidden_size=32, batch_size=16, dtype="float32")
    given = sum(array.nbytes for array in problem(spec))
    # What a first one imports and reads is no workspace.
    Network(spec, [InitSpec()], backend)
    _, kept, _ = traced(lambda: Network(spec, [InitSpec()], backend))
    assert kept + given == pytest.approx(workspace_bytes(spec, backend=backend), rel=0.02)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["indrnn", "rnn", "mlp"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_on_a_gpu(kind, activation):
    compare_with_the_cpu(kind, {"activation": activation}, "float64", 1)


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("kind", ["rnn", "irnn", "lstm", "gru"])
def test_what_is_too_large_for_a_block_runs_step_by_step(device, kind, cells, monkeypatch):
    monkeypatch.setattr("engine.cuda.layers._MOST_BYTES", 0)
    compare_with_the_cpu(kind, {"time_steps": 23}, "float64", cells)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_pass_recorded_is_that_pass(device, kind, monkeypatch):
    monkeypatch.setattr("engine.cuda.layers._MOST_BYTES", 0)
    spec = small_spec(kind)
    network = build(spec, device="cuda")
    frames = []
    for seed in (1, 1, 2, 1, 1):
        x, target = map(network.backend.asarray, problem(spec, seed=seed))
        frames.append(frame_of(network, x, target))
    for frame in (frames[1], *frames[3:]):
        assert np.array_equal(frame.log10_grad_h, frames[0].log10_grad_h)
    assert not np.allclose(frames[2].log10_grad_h, frames[0].log10_grad_h)


def test_every_activation_in_every_dtype(host_compiler):  # noqa: F811
    names = list(ACTIVATIONS)
    assert all(has_formula(ACTIVATIONS[name]) for name in names)
    kernel = host_compiler.elementwise(
        "T a",
        ", ".join(f"T h_{name}, T d_{name}" for name in names),
        "; ".join(f"h_{n} = phi_{n}(a); d_{n} = slope_{n}(a, h_{n})" for n in names),
        "all",
        read("activations.cuh"),
    )
    for dtype in ("float32", "float64"):
        a = np.concatenate([np.linspace(-30, 30, 1001), [-0.0, 1e-30, -80, 80, np.inf, -np.inf]])
        a = a.astype(dtype)
        outs = [np.empty_like(a) for _ in range(2 * len(names))]
        kernel(a, *outs)
        for name, h, slope in zip(names, outs[::2], outs[1::2], strict=True):
            phi, true_h, true_slope = ACTIVATIONS[name], np.empty_like(a), np.empty_like(a)
            with np.errstate(all="ignore"):
                phi.forward(np, a, true_h)
                phi.slope(np, a.copy(), true_h, true_slope)
            near = 30 * np.finfo(dtype).eps
            np.testing.assert_allclose(h, true_h, rtol=near, atol=near, err_msg=name)
            np.testing.assert_allclose(slope, true_slope, rtol=near, atol=near, err_msg=name)


class Stream:
    """CuPy's, for a library that can be captured or not."""

    def __init__(self, launched, fails):
        self.launched, self.fails = launched, fails

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def begin_capture(self):
        if self.fails == "begin":
            raise RuntimeError("cudaErrorNotSupported")

    def end_capture(self):
        if self.fails:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated")
        return SimpleNamespace(launch=lambda: self.launched.append("graph"))


@pytest.mark.parametrize("fails", ["", "begin", "work", "end"])
def test_what_cannot_be_recorded_is_told(fails):
    launched = []

    def work():
        launched.append("work")
        if fails == "work":
            raise RuntimeError("CUBLAS_STATUS_NOT_SUPPORTED")

    cuda = SimpleNamespace(Stream=lambda non_blocking: Stream(launched, fails))
    again = CuPyCompiler(SimpleNamespace(cuda=cuda)).recorded(work)
    assert (again is None) == bool(fails)
    if again is not None:
        again()
        assert launched == ["work", "graph"]


def test_an_activation_without_a_formula_stays_as_it_is(host_compiler):  # noqa: F811
    class Cube(Activation):
        name = "cube"

        def forward(self, xp, a, out):
            xp.power(a, 3, out=out)

        def slope(self, xp, a, h, out):
            xp.multiply(a, a, out=out)

    cube = Cube()
    assert fused(cube, host_compiler) is cube
    assert fused(ACTIVATIONS["tanh"], host_compiler) is not ACTIVATIONS["tanh"]


def test_sizes_outside_the_dtype(host_compiler):  # noqa: F811
    """A few rows at a time, or at once in wider sums."""
    rng = np.random.default_rng(0)
    powers = rng.integers(-140, 120, size=(3, 20))
    rows = np.ldexp(rng.uniform(1.0, 2.0, size=(3, 20, 900)), powers[..., None]).astype("float32")
    rows[0, 3] = 0.0
    rows[1, 4, 7] = np.nan
    rows[2, 5, 0] = -np.inf
    with np.errstate(all="ignore"):
        true = 0.5 * np.log2((rows.astype(np.float64) ** 2).mean(axis=-1))
        for backend in (open_backend("cpu", "float32"), DeviceBackend("float32", host_compiler)):
            found = log2_rms(backend, backend.asarray(rows))
            np.testing.assert_allclose(found[np.isfinite(true)], true[np.isfinite(true)], atol=1e-3)
            assert found[0, 3] == -np.inf
            assert np.isnan([found[1, 4], found[2, 5]]).all()
            alone = [log2_rms_of_all(backend, backend.asarray(row)) for row in rows.reshape(60, -1)]
            np.testing.assert_allclose(np.ravel(found), alone, atol=1e-6)


@pytest.mark.parametrize("kind", ["mlp", "cnn", "indrnn", "rnn", "lstm", "gru"])
def test_training_and_jacobians(device, kind):
    spec, rule = small_spec(kind), OPTIMIZERS["adam"]
    x, target = problem(spec)
    found = {}
    for place in ("cpu", "cuda"):
        network = build(spec, device=place, slots=rule.slots)
        given = network.backend.asarray(x), network.backend.asarray(target)
        for _ in range(3):
            network.evaluate(*given)
            network.update(rule, [0.01], [1.0])
        asarray, to_host = network.backend.asarray, network.backend.to_host
        found[place] = {name: to_host(array) for name, array in network.parameters.items()}
        for number, hop in enumerate(network.linearise(given[0])):
            name = f"hop {number}"
            found[place][name] = to_host(hop.push(asarray(np.eye(hop.inputs))))
    for name, true in found["cpu"].items():
        np.testing.assert_allclose(found["cuda"][name], true, rtol=1e-9, atol=1e-12, err_msg=name)
