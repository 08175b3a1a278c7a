"""A device's numbers come in one copy a pass, and are those of a pass that waits for each."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest

from engine.backend import open_backend
from engine.cuda.squares import Squares
from engine.inspection import inspect
from engine.measurements import DRIFT
from engine.optimizers import OPTIMIZERS
from engine.spec import InitSpec
from tests.engine.device import COPIES, DeviceBackend, count_copies, on_device, plain
from tests.engine.host_cuda import host_compiler  # noqa: F401
from tests.engine.support import CONNECTED, JUDGED, KINDS, build, has, problem, small_spec
from tests.engine.test_backend import PLAIN
from tests.engine.test_kernels import device  # noqa: F401

ONE = {"asynchronous": 1}
SGD = OPTIMIZERS["sgd"]

#: Scales of weights, and the time steps that take gradients out of float32's window.
SIZES = {"healthy": (1.2, 6), "vanishing": (0.05, 20), "exploding": (4.0, 40)}
FIELDS = ("loss", "log10_grad_h", "activation_rms", "zero_fraction", "saturated_fraction")


class Pair:
    """A network on the device, and its twin that waits for every number of every pass."""

    def __init__(self, spec, *inits, slots=0, seed=1):
        self.spec = spec
        self.network, self.twin = (build(spec, *inits, device="cuda", slots=slots) for _ in "ab")
        count_copies(self.network.backend)
        x, target = problem(spec, cells=self.network.cells, seed=seed)
        asarray = self.network.backend.asarray
        self.given = asarray(x), asarray(target)

    def evaluate(self, **options):
        """Both frames agree; returns what the first was copied in."""
        COPIES.clear()
        found = self.network.evaluate(*self.given, **options)
        copies = dict(COPIES)
        self.twin._passes.clear()
        true = self.twin.evaluate(*self.given, **options)
        for name in FIELDS:
            alike(getattr(found, name), getattr(true, name), name)
        for name in ("log10_grad_gates", "log10_path", "log10_grad_params"):
            mine, other = getattr(found, name), getattr(true, name)
            assert mine.keys() == other.keys()
            for key in other:
                alike(mine[key], other[key], f"{name} {key}")
        for name in ("log10_grad_a", "accuracy"):
            assert (getattr(found, name) is None) == (getattr(true, name) is None)
            if getattr(true, name) is not None:
                alike(getattr(found, name), getattr(true, name), name)
        assert found.overflow == true.overflow
        self.fields = found
        return copies

    def update(self, rule=SGD, rate=1e-3, norm=0.0, value=0.0):
        """Both have the same parameters then; returns what the first copied."""
        cells = self.network.cells
        COPIES.clear()
        self.network.update(rule, [rate] * cells, [norm] * cells, [value] * cells)
        copies = dict(COPIES)
        self.twin.update(rule, [rate] * cells, [norm] * cells, [value] * cells)
        to_host = self.twin.backend.to_host
        for name, array in self.twin.parameters.items():
            mine = to_host(self.network.parameters[name])
            np.testing.assert_array_equal(mine, to_host(array), err_msg=name)
        return copies

    def jump(self, *factors):
        """Multiply parameters by these factors in turn."""
        for network in (self.network, self.twin):
            for array, factor in zip(network.parameters.values(), cycle(factors), strict=False):
                array *= factor

    def compare_gradients(self):
        for name in self.network.parameters:
            mine, other = (one.gradient(name) for one in (self.network, self.twin))
            near = 1e-6 * np.abs(other).max()
            np.testing.assert_allclose(mine, other, rtol=1e-6, atol=near, err_msg=name)


def alike(found, true, name):
    # Scaled by another power of two a value is the same, and its logarithm so to rounding.
    np.testing.assert_allclose(found, true, rtol=1e-13, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "changes"), [*PLAIN, *CONNECTED])
def test_one_copy_a_frame(device, kind, changes, size):  # noqa: F811
    """Whatever lies between layers, and wherever gradients go."""
    scale, steps = SIZES[size]
    # A ReLU's forward pass explodes with its gradient.
    scale = min(scale, 1.6) if kind == "irnn" else scale
    if has(kind, "task.time_steps"):
        changes = {**changes, "time_steps": steps}
    init = InitSpec(weight_scale=scale, recurrent_scale=scale, bias_scale=0.1, seed=3)
    spec = small_spec(kind, dtype="float32", **changes)
    lean = {"statistics": False}
    for options in ({}, {**lean, "clipped": True}, {**lean, "parameters": False}):
        pair = Pair(spec, init)
        first = pair.evaluate(**options)
        assert first["waited"] > 1
        assert "asynchronous" not in first
        for step in range(3):
            if options.get("parameters", True):
                assert pair.update(rate=1e-6, norm=1.0) == {}
            copies = pair.evaluate(**options)
            # The first update of U = I opens ways that were closed: its zeros are no longer exact.
            assert copies == ONE or (kind, step) == ("irnn", 0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["mlp", "cnn", "indrnn", "lstm"])
def test_training_adds_none(device, kind, optimizer):  # noqa: F811
    """Clipping by norm takes sizes that the pass has measured, with statistics or without."""
    rule = OPTIMIZERS[optimizer]
    inits = [InitSpec(bias_scale=0.2, seed=1), InitSpec(recurrent_scale=2.0, seed=2)]
    for statistics in (True, False):
        pair = Pair(small_spec(kind, dtype="float32"), *inits, slots=rule.slots)
        for step in range(4):
            copies = pair.evaluate(statistics=statistics, clipped=True)
            assert copies == ONE or not step
            assert pair.update(rule, norm=0.5, value=0.1) == {}


@pytest.mark.parametrize("factor", [2.0**30, 0.0, np.nan])
@pytest.mark.parametrize("kind", ["mlp", "cnn", "rnn", "indrnn", "lstm", "gru"])
def test_after_a_jump_one_pass_waits(device, kind, factor):  # noqa: F811
    pair = Pair(small_spec(kind, "tanh", dtype="float32"))
    pair.evaluate()
    assert pair.evaluate() == ONE
    pair.jump(factor)
    copies = pair.evaluate()
    assert copies["asynchronous"] == 1
    assert copies["waited"] > 1
    assert pair.evaluate() == ONE


@pytest.mark.parametrize("changes", [{}, *JUDGED])
@pytest.mark.parametrize("kind", ["indrnn", "gru"])
def test_losses(device, kind, changes):  # noqa: F811
    """In training, and of what is never trained on."""
    pair = Pair(small_spec(kind, dtype="float64", **changes))
    cpu = build(pair.spec)
    x, target = problem(pair.spec, seed=7)
    there = [pair.network.backend.asarray(array) for array in (x, target)]
    for step in range(3):
        copies = pair.evaluate()
        assert copies == ONE or not step
        pair.update(rate=0.1)
        COPIES.clear()
        found = pair.network.judge(*there)
        assert dict(COPIES) == ONE or not step
        for name in cpu.parameters:
            cpu.parameters[name][...] = pair.network.backend.to_host(pair.network.parameters[name])
        true = cpu.judge(x, target)
        np.testing.assert_allclose(found.losses, true.losses, rtol=1e-10)
        assert (found.hits is None) == (true.hits is None)
        if true.hits is not None:
            np.testing.assert_array_equal(found.hits, true.hits)


def test_certain_classes(device):  # noqa: F811
    """Gradients that need a scale of their own, near float32's end and beyond."""
    pair = Pair(small_spec("mlp", dtype="float32", **JUDGED[0]))
    pair.evaluate()
    for factor in (8.0, 4.0):
        pair.network.parameters["readout.W"] *= factor
        pair.twin.parameters["readout.W"] *= factor
        pair.evaluate()


