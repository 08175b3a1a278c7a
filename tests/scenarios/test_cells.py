"""A cell's key and its result."""

from __future__ import annotations

import pickle

import pytest

import scenarios
from scenarios.cells import cell_key, cell_result, failed_cell
from scenarios.scenario import load

CHANGES = {
    "network.hidden_size": 4,
    "task.batch_size": 2,
    "training.steps": 1,
    "run.device": "cpu",
}


def test_the_key_is_the_result_s_and_nothing_else_s() -> None:
    cell = load("rnn-tanh", CHANGES)
    key = cell_key(cell)

    assert len(key) == 64 and set(key) <= set("0123456789abcdef")
    assert cell_key(load("rnn-tanh", {**CHANGES, "run.device": "auto"})) == key
    assert cell_key(load("rnn-tanh", {**CHANGES, "run.seed": 1})) != key
    assert cell_key(load("rnn-tanh", {**CHANGES, "training.learning_rate": 0.0100000001})) != key


def test_names_and_texts_do_not_matter() -> None:
    below, same = load("mlp-tanh-below"), load("mlp-tanh")
    values = below.values()

    assert below.name != same.name
    assert cell_key(same.with_changes(values)) == cell_key(below)


def test_another_version_of_the_results_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cell_key(load("rnn-tanh"))
    monkeypatch.setattr("scenarios.cells.RESULT_VERSION", 10**6)

    assert cell_key(load("rnn-tanh")) != before


def test_a_result_is_the_last_frame_s() -> None:
    *_, frame = scenarios.run("rnn-tanh", CHANGES)
    result = cell_result("k", frame, 0.5)

    assert result.verdict == frame.verdict.name and result.decades == frame.verdict.decades
    assert result.hops == 99 and result.step == 1 and result.loss == frame.loss
    assert result.final_log10_grad == tuple(frame.log10_grad_h[-1].tolist())
    assert result.error is None
    assert pickle.loads(pickle.dumps(result)) == result


def test_an_overflow_is_a_result() -> None:
    changes = {**CHANGES, "init.recurrent_scale": 1e6, "network.activation": "relu"}
    *_, frame = scenarios.run("rnn-tanh", changes)
    result = cell_result("k", frame, 0.0)

    assert result.verdict == "overflow" and result.error is None
    assert result.overflow is not None and result.overflow[0] == 1
    assert result.decades is None and result.hops == 99
    assert result.final_log10_grad is not None and None in result.final_log10_grad


def test_a_failure_has_its_line_and_no_verdict() -> None:
    result = failed_cell("k", "out of luck")

    assert (result.error, result.verdict, result.step) == ("out of luck", None, None)
