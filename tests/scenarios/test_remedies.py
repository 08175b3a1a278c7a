"""What each remedy changes, whom it does not fit, and what it really does to a sick gradient."""

from __future__ import annotations

import math

import pytest

from scenarios import catalogue
from scenarios.errors import ScenarioError
from scenarios.predictions import critical_scale
from scenarios.remedies import REMEDIES
from scenarios.runner import Run
from scenarios.scenario import Scenario, load
from scenarios.schema import FIELDS

SMALL = {"run.device": "cpu", "training.steps": 0}


def decades(scenario: Scenario) -> float:
    (frame,) = Run(scenario.with_changes(SMALL)).frames()
    assert frame.verdict.decades is not None
    return frame.verdict.decades


def treated(name: str, remedy: str) -> tuple[float, float]:
    scenario = load(name)
    changes = REMEDIES[remedy].changes(scenario)
    return decades(scenario), decades(scenario.with_changes(changes))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("mlp-tanh-below", "critical"),
        ("mlp-tanh-above", "critical"),
        ("mlp-relu-below", "critical"),
        ("mlp-sigmoid", "critical"),
        ("rnn-sigmoid", "critical"),
        ("rnn-tanh-below", "critical"),
        ("rnn-tanh-above", "critical"),
        ("rnn-relu-below", "critical"),
        ("rnn-relu-above", "critical"),
        ("adding-rnn", "critical"),
        ("mlp-tanh-below", "orthogonal"),
        ("mlp-relu-below", "orthogonal"),
        ("mlp-sigmoid", "orthogonal"),
        ("rnn-relu-above", "orthogonal"),
        ("rnn-tanh-above", "orthogonal"),
        ("mlp-tanh-above", "identity"),
        ("mlp-relu-below", "identity"),
        ("rnn-relu-above", "identity"),
        ("rnn-relu-below", "identity"),
        ("indrnn-vanishing", "identity"),
        ("indrnn-exploding", "identity"),
        ("mlp-sigmoid", "residual"),
        ("mlp-tanh-below", "residual"),
        ("cnn-sigmoid", "residual"),
        ("indrnn-exploding", "bound"),
        ("lstm", "forget-1"),
        ("lstm", "chrono"),
        ("gru", "chrono"),
        ("mlp-sigmoid", "norm"),
        ("cnn-sigmoid", "norm"),
        ("mlp-relu-below", "norm"),
        ("mlp-relu-residual", "norm"),
        ("chain-sigmoid", "slope-1"),
        ("mlp-sigmoid", "slope-1"),
        ("cnn-sigmoid", "slope-1"),
        ("rnn-sigmoid", "slope-1"),
    ],
)
def test_it_heals(name: str, remedy: str) -> None:
    before, after = treated(name, remedy)
    assert abs(before) > 3.5
    assert abs(after) < 3.0


@pytest.mark.parametrize(
    ("name", "remedy", "low", "high"),
    [
        # Saturation, not U, kills these: phi' is a quarter at most, or the state is saturated.
        ("mlp-sigmoid", "identity", -70, -55),
        ("rnn-sigmoid", "identity", -70, -55),
        ("indrnn-tanh", "identity", -30, -18),
        ("indrnn-tanh", "bound", -30, -18),
        # A bound from above lifts nothing.
        ("indrnn-vanishing", "bound", -8, -4),
        # What was level explodes: each layer adds its own.
        ("mlp-relu", "residual", 15, 30),
        # Better, not healed; sixteen channels are few for an edge at a gain of ten.
        ("gru", "forget-1", -9, -4),
        ("cnn-sigmoid", "critical", -12, -3),
    ],
)
def test_it_does_not_heal(name: str, remedy: str, low: float, high: float) -> None:
    _, after = treated(name, remedy)
    assert low < after < high


def test_the_other_way_round_shuts_the_gate() -> None:
    before, after = treated("lstm-forget-1", "forget-0")
    assert before > -3.0 and after < before - 6.0


@pytest.mark.parametrize("name", catalogue.names())
def test_every_remedy_works_or_says_why_not(name: str) -> None:
    scenario = load(name)
    for remedy in REMEDIES.values():
        try:
            changes = remedy.changes(scenario)
        except ScenarioError as error:
            line = str(error)
            assert line.startswith(f"{name}: ") and "\n" not in line
            assert error.key in FIELDS
            continue
        assert changes and scenario.with_changes(changes) != scenario
        # Done once, it is done.
        with pytest.raises(ScenarioError, match="already"):
            remedy.changes(scenario.with_changes(changes))