@pytest.mark.parametrize("kind", ["mlp", "rnn"])
def test_zeros_are_no_surprise(device, kind):  # noqa: F811
    """A dead network's frames come in one copy too, also where squares could underflow."""
    for dtype in ("float32", "float64"):
        pair = Pair(small_spec(kind, "relu", dtype=dtype))
        for network in (pair.network, pair.twin):
            network.parameters["layer2.b"].fill(-100.0)
        pair.evaluate()
        assert pair.evaluate() == ONE
        assert np.isneginf(pair.fields.log10_grad_h[0, 0]).all()


def test_a_gate_that_opens_is_no_surprise(device):  # noqa: F811
    """At the first step a GRU's r meets nothing, h_0 = 0, until there is a c."""
    pair = Pair(small_spec("gru", dtype="float32"), InitSpec(recurrent_scale=0.9))
    pair.evaluate()
    assert np.isneginf(pair.fields.log10_grad_gates["r"][0, :, 0]).all()
    pair.update()
    assert pair.evaluate() == ONE
    assert np.isfinite(pair.fields.log10_grad_gates["r"][0, :, 0]).all()


def test_what_leaves_float64_waits(device):  # noqa: F811
    """Where no sum of squares can tell a magnitude, frames are right all the same."""
    pair = Pair(small_spec("mlp", "linear", bias=False))
    for network in (pair.network, pair.twin):
        network.parameters["layer1.W"] *= 1e-200
    for _ in range(2):
        assert pair.evaluate()["waited"] > 1
    assert -201 < np.log10(pair.fields.activation_rms[0, 0, 0]) < -198


