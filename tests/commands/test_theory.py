"""nablascope theory, and what it starts from."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from scenarios import catalogue, predictions
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


def test_bad_input_is_one_line(capsys: Capture) -> None:
    assert main(["theory", "mlp-tahn"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "did you mean mlp-tanh?" in err
