"""Pictures of the app in every state, at the smallest size people use and at a large one.

After a wanted change: pytest tests/app/test_snapshots.py --snapshot-update, then look at the SVGs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from scenarios.scenario import load
from tests.app.support import (
    LabApp,
    ScriptedWorker,
    drawn,
    finished,
    linearised,
    weighed,
    worked,
)
from tui.terminal import Colours

Compare = Callable[..., bool]
Steps = Callable[[Pilot[Any]], Awaitable[None]]

SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((160, 50), id="160x50")]
both_sizes = pytest.mark.parametrize("size", SIZES)
Size = tuple[int, int]

DEEP = {"network.depth": 40, "network.hidden_size": 64, "init.scheme": "gaussian"}
GROWING = {
    "init.scheme": "recurrent_range",
    "init.recurrent_upper": 1e6,
    "network.depth": 1,
    "training.steps": 0,
}


@pytest.fixture
def same_picture(snap_compare: Callable[..., bool]) -> Compare:
    """As snap_compare, but a picture of a crash is no picture."""

    def compare(app: LabApp, **options: Any) -> bool:
        same = snap_compare(app, **options)
        assert app._exception is None, app._exception
        return same

    return compare


def keys(*pressed: str, before: Steps = finished) -> Steps:
    async def steps(pilot: Pilot[Any]) -> None:
        await before(pilot)
        for key in pressed:
            await pilot.press(key)
        await pilot.pause()

    return steps


async def pin_four(pilot: Pilot[Any]) -> None:
    await finished(pilot)
    app = pilot.app
    assert isinstance(app, LabApp)
    for name in ("cnn-tanh", "rnn-tanh", "rnn-relu-above", "indrnn-deep"):
        await pilot.press("p")
        app.lab.run_scenario(name)
        await finished(pilot)
    app.clear_notifications()
    await pilot.pause()


async def search(pilot: Pilot[Any]) -> None:
    await keys("slash", *"relu")(pilot)


async def palette(pilot: Pilot[Any]) -> None:
    await finished(pilot)
    await pilot.press("ctrl+p")
    box = pilot.app.screen.query_one(Input)
    box.cursor_blink = False
    await pilot.press(*"run rnn-tanh")
    await worked(pilot)


@both_sizes
def test_start(same_picture: Compare, size: Size) -> None:
    app = LabApp(worker=ScriptedWorker(frames=None))
    assert same_picture(app, terminal_size=size)


@both_sizes
def test_running(same_picture: Compare, size: Size) -> None:
    app = LabApp(worker=ScriptedWorker(frames=9))
    assert same_picture(app, terminal_size=size, run_before=drawn)


@both_sizes
def test_paused(same_picture: Compare, size: Size) -> None:
    app = LabApp("rnn-tanh", worker=ScriptedWorker(frames=5))
    assert same_picture(app, terminal_size=size, run_before=keys("space", before=drawn))


@both_sizes
def test_finished_feed_forward(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=finished)


@both_sizes
def test_recurrent_heatmap(same_picture: Compare, size: Size) -> None:
    app = LabApp("indrnn-deep")
    assert same_picture(app, terminal_size=size, run_before=keys("l"))


KILLED = [
    pytest.param("chain-sigmoid", {"network.hidden_size": 6}, id="mlp-sigmoid"),
    pytest.param("rnn-tanh", {}, id="rnn"),
    pytest.param("rnn-tanh", {"network.kind": "lstm"}, id="lstm"),
]


@both_sizes
@pytest.mark.parametrize(("name", "changes"), KILLED)
def test_who_kills_it(
    same_picture: Compare, name: str, changes: dict[str, object], size: Size
) -> None:
    assert same_picture(LabApp(name, changes), terminal_size=size, run_before=keys("v"))


@pytest.mark.parametrize("name", ["mlp-dead", "rnn-overflow"])
def test_who_kills_it_where_nothing_is_left(same_picture: Compare, name: str) -> None:
    assert same_picture(LabApp(name), terminal_size=(80, 24), run_before=keys("v"))


def test_who_kills_it_in_sixteen_colours(same_picture: Compare) -> None:
    app = LabApp("cnn-tanh", {"network.norm": "layer"}, colours=Colours.SIXTEEN)
    assert same_picture(app, terminal_size=(100, 32), run_before=keys("v"))


def test_who_kills_it_in_ascii(same_picture: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = LabApp("rnn-relu-above", colours=None, unicode=False)
    assert same_picture(app, terminal_size=(80, 24), run_before=keys("v"))


SPECTRA = [
    pytest.param("chain-sigmoid", {"network.hidden_size": 6}, id="mlp-sigmoid"),
    pytest.param("rnn-tanh", {"network.activation": "relu"}, id="rnn-relu"),
    pytest.param("rnn-tanh", {"network.kind": "lstm"}, id="lstm"),
]


@both_sizes
@pytest.mark.parametrize(("name", "changes"), SPECTRA)
def test_singular_values(
    same_picture: Compare, name: str, changes: dict[str, object], size: Size
) -> None:
    app = LabApp(name, changes)
    assert same_picture(app, terminal_size=size, run_before=linearised)


def test_singular_values_on_their_way(same_picture: Compare) -> None:
    app = LabApp(worker=ScriptedWorker(frames=3))
    steps = keys("v", "v", before=drawn)
    assert same_picture(app, terminal_size=(80, 24), run_before=steps)


def test_singular_values_in_sixteen_colours(same_picture: Compare) -> None:
    app = LabApp("rnn-tanh", {"network.activation": "relu"}, colours=Colours.SIXTEEN)
    assert same_picture(app, terminal_size=(100, 32), run_before=linearised)


def test_singular_values_in_ascii(same_picture: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = LabApp("rnn-relu-above", colours=None, unicode=False)
    assert same_picture(app, terminal_size=(80, 24), run_before=linearised)


WEIGHTS = [
    pytest.param("rnn-tanh", {"training.steps": 0}, id="rnn"),
    pytest.param("indrnn-deep", GROWING, id="indrnn"),
    pytest.param("rnn-tanh", {"network.kind": "lstm"}, id="lstm"),
]


@both_sizes
@pytest.mark.parametrize(("name", "changes"), WEIGHTS)
def test_recurrent_weights(
    same_picture: Compare, name: str, changes: dict[str, object], size: Size
) -> None:
    assert same_picture(LabApp(name, changes), terminal_size=size, run_before=weighed)


def test_recurrent_weights_in_sixteen_colours(same_picture: Compare) -> None:
    app = LabApp("rnn-relu-above", {"training.steps": 0}, colours=Colours.SIXTEEN)
    assert same_picture(app, terminal_size=(100, 32), run_before=weighed)


@pytest.mark.parametrize(("name", "changes"), WEIGHTS[:2])
def test_recurrent_weights_in_ascii(
    same_picture: Compare,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    changes: dict[str, object],
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = LabApp(name, changes, colours=None, unicode=False)
    assert same_picture(app, terminal_size=(80, 24), run_before=weighed)


@both_sizes
def test_four_pinned(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=pin_four)


async def compare_four(pilot: Pilot[Any]) -> None:
    await pin_four(pilot)
    await pilot.press("c")
    await pilot.pause()


@both_sizes
@pytest.mark.parametrize("theme", ["nablascope", "nablascope-light"])
def test_compare(same_picture: Compare, size: Size, theme: str) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        pilot.app.theme = theme
        await compare_four(pilot)

    assert same_picture(LabApp(), terminal_size=size, run_before=steps)


def test_compare_in_sixteen_colours(same_picture: Compare) -> None:
    app = LabApp(colours=Colours.SIXTEEN)
    assert same_picture(app, terminal_size=(80, 24), run_before=compare_four)


def test_compare_in_ascii(same_picture: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = LabApp(colours=None, unicode=False)
    assert same_picture(app, terminal_size=(80, 24), run_before=compare_four)


@both_sizes
@pytest.mark.parametrize(
    ("name", "changes", "key"),
    [
        pytest.param("chain-sigmoid", DEEP, "1", id="sigmoid-critical"),
        pytest.param("rnn-relu-above", {}, "3", id="rnn-identity"),
        pytest.param("rnn-tanh", {"network.kind": "lstm"}, "7", id="lstm-forget-bias"),
        pytest.param("indrnn-deep", GROWING, "6", id="indrnn-bound"),
    ],
)
def test_before_and_after(
    same_picture: Compare, size: Size, name: str, changes: dict[str, object], key: str
) -> None:
    async def treat(pilot: Pilot[Any]) -> None:
        await keys(key)(pilot)
        await finished(pilot)

    assert same_picture(LabApp(name, changes), terminal_size=size, run_before=treat)


@both_sizes
def test_remedies(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp("rnn-tanh"), terminal_size=size, run_before=keys("1", "x"))


@both_sizes
def test_no_theory(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp("cnn-tanh"), terminal_size=size, run_before=finished)


@both_sizes
def test_search(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=search)


@both_sizes
def test_bad_value(same_picture: Compare, size: Size) -> None:
    typed = keys("tab", "down", "down", "0", "enter")
    assert same_picture(LabApp(), terminal_size=size, run_before=typed)


@both_sizes
def test_typing(same_picture: Compare, size: Size) -> None:
    typed = keys("tab", "down", "down", "1", "2")
    assert same_picture(LabApp(), terminal_size=size, run_before=typed)


@both_sizes
def test_choices(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=keys("tab", "down", "enter"))


@both_sizes
def test_every_setting(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=keys("m", "tab", "end"))


@both_sizes
def test_help(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=keys("question_mark"))


@both_sizes
def test_about(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp("rnn-tanh"), terminal_size=size, run_before=keys("i"))


@both_sizes
def test_palette(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=palette)


@both_sizes
def test_overflow(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp("rnn-overflow"), terminal_size=size, run_before=finished)


@both_sizes
def test_dead(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp("mlp-dead"), terminal_size=size, run_before=finished)


@both_sizes
def test_failure(same_picture: Compare, size: Size) -> None:
    async def fail(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        worker.fail("the engine process was ended by SIGKILL (out of memory?); change a setting")
        await finished(pilot)

    worker = ScriptedWorker(frames=3)
    assert same_picture(LabApp(worker=worker), terminal_size=size, run_before=fail)


def test_no_such_device(same_picture: Compare) -> None:
    line = 'chain-sigmoid: run.device = "cuda": no NVIDIA driver; use --device cpu'
    app = LabApp(worker=ScriptedWorker(failure=(line, "run.device")))
    assert same_picture(app, terminal_size=(80, 24), run_before=finished)


@pytest.mark.parametrize("size", [(59, 24), (80, 19)], ids=["59x24", "80x19"])
def test_too_small(same_picture: Compare, size: Size) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=finished)


def test_smallest(same_picture: Compare) -> None:
    assert same_picture(LabApp("indrnn-deep"), terminal_size=(60, 20), run_before=finished)


@pytest.mark.parametrize("name", ["chain-sigmoid", "indrnn-deep"])
def test_sixteen_colours(same_picture: Compare, name: str) -> None:
    app = LabApp(name, colours=Colours.SIXTEEN)
    assert same_picture(app, terminal_size=(80, 24), run_before=finished)


def test_no_colour_no_unicode(same_picture: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = LabApp("rnn-tanh", colours=None, unicode=False)
    assert same_picture(app, terminal_size=(80, 24), run_before=pin_four)


def test_light(same_picture: Compare) -> None:
    async def light(pilot: Pilot[Any]) -> None:
        await finished(pilot)
        pilot.app.theme = "nablascope-light"
        await pilot.pause()

    assert same_picture(LabApp("cnn-tanh"), terminal_size=(120, 40), run_before=light)


def test_side_hidden(same_picture: Compare) -> None:
    assert same_picture(LabApp("rnn-tanh"), terminal_size=(80, 24), run_before=keys("b"))


def test_changed_scenario_in_the_title(same_picture: Compare) -> None:
    app = LabApp("rnn-tanh")

    async def changed(pilot: Pilot[Any]) -> None:
        await keys("tab", "down", "right", "down", "down", "right")(pilot)
        await finished(pilot)

    assert load("rnn-tanh").network.depth == 1
    assert same_picture(app, terminal_size=(80, 24), run_before=changed)