def test_other_passes_have_plans_of_their_own(device):  # noqa: F811
    pair = Pair(small_spec("lstm", dtype="float32"))
    kinds = [{}, {"statistics": False}, {"parameters": False}, {"statistics": False}]
    for options in kinds:
        pair.evaluate(**options)
    for options in kinds:
        assert pair.evaluate(**options) == ONE
    # What measures the same needs none.
    assert pair.evaluate(statistics=False, parameters=False) == ONE


def test_a_pass_that_goes_another_way_is_run_again():
    passes = Magnitudes()
    passes.run(0, 1)
    for powers in ((0, 1, 2), (0,)):
        found, copies = passes.run(*powers)
        assert found == list(powers)
        assert copies["waited"] == 1
        assert passes.run(*powers)[1] == ONE


def test_a_pass_that_was_interrupted(device, monkeypatch):  # noqa: F811
    pair = Pair(small_spec("rnn", dtype="float32"))
    pair.evaluate()

    def interrupt(*arguments):
        raise KeyboardInterrupt

    for name in ("_input_gradient", "backward"):
        with monkeypatch.context() as patch:
            patch.setattr(pair.network.layers[1], name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                pair.network.evaluate(*pair.given)
        assert pair.evaluate() == ONE
    pair.compare_gradients()


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_that_wander_off(device, kind):  # noqa: F811
    """Decisions made for another network are as good, until they are not and are made anew."""
    rng, recurrent = np.random.default_rng(5), has(kind, "task.time_steps")
    changes = {"time_steps": 40} if recurrent else {"depth": 12}
    pair = Pair(small_spec(kind, dtype="float32", **changes), InitSpec(seed=4, bias_scale=0.1))
    replayed = 0
    for _ in range(12):
        replayed += pair.evaluate() == ONE
        pair.compare_gradients()
        pair.jump(*(np.float32(2.0**power) for power in rng.uniform(-0.4, 0.4, size=5)))
    assert 4 < replayed < 12


def test_a_place_looked_at(device):  # noqa: F811
    for kind in ("mlp", "lstm"):
        spec = small_spec(kind, dtype="float64")
        cpu, network = (build(spec, device=place) for place in ("cpu", "cuda"))
        x, target = problem(spec)
        there = [network.backend.asarray(array) for array in (x, target)]
        for _ in range(2):
            found, true = inspect(network, *there, 2, 1), inspect(cpu, x, target, 2, 1)
            assert found.log10_rms == pytest.approx(true.log10_rms, abs=1e-10)
            assert found.gradients.median == pytest.approx(true.gradients.median, abs=1e-10)
            assert found.dead_units == true.dead_units


def test_other_draws_are_planned_anew(device):  # noqa: F811
    pair = Pair(small_spec("indrnn", dtype="float32"))
    pair.evaluate()
    for network in (pair.network, pair.twin):
        network.redraw([InitSpec(recurrent_scale=0.01, seed=9)])
    assert "asynchronous" not in pair.evaluate()
    assert pair.evaluate() == ONE


class Magnitudes:
    """Passes that measure numbers given as powers of two."""

    def __init__(self):
        self.backend = DeviceBackend("float32")
        self.plans = {}

    def run(self, *powers, useless=False):
        """What a pass finds, and what it was copied in."""
        blocks = [on_device(np.full((1, 3), 2.0**power, "f")) for power in powers]
        outs = [np.empty(1) for _ in powers]

        def work():
            self.backend.measurements.put_log2_rms(list(zip(blocks, outs, strict=True)))
            if useless:
                self.backend.disregard(outs[0], ...)
            self.told = [out.item() for out in outs]

        COPIES.clear()
        self.backend.during(self.plans, "pass", work)
        return [out.item() for out in outs], dict(COPIES)


def test_a_replay_is_told_what_the_plan_measured():
    passes = Magnitudes()
    passes.run(3, -20)
    found, copies = passes.run(5, -21)
    assert passes.told == [3, -20]
    assert found == [5, -21]
    assert copies == ONE
    found, copies = passes.run(3 + DRIFT + 1, -20)
    assert passes.told == found == [3 + DRIFT + 1, -20]
    assert copies == {"asynchronous": 1, "waited": 1}


def test_what_is_outside_float32_may_not_drift_far():
    passes = Magnitudes()
    passes.run(90)
    assert passes.run(99)[1] == ONE
    assert passes.run(101)[1] != ONE
    assert passes.run(104)[1] == ONE
    assert passes.run(106)[1] != ONE


def test_zeros_and_nan_stay_what_they_are():
    passes = Magnitudes()
    passes.run(-np.inf, np.nan)
    found, copies = passes.run(-np.inf, np.nan)
    assert copies == ONE
    np.testing.assert_array_equal(found, [-np.inf, np.nan])
    assert passes.run(-30, np.nan)[1] != ONE
    assert passes.run(-30, 0)[1] != ONE


def test_useless_numbers_decide_nothing():
    passes = Magnitudes()
    passes.run(0, 0, useless=True)
    assert passes.run(120, 0, useless=True)[1] == ONE
    assert passes.run(120, 120, useless=True)[1] != ONE


def test_after_several_failures_fewer_passes_try():
    passes = Magnitudes()
    tried = ["asynchronous" in passes.run(60 * (step % 2))[1] for step in range(12)]
    assert tried == [False, True, True, False, True, False, False, True, *[False] * 3, True]
    passes.run(0), passes.run(0), passes.run(0), passes.run(0)
    assert passes.run(0)[1] == ONE
    # What holds again is tried at once again.
    assert passes.run(60)[1] != ONE
    assert passes.run(60)[1] == ONE


@pytest.fixture(params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def squares(request):
    """The kernel, and how arrays get to it and back."""
    if request.param == "gpu":
        backend = open_backend("cuda", "float32")
        return backend.measurements.put_squares, backend.xp.asarray, backend.to_host
    kernel = Squares(DeviceBackend("float32").xp, request.getfixturevalue("host_compiler"))
    return kernel, on_device, plain


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_squares_tell_what_was_lost(squares, dtype):
    """The sum in float64 tells what its terms were, as the stand-in's does."""
    put, there, back = squares
    with np.errstate(over="ignore"):
        values = [0.0, -0.0, 3.0, 1e-200, -1e-170, 1e200, np.inf, -np.inf, np.nan]
        x = np.array(values).astype(dtype)[:, None]
    expected = np.empty(len(x))
    DeviceBackend(dtype).measurements.put_squares(on_device(x), on_device(expected))
    found = there(np.zeros(len(x)))
    put(there(x), found)
    np.testing.assert_array_equal(back(found), expected)
    lost = expected[[3, 5]]
    assert dtype == "float32" or (lost[0] > 0.0 and np.isposinf(lost[1]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool"])
@pytest.mark.parametrize(
    "shape", [(1, 3), (5, 100), (2, 3, 4, 37), (1, 1, 70_000), (2, 1, 20_001), (600, 2_049)]
)
def test_squares_of_rows_short_and_long(squares, shape, dtype):
    """Shared out among blocks or not, next to each other or not, again and again."""
    put, there, back = squares
    rng = np.random.default_rng(0)
    wide = rng.integers(-3, 4, size=(*shape[:-2], shape[-2] * 2, shape[-1] + 5)).astype(dtype)
    array = there(wide)
    cuts = [
        (Ellipsis, slice(None)),
        (Ellipsis, slice(None, None, 2), slice(3, -2)),
        (Ellipsis, slice(None, None, 2)),
    ]
    for cut in cuts:
        x = wide[cut].astype(np.float64)
        found = there(np.zeros(x.shape[:-1]))
        put(array[cut], found)
        np.testing.assert_array_equal(back(found), (x * x).sum(axis=-1))


def test_the_cpu_has_its_numbers_at_hand():
    backend = open_backend("cpu", "float32")
    assert backend.measurements is None
    array = np.arange(3.0)
    assert backend.numbers(array) is array
    assert backend.during({}, "pass", lambda: 7) == 7
    assert plain(array) is array
