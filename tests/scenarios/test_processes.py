"""Processes and devices that are asked for and cannot be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import scenarios
from engine.errors import DeviceError
from scenarios.errors import ScenarioError, quoted


@pytest.mark.parametrize("workers", [0, -3, 1025, 1.5, True, "x"])
@pytest.mark.parametrize(
    ("begin", "name"),
    [(scenarios.sweep, "rnn-tanh-time"), (scenarios.reproduce, "li-2018-adding")],
)
def test_workers_that_cannot_be_are_refused_at_once(
    begin: Callable[..., object], name: str, workers: object
) -> None:
    with pytest.raises(ScenarioError) as caught:
        begin(name, workers=workers)
    line = f"arguments: workers = {quoted(workers)}: must be a whole number from 1 to 1024"
    assert str(caught.value) == line


def test_a_gpu_that_is_not_there_is_told_before_any_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_cupy() -> None:
        raise DeviceError("CuPy is not installed; use --device cpu")

    monkeypatch.setattr("engine.devices._import_cupy", no_cupy)
    with pytest.raises(ScenarioError) as caught:
        scenarios.sweep("rnn-tanh-time", {"run.device": "cuda"})
    line = 'rnn-tanh-time: run.device = "cuda": CuPy is not installed; use --device cpu'
    assert str(caught.value) == line
