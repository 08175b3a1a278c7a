"""Pictures of triage, inspect, history and the views of training.

After a wanted change: pytest tests/app/test_looking_snapshots.py --snapshot-update, then look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from scenarios.drift import Drift
from tests.app.support import LabApp, finished
from tests.app.test_looking import inspected
from tui.terminal import Colours

Size = tuple[int, int]
Steps = Callable[[Pilot[Any]], Awaitable[None]]
SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((160, 50), id="160x50")]
both_sizes = pytest.mark.parametrize("size", SIZES)
both_themes = pytest.mark.parametrize("theme", ["nablascope", "nablascope-light"])

TRAINED = {"training.steps": 30, "training.learning_rate": 0.01, "training.optimizer": "adam"}
ADDING = {**TRAINED, "task.name": "adding", "training.evaluate_every": 6, "task.time_steps": 20}
LSTM = {**ADDING, "network.kind": "lstm", "network.depth": 2}


@pytest.fixture(autouse=True)
def _measured_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    # Which steps are measured is a matter of time: here none passes.
    monkeypatch.setattr(Drift.__init__, "__defaults__", (lambda: 0.0,))


def keys(*pressed: str, theme: str = "nablascope", looks: bool = False) -> Steps:
    async def steps(pilot: Pilot[Any]) -> None:
        pilot.app.theme = theme
        await finished(pilot)
        await pilot.press(*pressed)
        if looks:
            await inspected(pilot)
        await pilot.pause()

    return steps


@both_themes
@both_sizes
def test_triage(snap_compare: Callable[..., bool], size: Size, theme: str) -> None:
    app = LabApp("indrnn-deep", TRAINED)
    assert snap_compare(app, terminal_size=size, run_before=keys("t", "down", theme=theme))


@both_themes
@both_sizes
def test_inspect(snap_compare: Callable[..., bool], size: Size, theme: str) -> None:
    steps = keys("o", "end", "shift+left", "left", theme=theme, looks=True)
    app = LabApp("rnn-tanh", {**ADDING, "network.depth": 2})
    assert snap_compare(app, terminal_size=size, run_before=steps)


def test_inspect_lstm(snap_compare: Callable[..., bool]) -> None:
    steps = keys("o", "right", "down", looks=True)
    assert snap_compare(LabApp("rnn-tanh", LSTM), terminal_size=(80, 24), run_before=steps)


def test_inspect_dead(snap_compare: Callable[..., bool]) -> None:
    steps = keys("o", looks=True)
    assert snap_compare(LabApp("mlp-dead"), terminal_size=(80, 24), run_before=steps)


@both_themes
@both_sizes
def test_loss(snap_compare: Callable[..., bool], size: Size, theme: str) -> None:
    steps = keys("v", "v", "v", "v", "v", theme=theme)
    assert snap_compare(LabApp("rnn-tanh", ADDING), terminal_size=size, run_before=steps)


@both_themes
@both_sizes
def test_history(snap_compare: Callable[..., bool], size: Size, theme: str) -> None:
    steps = keys("v", "v", "v", "v", "v", "v", "h", "pageup", "left", theme=theme)
    assert snap_compare(LabApp("rnn-tanh", ADDING), terminal_size=size, run_before=steps)


DRIFTING = [
    pytest.param("rnn-tanh", {**ADDING, "network.depth": 2}, (80, 24), id="rnn"),
    pytest.param("indrnn-deep", {**ADDING, "task.time_steps": 20}, (160, 50), id="indrnn"),
    pytest.param("rnn-tanh", LSTM, (80, 24), id="lstm"),
    pytest.param("chain-sigmoid", {**TRAINED, "network.hidden_size": 6}, (160, 50), id="mlp"),
]


@pytest.mark.parametrize(("name", "changes", "size"), DRIFTING)
def test_drift(
    snap_compare: Callable[..., bool], name: str, changes: dict[str, object], size: Size
) -> None:
    async def turn(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, LabApp)
        await finished(pilot)
        while app.lab._picture.view.name_id != "drift":
            await pilot.press("v")
        await pilot.pause()

    assert snap_compare(LabApp(name, changes), terminal_size=size, run_before=turn)


@pytest.mark.parametrize("pressed", ["o", "hvvvv"])
def test_sixteen_colours(snap_compare: Callable[..., bool], pressed: str) -> None:
    app = LabApp("rnn-tanh", LSTM, colours=Colours.SIXTEEN)
    steps = keys(*pressed, theme=app.theme, looks=pressed == "o")
    assert snap_compare(app, terminal_size=(80, 24), run_before=steps)


def test_ascii(snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = LabApp("rnn-tanh", ADDING, colours=None, unicode=False)
    steps = keys("o", theme=app.theme, looks=True)
    assert snap_compare(app, terminal_size=(80, 24), run_before=steps)