@pytest.mark.parametrize(
    ("name", "remedy", "line"),
    [
        ("mlp-tanh", "critical", "init.weight_scale = 1.0: it is so already"),
        (
            "mlp-tanh",
            "bound",
            "network.recurrent_bound: does not fit network.kind mlp; only indrnn",
        ),
        ("rnn-tanh", "residual", "network.residual: does not fit network.kind rnn"),
        ("indrnn", "critical", "init.recurrent_scale: every neuron has an edge of its own: 99 st"),
        ("indrnn", "orthogonal", 'network.kind = "indrnn": an orthogonal matrix'),
        ("lstm", "orthogonal", 'network.kind = "lstm": its state passes through a gate'),
        ("lstm", "identity", 'network.kind = "lstm": its state passes through a gate'),
        ("mlp-relu-residual", "critical", "init.weight_scale: residual connections: past every"),
        ("indrnn-dense", "residual", "network.dense = true: must be false while"),
        ("mlp-tanh", "clip", "training.clip_norm = 1.0: its updates are clipped already"),
        ("rnn-tanh-below", "norm", 'network.kind = "rnn": it gives what W hands on a variance of'),
        ("gru", "norm", 'network.kind = "gru": it gives what W hands on a variance of 1, and'),
        ("mlp-relu", "slope-1", 'network.activation = "relu": its slope is 1 already'),
        ("mlp-sigmoid-batch", "norm", 'network.norm = "batch": it is so already'),
        ("lstm", "slope-1", "network.activation: does not fit network.kind lstm"),
    ],
)
def test_why_not(name: str, remedy: str, line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        REMEDIES[remedy].changes(load(name))
    assert str(caught.value).startswith(f"{name}: {line}")


@pytest.mark.parametrize(
    ("name", "changes", "remedy", "line"),
    [
        ("chain-sigmoid", {"training.steps": 1}, "clip", "nothing explodes: vanishing"),
        ("rnn-relu-above", {"training.clip_norm": 0.0, "training.steps": 1}, "clip", None),
        ("mlp-sigmoid", {}, "slope-1", None),
        ("mlp-sigmoid", {}, "identity", "phi' is what took most, and still would"),
        ("mlp-tanh-below", {}, "identity", None),
        ("indrnn-vanishing", {}, "bound", "a bound from above lifts nothing: vanishing"),
        ("indrnn-exploding", {}, "bound", None),
        ("indrnn-tanh", {}, "slope-1", None),
        ("mlp-tanh-below", {}, "slope-1", "phi' is not what took most: the weights did"),
        ("mlp-tanh-above", {}, "slope-1", "nothing vanishes at step 0: exploding"),
        ("mlp-sigmoid", {"init.weight_scale": 0.0}, "slope-1", "phi' is not what took most: the w"),
    ],
)
def test_what_was_measured_decides_whether_it_is_needed(
    name: str, changes: dict[str, object], remedy: str, line: str | None
) -> None:
    scenario = load(name, SMALL | changes)
    frames = list(Run(scenario).frames())
    if line is None:
        assert REMEDIES[remedy].changes(scenario, frames)
        return
    # It applies; it is only that this gradient has no need of it.
    assert REMEDIES[remedy].changes(scenario)
    with pytest.raises(ScenarioError, match=line):
        REMEDIES[remedy].changes(scenario, frames)


def test_what_needs_more_than_the_kind() -> None:
    narrow = load("cnn-tanh", {"task.image_channels": 20})
    with pytest.raises(ScenarioError, match="must be at least"):
        REMEDIES["orthogonal"].changes(narrow)
    with pytest.raises(ScenarioError, match="without biases"):
        REMEDIES["chrono"].changes(load("lstm", {"network.bias": False}))
    with pytest.raises(ScenarioError, match="nothing to remember over 1 time step"):
        REMEDIES["chrono"].changes(load("lstm", {"task.time_steps": 1}))
    with pytest.raises(ScenarioError, match="nothing is updated"):
        REMEDIES["clip"].changes(load("mlp-tanh", {"training.steps": 0}))
    unclipped = load("mlp-tanh", {"training.clip_norm": 0.0})
    assert REMEDIES["clip"].changes(unclipped) == {"training.clip_norm": 1.0}


def test_the_numbers_are_the_papers() -> None:
    assert REMEDIES["chrono"].changes(load("lstm")) == {
        "init.forget_bias": pytest.approx(math.log(99), rel=1e-5)
    }
    assert REMEDIES["bound"].changes(load("indrnn-exploding")) == {"network.recurrent_bound": 2.0}
    assert REMEDIES["orthogonal"].changes(load("mlp-relu-below")) == {
        "init.scheme": "orthogonal",
        "init.weight_scale": pytest.approx(math.sqrt(2.0), rel=1e-5),
    }
    key, edge = critical_scale(load("mlp-sigmoid"))
    assert key == "init.weight_scale" and edge**2 == pytest.approx(103.0, abs=0.1)


@pytest.mark.parametrize("steps", [5, 200])
def test_the_edge_does_not_depend_on_the_length_of_the_way(steps: int) -> None:
    for name, key in (("mlp-tanh-above", "network.depth"), ("rnn-tanh-above", "task.time_steps")):
        assert critical_scale(load(name, {key: steps})) == critical_scale(load(name))


@pytest.mark.parametrize(
    ("activation", "norm"), [("sigmoid", "batch"), ("relu", "layer"), ("tanh", "layer")]
)
def test_normalisation_is_the_one_that_keeps_the_gradients_size(activation: str, norm: str) -> None:
    scenario = load("mlp-sigmoid", {"network.activation": activation})
    assert REMEDIES["norm"].changes(scenario) == {"network.norm": norm}
    other = {"layer": "batch", "batch": "layer"}[norm]
    found = [abs(decades(scenario.with_changes({"network.norm": n}))) for n in (norm, other)]
    assert found[0] < found[1]
