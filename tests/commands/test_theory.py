"""nablascope theory, and what it starts from."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from scenarios import catalogue, predictions
from scenarios.drawn import MatrixWeights, look_at_weights
from scenarios.runner import Run
from scenarios.scenario import load
from scenarios.tasks import TASKS
from tui.main import main

Capture = pytest.CaptureFixture[str]


def as_json(capsys: Capture, *arguments: str) -> dict[str, object]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert main(["theory", *arguments, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out, parse_constant=refuse)
    return found


@pytest.mark.parametrize("name", catalogue.names())
def test_every_scenario_has_numbers_or_reasons(capsys: Capture, name: str) -> None:
    found = as_json(capsys, name)
    reasons = found["reasons"]
    assert isinstance(reasons, dict)
    missing = {key for key, value in found.items() if value is None}
    assert missing == set(reasons)
    assert all(reasons.values())
    assert main(["theory", name]) == 0
    assert "theory: " in capsys.readouterr().out


def test_the_edge_of_chaos(capsys: Capture) -> None:
    relu = as_json(capsys, "mlp-relu")
    assert relu["chi_1"] == pytest.approx(1.0)
    assert relu["critical_weight_scale"] == pytest.approx(math.sqrt(2.0))
    tanh = as_json(capsys, "mlp-tanh", "--set", "init.bias_scale=0.2236067977")
    assert tanh["critical_weight_scale"] == pytest.approx(math.sqrt(1.760955), abs=1e-5)
    assert main(["theory", "mlp-tanh-below"]) == 0
    text = capsys.readouterr().out
    assert "phase" in text and "ordered" in text and "critical init.weight_scale" in text


def test_no_theory_is_one_line_that_says_why(capsys: Capture) -> None:
    assert main(["theory", "mlp-sigmoid-batch"]) == 0
    title, *rest = capsys.readouterr().out.splitlines()
    assert title == load("mlp-sigmoid-batch").title
    told = " ".join(" ".join(rest).split())
    assert told.startswith("no theory: batch normalisation: it gives every layer back the variance")
    assert all(rest) and "q_star" not in told


@pytest.mark.parametrize("name", ["chain-sigmoid", "chain-relu"])
def test_a_bound_is_not_called_mean_field(capsys: Capture, name: str) -> None:
    found = as_json(capsys, name)
    assert (found["curve"], found["theory"]) == ("bound", "exact bound per neuron (Le et al. 2015)")
    assert main(["theory", name]) == 0
    assert "\ntheory: exact bound per neuron (Le et al. 2015)\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mlp-tanh", "mlp-tanh-below", "mlp-relu-below", "gru-chrono"])
def test_it_foretells_what_is_measured(name: str) -> None:
    scenario = load(name, {"training.steps": 0, "run.device": "cpu"})
    prediction = predictions.predict(scenario)
    (frame,) = Run(scenario).frames()
    assert prediction.decades is not None
    assert frame.verdict.decades == pytest.approx(prediction.decades, abs=1.5)


@pytest.mark.parametrize("name", ["rnn-relu", "adding-rnn"])
def test_a_task_knows_the_mean_square_of_its_input(name: str) -> None:
    scenario = load(name, {"task.batch_size": 500})
    task = TASKS[scenario.task.name]
    inputs, _ = next(task.batches(scenario))
    assert task.input_variance(scenario) == pytest.approx(np.mean(inputs**2), rel=0.02)


def test_the_draw_of_an_indrnn(capsys: Capture) -> None:
    changes = ("--set", "init.recurrent_lower=0", "--set", "init.recurrent_upper=1e6")
    found = as_json(capsys, "indrnn", *changes)["recurrent_weights"]
    assert isinstance(found, dict)
    u, steps = np.array(found["u"]), found["time_steps"]
    assert found["line"] == pytest.approx(2.0 ** (1.0 / steps))
    assert found["beyond"] == (u**steps > 2.0).sum()
    assert 0 < found["beyond"] < len(u)
    assert found["log10_power"] == pytest.approx(steps * np.log10(u))
    assert found["low"] ** (steps - 1) == pytest.approx(1e-3)
    assert found["within"] == ((u > found["low"]) & (u < found["high"])).sum()
    assert main(["theory", "indrnn", *changes]) == 0
    text = capsys.readouterr().out
    assert f"2^(1/T) = 1.00696: {found['beyond']} of 64 beyond" in text
    assert "1.14815^k / sqrt(2k + 1)" in " ".join(text.split())


def test_lyapunov_exponents_beside_what_is_measured(capsys: Capture) -> None:
    found = as_json(capsys, "rnn-tanh-above")
    exponents, rate = found["lyapunov_exponents"], found["measured_decades_per_hop"]
    assert isinstance(exponents, list) and len(exponents) == 4
    assert exponents == sorted(exponents, reverse=True)
    assert isinstance(rate, float) and rate == pytest.approx(exponents[0], abs=0.02)
    (frame,) = Run(load("rnn-tanh-above", {"training.steps": 0, "run.device": "cpu"})).frames()
    assert rate == pytest.approx(frame.verdict.decades_per_hop, rel=1e-3)
    assert main(["theory", "rnn-tanh-above"]) == 0
    assert f"decades a time step  {exponents[0]:.4f}  " in capsys.readouterr().out


def test_recurrent_weights_as_they_are_now() -> None:
    run = Run(load("rnn-tanh", {"run.device": "cpu"}))
    found = look_at_weights(run, 1)
    assert isinstance(found, MatrixWeights)
    u = run.recurrent_weights(1)
    assert found.eigenvalues.sum() == pytest.approx(np.trace(u))
    assert abs(found.eigenvalues[0]) == pytest.approx(abs(found.eigenvalues).max())
    assert found.largest_singular_value == pytest.approx(np.linalg.norm(u, 2))
    assert found.exponents == pytest.approx(run.lyapunov_exponents(4))
    run.network.parameters["layer1.U"][0, 0, 0] = math.nan
    assert look_at_weights(run, 1) == "the recurrent weights are not finite any more"
    deep = Run(load("rnn-tanh", {"run.device": "cpu", "network.depth": 2}))
    below = look_at_weights(deep, 1)
    assert isinstance(below, MatrixWeights) and below.exponents == "measured in the last layer"


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("mlp-tanh", "network.depth=3", "only recurrent networks"),
        ("rnn-tanh", "task.time_steps=1", "a single time step has no hop"),
        ("rnn-tanh", "network.hidden_size=65536", "GiB"),
        ("rnn-tanh", "network.hidden_size=6000", "takes 3.5e+11 multiplications"),
        ("rnn-relu", "init.recurrent_scale=1e6", "overflow"),
    ],
)
def test_no_look_at_the_draw_has_a_reason(
    capsys: Capture, name: str, change: str, told: str
) -> None:
    found = as_json(capsys, name, "--set", change)
    assert found["lyapunov_exponents"] is None
    assert isinstance(found["reasons"], dict)
    assert told in found["reasons"]["lyapunov_exponents"]


def test_data_that_is_not_there_silences_what_needs_it_alone(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from scenarios import images

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    images._small_digits.cache_clear()
    for name in ("digits-irnn", "digits-indrnn"):
        found = as_json(capsys, name)
        assert found["slope_bound_decades"] == 0.0 and found["curve"] == "bound"
        assert found["lyapunov_exponents"] is None and isinstance(found["reasons"], dict)
        assert "needs scikit-learn" in found["reasons"]["lyapunov_exponents"]
    mean_field = as_json(capsys, "digits-irnn", "--set", "network.kind=rnn")
    assert mean_field["q_star"] is None and isinstance(mean_field["reasons"], dict)
    assert "needs scikit-learn" in mean_field["reasons"]["q_star"]


def test_bad_input_is_one_line(capsys: Capture) -> None:
    assert main(["theory", "mlp-tahn"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "did you mean mlp-tanh?" in err
