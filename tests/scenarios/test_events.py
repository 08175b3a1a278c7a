"""Events are valid JSON throughout, and the same run writes the same bytes."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import numpy as np
import pytest

from scenarios.events import end_event, frame_event, start_event, theory_decades, to_json
from scenarios.plain import logarithm, logarithms
from scenarios.predictions import predict
from scenarios.runner import Run
from scenarios.scenario import load

SMALL = {"network.hidden_size": 8, "task.batch_size": 4, "training.steps": 2, "run.device": "cpu"}


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")


def parsed(line: str) -> Any:
    assert "\n" not in line and line.isascii()
    return json.loads(line, parse_constant=_refuse)


def events(name: str, **changes: object) -> list[dict[str, Any]]:
    run = Run(load(name, {**SMALL, **{k.replace("__", "."): v for k, v in changes.items()}}))
    frames = list(run.frames())
    last = frames[-1]
    all_of_them = [start_event(run), *map(frame_event, frames), end_event(last)]
    return [parsed(to_json(event)) for event in all_of_them]


def test_what_a_run_says() -> None:
    start, *steps, end = events("rnn-relu", task__time_steps=5, network__depth=2)
    assert start["event"] == "start"
    assert start["scenario"]["network"]["depth"] == 2
    assert start["scenario"]["question"]
    assert start["device"]["device"] == "cpu"
    assert set(start["versions"]) >= {"nablascope", "python", "numpy"}
    assert len(start["run"]) == 12
    assert [step["step"] for step in steps] == [0, 1, 2]
    for step in steps:
        assert step["event"] == "frame"
        for field in (
            "log10_grad_h",
            "log10_grad_a",
            "activation_rms",
            "zero_fraction",
            "saturated_fraction",
        ):
            assert [len(layer) for layer in step[field]] == [5, 5]
        assert set(step["log10_grad_params"]) == {
            *(f"layer{layer}.{name}" for layer in (1, 2) for name in "WUb"),
            "readout.W",
            "readout.b",
        }
        assert step["overflow"] is None
        assert step["verdict"] == "healthy"
        assert step["decades_per_hop"] == pytest.approx(step["decades"] / 4, abs=1e-6)
        assert (step["hops"], step["axis"], step["layer"]) == (4, "time", 2)
    assert end == {
        "event": "end",
        "interrupted": False,
        "theory_decades": None,
        "diverged": None,
        **{key: steps[-1][key] for key in end if key in steps[-1] and key != "event"},
    }


def test_the_same_run_gives_the_same_bytes() -> None:
    def lines(**changes: object) -> list[str]:
        kept = events("cnn-relu", network__depth=3, **changes)
        return [to_json({k: v for k, v in e.items() if k != "seconds"}) for e in kept]

    assert lines() == lines()
    first, other = lines()[0], lines(run__seed=1)[0]
    assert json.loads(first)["run"] != json.loads(other)["run"]


def test_what_theory_says_of_the_verdict() -> None:
    scenario = load("mlp-tanh-below", {"training.steps": 1, "run.device": "cpu"})
    drawn, trained = Run(scenario).frames()
    foretold = theory_decades(scenario, drawn)
    assert foretold == predict(scenario).decades
    assert end_event(drawn, theory=foretold)["theory_decades"] == pytest.approx(foretold, abs=1e-6)
    assert theory_decades(scenario, trained) is None
    # A bound is no prediction, and where theory is silent there is none.
    for name, changes in (("indrnn", {}), ("mlp-tanh-below", {"network.norm": "batch"})):
        silent = load(name, {"training.steps": 0, "run.device": "cpu", **changes})
        assert theory_decades(silent, next(Run(silent).frames())) is None


def test_the_culprits_of_a_frame() -> None:
    _, step, *_ = events("mlp-sigmoid", network__depth=6)
    named = step["culprits"]
    assert (named["axis"], named["layer"], named["of"]) == ("layer", 6, "h")
    assert list(named["parts"]) == list(named["total"]) == ["activation", "weights"]
    assert [len(gains) for gains in named["parts"].values()] == [5, 5]
    assert sum(named["total"].values()) == pytest.approx(step["decades"], abs=1e-5)
    assert named["killed"] is None


def test_the_culprits_of_gates_follow_the_cell() -> None:
    _, step, *_ = events("lstm", task__time_steps=7)
    named, c = step["culprits"], step["path"]["c"][0]
    assert named["of"] == "c" and list(named["parts"]) == ["forget path", "gate paths"]
    assert sum(named["total"].values()) == pytest.approx(c[0] - c[-1], abs=1e-5)


def test_culprits_where_nothing_can_be_said() -> None:
    _, step, *_ = events("chain-relu", init__weight_scale=0.0)
    assert step["culprits"]["killed"] == {"part": "activation", "place": 10}
    assert step["culprits"]["total"] == {"activation": None, "weights": None}
    assert step["culprits"]["parts"]["weights"] == [None] * 9
    _, step, *_ = events("chain-relu", network__depth=1)
    assert step["culprits"] is None
    _, step, *_ = events("rnn-relu", init__recurrent_scale=1000.0, training__steps=0)
    assert step["culprits"] is None


def test_an_exact_zero_is_null() -> None:
    _, step, *_, end = events("chain-relu", init__weight_scale=0.0)
    assert step["verdict"] == end["verdict"] == "dead"
    assert end["dead_at"] == {"layer": 9, "step": 1}
    assert step["log10_grad_h"][0] == [None]
    assert end["decades"] is None and end["overflow"] is None


def test_an_overflow_has_a_place_and_no_numbers() -> None:
    _, step, *_, end = events("rnn-relu", init__recurrent_scale=1000.0, training__steps=0)
    assert step["verdict"] == end["verdict"] == "overflow"
    assert step["overflow"] == end["overflow"]
    assert step["overflow"]["layer"] == 1 and 1 < step["overflow"]["step"] < 100
    assert step["loss"] is None
    assert {value for row in step["log10_grad_h"] for value in row} == {None}
    assert set(step["log10_grad_params"].values()) == {None}


def test_a_run_without_frames_still_ends() -> None:
    event = end_event(None, interrupted=True)
    assert event["interrupted"] is True
    assert event["verdict"] is None
    _, _, *_, end = events("chain-relu")
    assert set(parsed(to_json(event))) == set(end)


def test_what_is_no_json_is_refused() -> None:
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            to_json({"loss": value})


def test_zero_has_no_sign() -> None:
    assert math.copysign(1.0, logarithm(-1e-9) or 0.0) == 1.0
    fields = ([[-1e-9, -0.0]], [[-1e-9, -math.inf]])
    assert [str(logarithms(np.array(field))) for field in fields] == [
        "[[0.0, 0.0]]",
        "[[0.0, None]]",
    ]
    lines = [to_json(event) for event in events("indrnn-vanishing")]
    assert not any(re.search(r"-0\.0[],}]", line) for line in lines)
