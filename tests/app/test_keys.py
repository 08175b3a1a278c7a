"""The Lab by keys alone, and what each of them does."""

from __future__ import annotations

import gc
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.command import CommandList
from textual.geometry import Size
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import OptionList

from engine.architectures import ARCHITECTURES
from engine.errors import DeviceError
from scenarios.catalogue import FOLDER
from scenarios.changes import changes_between
from scenarios.errors import ScenarioError
from scenarios.runner import Run
from scenarios.scenario import load
from tests.app.support import (
    LabApp,
    ScriptedWorker,
    drawn,
    finished,
    linearised,
    until,
    weighed,
    worked,
)
from tui.app import NablascopeApp, run_app
from tui.lab.catalogue import Catalogue
from tui.lab.controls import Controls
from tui.lab.heatmap import GradientHeatmap
from tui.lab.live import LiveRun
from tui.lab.recurrent_weights import RecurrentWeightsView
from tui.lab.search import Search
from tui.lab.session import State
from tui.lab.view import View


def text(app: LabApp) -> str:
    """The screen as a person reads it."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def value(app: LabApp, key: str) -> Any:
    return app.lab.session.scenario.values()[key]


def type_at_once(app: LabApp, *keys: str) -> None:
    """Keys that arrive together, as they do over a slow line."""
    assert app._driver is not None
    for key in keys:
        event = events.Key(key, key if len(key) == 1 else None)
        event.set_sender(app)
        app._driver.send_message(event)


async def goto(pilot: Pilot[Any], key: str) -> None:
    """Put the cursor on a control."""
    app = pilot.app
    controls = app.screen.query_one(Controls)
    if not controls.has_focus:
        await pilot.press("tab")
    await pilot.press("home")
    for _ in range(40):
        knob = controls.highlighted
        assert knob is not None
        if knob.field.key == key:
            return
        await pilot.press("down")
    raise AssertionError(f"no control for {key}")


async def test_opens_running() -> None:
    app = LabApp(worker=ScriptedWorker(frames=3))
    async with app.run_test() as pilot:
        await drawn(pilot)
        assert app.lab.session.state is State.RUNNING
        screen = text(app)
        assert "running" in screen
        assert "Ten sigmoids in a row" in screen
        assert "vanishing" in screen
        assert "layer 10, loss" in screen


async def test_opens_the_first_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    app = LabApp()
    app._scenario = None
    async with app.run_test() as pilot:
        await finished(pilot)
        assert app.lab.session.scenario.name == "chain-sigmoid"


async def test_choosing_from_the_catalogue() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("down")
        assert "Enter runs Weights of zero" in text(app)
        assert app.lab.session.scenario.name == "chain-sigmoid"
        await pilot.press("enter")
        await finished(pilot)
        assert app.lab.session.scenario.name == "mlp-dead"
        assert "dead" in text(app)


async def test_search_narrows_and_runs() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("slash", *"rnn tanh")
        listed = [option.id for option in app.screen.query_one(Catalogue).options if option.id]
        assert listed == ["rnn-tanh"]
        await pilot.press("enter")
        await finished(pilot)
        assert app.lab.session.scenario.name == "rnn-tanh"
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert not app.screen.query(Search)
        assert len(app.screen.query_one(Catalogue).options) == 7 + 4


async def test_keys_typed_at_once_are_taken_in_their_order() -> None:
    app = LabApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        session = app.lab.session
        type_at_once(app, "down", "enter", "p")
        await until(pilot, lambda: bool(session.pins))
        assert [pin.label for pin in session.pins] == ["mlp-dead"]
        await finished(pilot)
        # 4: residual connections.
        type_at_once(app, "down", "enter", "4")
        await until(pilot, lambda: session.treatment is not None)
        assert session.scenario.name == "cnn-tanh" and session.scenario.network.residual
        assert session.treatment is not None and session.treatment.before.name == "cnn-tanh"


async def test_search_that_finds_nothing() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("slash", *"zzz")
        assert "nothing matches" in text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.lab.session.scenario.name == "chain-sigmoid"


@pytest.mark.parametrize(
    ("current", "typed", "best"),
    [
        ("cnn-relu", "rnn-relu", "rnn-relu"),
        ("cnn-relu", "indrnn", "indrnn"),
        ("chain-relu", "chain-sigmoid", "chain-sigmoid"),
        ("rnn-tanh", "tanh layers at", "mlp-tanh"),
        # Its title and its question hold these words; two questions hold them as well.
        ("chain-sigmoid", "sigmoid chain", "chain-sigmoid"),
        ("chain-sigmoid", "relu skips", "mlp-relu-residual"),
    ],
)
async def test_search_runs_what_fits_best(
    monkeypatch: pytest.MonkeyPatch, current: str, typed: str, best: str
) -> None:
    monkeypatch.setattr("scenarios.catalogue.FOLDER", FOLDER)
    app = LabApp(current, worker=ScriptedWorker())
    async with app.run_test() as pilot:
        await pilot.press("slash", *typed)
        entry = app.lab._catalogue.highlighted_entry
        assert entry is not None and entry.name == best
        await pilot.press("enter")
        await pilot.pause()
        assert app.lab.session.scenario.name == best


async def test_an_empty_search_keeps_the_place() -> None:
    app = LabApp("rnn-tanh", worker=ScriptedWorker())
    async with app.run_test() as pilot:
        catalogue = app.lab._catalogue
        await pilot.press("up", "slash")
        entry = catalogue.highlighted_entry
        assert entry is not None and entry.name == "cnn-tanh"
        # Nothing was found, so there is no place to keep but the one of the scenario that runs.
        await pilot.press(*"zzz", "escape")
        entry = catalogue.highlighted_entry
        assert entry is not None and entry.name == "rnn-tanh"


async def test_a_scenario_outside_the_catalogue_asks_its_own_question(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(load("rnn-tanh").to_toml().replace('"rnn-tanh"', '"mine"'))
    question = load("chain-sigmoid").question[:30]
    app = LabApp("chain-sigmoid", worker=ScriptedWorker())
    app._scenario = load(mine)
    async with app.run_test(size=(120, 40)) as pilot:
        own = app._scenario.question[:30]
        await pilot.pause()
        assert own in text(app) and "Enter runs" not in text(app)
        await pilot.press("tab", "tab")
        assert own in text(app) and "Enter runs" not in text(app)
        await pilot.press("enter")
        assert app.lab.session.scenario.name == "mine"
        await pilot.press("down")
        await pilot.pause()
        assert "Enter runs" in text(app) and question in text(app)
        # The same from the lesson, whose key leaves the cursor on another scenario.
        await pilot.press("L")
        app.open_in_lab(load(mine))
        await pilot.pause()
        assert own in text(app) and "Enter runs" not in text(app)


async def test_turning_a_control_restarts_at_once() -> None:
    worker = ScriptedWorker(frames=3)
    app = LabApp(worker=worker)
    async with app.run_test() as pilot:
        await drawn(pilot)
        before = app.lab.session.live
        worker.frames = None
        await goto(pilot, "network.depth")
        await pilot.press("right")
        assert value(app, "network.depth") == 12
        assert worker.told == ["start", "start"]
        assert app.lab.session.state is State.STARTING
        # The picture stays until the new run has one.
        assert app.lab.session.live is before
        assert "layer 10, loss" in text(app)
        worker.frames = 3
        await pilot.press("left", "right")
        await until(pilot, lambda: "layer 12, loss" in text(app))


async def test_one_step_of_each_kind() -> None:
    app = LabApp(worker=ScriptedWorker(frames=2))
    async with app.run_test() as pilot:
        await drawn(pilot)
        for key, pressed, expected in (
            ("network.activation", "right", "tanh"),
            ("network.activation", "left", "sigmoid"),
            ("network.activation", "left", "linear"),
            ("network.hidden_size", "plus", 2),
            ("init.weight_scale", "right", 1.05),
            ("init.weight_scale", "minus", 1.0),
            ("init.weight_scale", "shift+right", 1.5),
            ("run.seed", "left", 0),
            ("run.seed", "right", 1),
            ("training.steps", "right", 0),
        ):
            await goto(pilot, key)
            await pilot.press(pressed)
            assert value(app, key) == expected


async def test_training_off_and_on_again() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await goto(pilot, "training.steps")
        await pilot.press("right")
        await finished(pilot)
        assert "off" in text(app)
        live = app.lab.session.live
        assert live is not None and live.latest is not None
        assert live.latest.step == 0
        await pilot.press("right")
        await finished(pilot)
        assert value(app, "training.steps") == 20


async def test_typing_a_number() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await goto(pilot, "network.depth")
        await pilot.press("enter", "1", "7", "backspace", "5", "enter")
        assert value(app, "network.depth") == 15
        await pilot.press("2", "5", "escape")
        assert value(app, "network.depth") == 15
        await finished(pilot)
        await pilot.press("backspace")
        assert value(app, "network.depth") == 10


async def test_a_bad_value_is_told_by_the_control() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        live = app.lab.session.live
        await goto(pilot, "network.depth")
        await pilot.press("0", "enter")
        screen = text(app)
        assert "network.depth" in screen
        assert "from 1 to 10000" in " ".join(screen.split())
        assert value(app, "network.depth") == 10
        assert app.lab.session.live is live
        await pilot.press("right")
        await finished(pilot)
        assert "from 1 to" not in text(app)


async def test_escape_forgets_a_value_that_was_refused() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await goto(pilot, "network.depth")
        await pilot.press("0", "enter")
        assert "✗ " in text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "✗ " not in text(app)
        assert app.screen.query_one(Catalogue).has_focus


async def test_picking_from_a_list() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await goto(pilot, "network.kind")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.focused, OptionList)
        await pilot.press("end", "enter")
        await finished(pilot)
        assert value(app, "network.kind") == list(ARCHITECTURES)[-1]
        await goto(pilot, "init.scheme")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.lab


async def test_a_recurrent_kind_brings_its_own_controls() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        shown = text(app)
        assert "weight scale" in shown and "time steps" not in shown
        await goto(pilot, "network.kind")
        await pilot.press("right", "right")
        await finished(pilot)
        shown = text(app)
        assert value(app, "network.kind") == "rnn"
        assert "recurrent scale" in shown and "time steps" in shown and "depth" in shown
        assert "weight scale" not in shown


async def test_every_setting() -> None:
    app = LabApp()
    async with app.run_test(size=(120, 50)) as pilot:
        await finished(pilot)
        assert "learning rate" not in text(app)
        await pilot.press("m")
        assert "learning rate" in text(app)
        await goto(pilot, "training.learning_rate")
        await pilot.press("right")
        assert value(app, "training.learning_rate") == 0.02
        await goto(pilot, "network.bias")
        await pilot.press("enter")
        assert value(app, "network.bias") is True


async def test_pause_step_go_on_reset() -> None:
    worker = ScriptedWorker(frames=3)
    app = LabApp(worker=worker)
    async with app.run_test(notifications=True) as pilot:
        await drawn(pilot)
        await pilot.press("space")
        assert app.lab.session.state is State.PAUSED
        assert "paused" in text(app)
        await pilot.press("n", "n", "space", "n")
        assert app.lab.session.state is State.PAUSED
        await pilot.press("r")
        assert worker.told == [
            "start", "pause", "step 1", "step 1", "resume", "pause", "step 1", "start paused",
        ]  # fmt: skip
        await pilot.press("space")
        worker.end()
        await finished(pilot)
        await pilot.press("n")
        await pilot.pause()
        assert "No training step is left" in text(app)
        await pilot.press("space")
        assert worker.told[-1] == "start"


async def test_the_line_of_keys_says_what_space_does() -> None:
    worker = ScriptedWorker(frames=3)
    app = LabApp(worker=worker)

    async def said(what: str) -> bool:
        await pilot.pause()
        return f"space {what} " in text(app).splitlines()[-1]

    async with app.run_test() as pilot:
        await drawn(pilot)
        assert await said("pause")
        await pilot.press("space")
        assert await said("go on")
        await pilot.press("space")
        assert await said("pause")
        worker.end()
        await finished(pilot)
        assert await said("rerun")
        await pilot.press("space")
        assert await said("pause")
    assert worker.told == ["start", "pause", "resume", "start"]


async def test_the_line_of_keys_promises_nothing_that_is_typed_instead() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await goto(pilot, "network.depth")
        listed = text(app).splitlines()[-1]
        assert "enter type" in listed and "space rerun" in listed
        await pilot.press("enter")
        await pilot.pause()
        assert text(app).splitlines()[-1].strip() == "enter take  esc forget  ^p palette"
        # A path has slashes.
        await pilot.press(*"1/p ", "left")
        assert "1/p ▏" in text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert text(app).splitlines()[-1] == listed
        assert value(app, "network.depth") == 10 and not app.lab.session.pins


async def test_single_steps_advance_a_real_run() -> None:
    app = LabApp(changes={"training.steps": 1_000_000})

    def step() -> int:
        live = app.lab.session.live
        return -1 if live is None or live.latest is None else live.latest.step

    async with app.run_test() as pilot:
        await pilot.press("space")
        assert app.lab.session.state is State.PAUSED
        # Reset while paused waits at step 0.
        await pilot.press("r")
        await until(pilot, lambda: step() == 0)
        await pilot.press("n")
        await until(pilot, lambda: step() == 1)
        await pilot.press("n", "n")
        await until(pilot, lambda: step() == 3)
        assert app.lab.session.state is State.PAUSED
        await pilot.press("space")
        await until(pilot, lambda: step() > 10)


async def test_pinning_four() -> None:
    app = LabApp()
    async with app.run_test(notifications=True, size=(120, 40)) as pilot:
        await finished(pilot)
        for name in ("cnn-tanh", "rnn-tanh", "rnn-relu-above", "indrnn-deep"):
            await pilot.press("p")
            app.lab.run_scenario(name)
            await finished(pilot)
        screen = text(app)
        for mark in ("■ chain-sigmoid", "▲ cnn-tanh", "◆ rnn-tanh", "○ rnn-relu-above"):
            assert mark in screen
        assert "layers or steps back" in screen and "0 ▸ the loss" in screen
        assert "|∂L/∂h| per hop" in screen
        await pilot.press("p")
        await pilot.pause()
        assert "no more fit" in text(app)
        assert len(app.lab.session.pins) == 4
        await pilot.press("P", "P", "P", "P", "P")
        await pilot.pause()
        assert "No run is pinned" in text(app)
        assert not app.lab.session.pins


async def test_pinning_the_same_run_again_updates_it() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("p", "p")
        assert len(app.lab.session.pins) == 1


async def test_a_pinned_run_and_its_pin_are_told_apart_once_they_differ() -> None:
    app = LabApp(changes={"training.steps": 5})
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        await pilot.press("p")
        await pilot.pause()
        assert "●■ chain-sigmoid " in text(app)
        pin = app.lab.session.pins[0]
        app.lab.session.pins = [replace(pin, values=pin.values - 1.0)]
        app.lab._picture.show_curves(app.lab.session)
        await pilot.pause()
        assert "● chain-sigmoid  ■ chain-sigmoid step 5" in text(app)


async def test_pinning_a_run_that_came_out_the_same_updates_it() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("p")
        first = app.lab.session.pins[0]
        await pilot.press("r")
        await finished(pilot)
        await pilot.press("p")
        (pin,) = app.lab.session.pins
        assert pin.run > first.run and pin.slot == first.slot
        # Another run of that name is another pin.
        app.lab.session.pins = [replace(pin, run=0, values=pin.values + 1.0)]
        await pilot.press("p")
        assert len(app.lab.session.pins) == 2


def test_changes_are_written_as_set_takes_them() -> None:
    origin = load("chain-sigmoid")
    changed = origin.with_changes({"network.residual": True, "init.weight_scale": 1.5})
    assert changes_between(origin, changed) == ["residual=true", "weight_scale=1.5"]


async def test_judging_another_layer() -> None:
    app = LabApp("indrnn-deep")
    async with app.run_test() as pilot:
        await finished(pilot)
        seen = []
        for _ in range(5):
            live = app.lab.session.live
            assert live is not None and live.verdict is not None
            seen.append(live.verdict.layer)
            await pilot.press("l")
        assert seen == [4, 3, 2, 1, 4]
        assert "layer 3 of 4" in text(app)


async def test_views_take_turns_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    class Toy(View):
        name_id = "toy"
        title_word = "toy"
        hint = "A view made for this test."

        def title(self, run: LiveRun) -> str:
            return run.scenario.name

        def draw(self, size: Size) -> list[Strip]:
            return [Strip.blank(size.width)]

    monkeypatch.setattr("tui.lab.picture.VIEWS", (GradientHeatmap, Toy))
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        assert "heatmap: layer x training step" in text(app)
        await pilot.press("v")
        await pilot.pause()
        assert "toy: chain-sigmoid" in text(app) and "heatmap" not in text(app)
        await pilot.press("r")
        await finished(pilot)
        app.lab.run_scenario("rnn-tanh")
        await finished(pilot)
        assert "toy: rnn-tanh" in text(app)
        await pilot.press("v")
        await pilot.pause()
        assert "heatmap: layer x time step" in text(app)
        await pilot.press("V")
        await pilot.pause()
        assert "toy: rnn-tanh" in text(app)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("chain-sigmoid", {"network.depth": 1}, "no hop to split"),
        ("chain-sigmoid", {"network.depth": 2}, "phi'"),
        ("chain-sigmoid", {"network.depth": 1000, "training.steps": 0}, "phi'"),
        ("rnn-tanh", {"task.time_steps": 1000, "training.steps": 0}, "phi'"),
        ("rnn-tanh", {"network.kind": "gru"}, "update path"),
        ("indrnn-deep", {}, "phi'"),
        ("mlp-dead", {}, "phi' left nothing at layer 12"),
        ("mlp-dead", {"network.residual": True}, "the skip path carried on"),
        ("rnn-overflow", {}, "nothing to split"),
    ],
)
@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 50)], ids=str)
async def test_who_kills_it(
    name: str, changes: dict[str, object], words: str, size: tuple[int, int]
) -> None:
    app = LabApp(name, changes)
    async with app.run_test(size=size) as pilot:
        await finished(pilot)
        await pilot.press("v")
        await pilot.pause()
        assert "who kills it" in text(app)
        assert words in text(app)


async def test_who_kills_it_names_the_layer_and_its_weight() -> None:
    app = LabApp("indrnn-deep")
    async with app.run_test(size=(160, 50)) as pilot:
        await finished(pilot)
        await pilot.press("v", "l")
        await pilot.pause()
        shown = text(app)
        assert "who kills it: decades of |∂L/∂h|, layer 3 of 4" in shown
        assert re.search(r"[▓█] u (gave|took)", shown)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("chain-sigmoid", {"network.depth": 1}, "∂h_1/∂x"),
        ("chain-sigmoid", {"network.depth": 800, "training.steps": 0}, "∂h_800/∂x"),
        ("chain-sigmoid", {"network.activation": "linear"}, "isometry"),
        ("rnn-tanh", {"task.time_steps": 1}, "∂h_1/∂h_1"),
        ("indrnn-deep", {"network.dense": True, "training.steps": 0}, "∂h_60/∂h_1"),
        ("cnn-tanh", {"network.norm": "batch"}, "10^0"),
        ("mlp-dead", {}, "are 0"),
        ("rnn-overflow", {}, "the forward pass overflows"),
    ],
)
@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 50)], ids=str)
async def test_singular_values(
    name: str, changes: dict[str, object], words: str, size: tuple[int, int]
) -> None:
    app = LabApp(name, changes)
    async with app.run_test(size=size) as pilot:
        await linearised(pilot)
        assert "singular values" in text(app)
        assert words in text(app)


async def test_singular_values_are_asked_for_in_sight_alone_and_not_too_often() -> None:
    worker, now = ScriptedWorker(frames=3), [0.0]
    app = LabApp(worker=worker, clock=lambda: now[0])
    found = Run(load("chain-sigmoid")).jacobian()
    async with app.run_test() as pilot:
        await drawn(pilot)
        session = app.lab.session
        assert "jacobian" not in worker.told
        await pilot.press("v", "v")
        await until(pilot, lambda: worker.told.count("jacobian") == 1)
        await pilot.pause()
        assert "computing" in text(app)
        worker.linearised(1, replace(found, seconds=2.0))
        await until(pilot, lambda: session.live.jacobian_step == 1)
        # Step 2 is known to the screen already, but these took two seconds.
        now[0] = 10.0
        await pilot.pause(0.3)
        assert worker.told.count("jacobian") == 1
        now[0] = 20.0
        await until(pilot, lambda: worker.told.count("jacobian") == 2)
        worker.end()
        await until(pilot, lambda: session.idle)
        worker.linearised(2, "no memory is left")
        await until(pilot, lambda: session.live.jacobian_step == 2)
        await pilot.pause()
        assert "no memory is left" in text(app)
        assert session.quiet and worker.told.count("jacobian") == 2
        await pilot.press("r")
        await until(pilot, lambda: worker.told.count("jacobian") == 3)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("chain-sigmoid", {}, "no recurrent weights"),
        ("rnn-tanh", {"network.kind": "gru"}, "is a gate, not a"),
        ("rnn-tanh", {"task.time_steps": 1}, "a single time step"),
        ("rnn-tanh", {"network.kind": "irnn", "training.steps": 0}, "0 of 8 eigenvalues outside"),
        ("rnn-tanh", {"network.hidden_size": 1}, "of 1 eigenvalues"),
        ("rnn-overflow", {}, "no Lyapunov exponents"),
        ("indrnn-deep", {}, "0 of 8 beyond 2^(1/T)"),
        ("indrnn-deep", {"network.hidden_size": 1}, "0 of 1 beyond"),
        ("indrnn-deep", {"init.recurrent_upper": 0, "init.recurrent_lower": 0}, "0 of 8 beyond"),
        ("indrnn-deep", {"network.activation": "sigmoid"}, "beyond 2^(1/T)/sup phi'"),
    ],
)
async def test_recurrent_weights_or_why_there_are_none(
    name: str, changes: dict[str, object], words: str
) -> None:
    app = LabApp(name, changes)
    async with app.run_test(size=(100, 30)) as pilot:
        await weighed(pilot)
        assert "recurrent weights" in text(app)
        assert words in text(app)


@pytest.mark.parametrize(("kind", "turned_to"), [("mlp", 0), ("lstm", 0), ("irnn", 1)])
async def test_recurrent_weights_are_turned_to_where_there_are_any(
    kind: str, turned_to: int
) -> None:
    app = LabApp("rnn-tanh" if kind != "mlp" else "chain-sigmoid", {"network.kind": kind})
    async with app.run_test() as pilot:
        await finished(pilot)
        seen = []
        while not seen or seen[-1] != "heatmap":
            await pilot.press("v")
            seen.append(app.lab._picture.view.name_id)
        assert seen.count("recurrent-weights") == turned_to


async def test_recurrent_weights_are_those_of_the_layer_judged() -> None:
    worker = ScriptedWorker(frames=2)
    app = LabApp("indrnn-deep", worker=worker)
    async with app.run_test() as pilot:
        await drawn(pilot)
        session = app.lab.session
        depth = session.live.layer
        # Directly: on the way there the singular values would be asked for.
        app.lab._picture.toggle_view(RecurrentWeightsView, session)
        app.lab._timer.resume()
        await until(pilot, lambda: worker.told[-1] == f"weights {depth}")
        worker.end()
        worker.looked(1, depth, "not finite")
        await until(pilot, lambda: session.quiet)
        await pilot.press("l")
        await until(pilot, lambda: worker.told[-1] == f"weights {depth - 1}")
        worker.looked(1, depth - 1, "not finite either")
        await until(pilot, lambda: "not finite either" in text(app))
        assert session.quiet


async def test_singular_values_on_their_way_hold_up_no_key() -> None:
    app = LabApp("cnn-tanh", {"network.depth": 400, "training.steps": 0}, worker_mode="process")
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("v", "v")
        await until(pilot, lambda: app.lab.session.live.computing)
        app.lab.run_scenario("rnn-tanh")
        await until(pilot, lambda: app.lab.session.live.scenario.name == "rnn-tanh")
        await until(pilot, lambda: app.lab.session.live.jacobian is not None)
        assert app.lab.session.live.jacobian.of == "d h_40 / d h_1"


async def test_garbage_is_collected_once_there_is_a_picture() -> None:
    app = LabApp(worker=ScriptedWorker(frames=1))
    gc.disable()
    try:
        async with app.run_test() as pilot:
            await until(pilot, gc.isenabled)
    finally:
        gc.enable()


async def test_saving_never_overwrites(tmp_path: Path) -> None:
    app = LabApp(folder=tmp_path)
    async with app.run_test(notifications=True) as pilot:
        await finished(pilot)
        await goto(pilot, "network.depth")
        await pilot.press("right")
        await finished(pilot)
        await pilot.press("s", "s", "w", "w")
        await pilot.pause()
        names = sorted(path.name for path in tmp_path.iterdir())
        stem = "chain-sigmoid-depth-12"
        assert names == sorted([f"{stem}.svg", f"{stem}-2.svg", f"{stem}.toml", f"{stem}-2.toml"])
        assert "Saved" in text(app)
        saved = tomllib.loads((tmp_path / f"{stem}.toml").read_text())
        assert saved["network"]["depth"] == 12
        assert "<svg" in (tmp_path / f"{stem}.svg").read_text()[:200]
        # Nor does a picture show what was said of the one before.
        assert "Saved" not in (tmp_path / f"{stem}-2.svg").read_text()


async def test_saving_where_nothing_can_be_written(tmp_path: Path) -> None:
    app = LabApp(folder=tmp_path / "missing")
    async with app.run_test(notifications=True) as pilot:
        await finished(pilot)
        await pilot.press("w")
        await pilot.pause()
        assert "nothing was" in text(app)


async def test_too_small_and_back() -> None:
    app = LabApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await finished(pilot)
        await pilot.resize_terminal(50, 15)
        await pilot.pause()
        assert "needs 60 columns" in " ".join(text(app).split())
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "layer 10, loss" in text(app)


async def test_help_and_palette() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "The Lab" in text(app) and "space" in text(app)
        await pilot.press("escape", "i")
        await pilot.pause()
        assert "made for the tests" in text(app)
        await pilot.press("escape", "ctrl+p", *"run weights")
        await worked(pilot)
        assert "mlp-dead" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.lab)
        await finished(pilot)
        assert app.lab.session.scenario.name == "mlp-dead"


async def test_palette_knows_the_keys() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("ctrl+p", *"let the latest")
        await worked(pilot)
        assert "Let the latest pinned run go" in text(app)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("pin", "Pin: Keep this run in the plot"),
        ("unpin", "Unpin: Let the latest pinned run go"),
        ("reset", "Reset: Back to step 0"),
        ("device", "Set device (run.device)"),
    ],
)
async def test_palette_finds_the_word_of_a_key(typed: str, first: str) -> None:
    app = LabApp("rnn-tanh")
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("ctrl+p", *typed)
        found = app.screen.query_one(CommandList)
        await worked(pilot)
        assert first in found.options[0].prompt.plain


async def test_palette_goes_to_a_setting() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("b", "ctrl+p", *"clip_norm")
        found = app.screen.query_one(CommandList)
        await worked(pilot)
        assert found.option_count == 1
        await pilot.press("enter")
        controls = app.lab.query_one(Controls)
        await until(pilot, lambda: controls.has_focus)
        knob = controls.highlighted
        assert knob is not None and knob.field.key == "training.clip_norm"


async def test_a_notice_takes_the_place_of_the_one_before() -> None:
    app = LabApp(worker=ScriptedWorker())
    async with app.run_test(notifications=True) as pilot:
        await drawn(pilot)
        await pilot.press(*"123123", "P")
        await pilot.pause()
        assert "No run is pinned" in text(app)
        assert "no run to compare" not in text(app)
        assert len(app._notifications) == 1
        # Nor do those pile up that come before the first is on the screen.
        for _ in range(3):
            app.lab.action_unpin()
        await pilot.pause()
        assert len(app._notifications) == 1
        await until(pilot, lambda: text(app).count("No run is pinned") == 1)
        assert len(app.screen.query("ToastHolder")) == 1


@pytest.mark.parametrize("width", [60, 61, 120])
async def test_the_device_outlasts_the_frames_per_second(width: int) -> None:
    app = LabApp(changes={"training.steps": 1000}, worker=ScriptedWorker(frames=3))
    async with app.run_test(size=(width, 40)) as pilot:
        await drawn(pilot)
        session = app.lab.session
        session.device = "cuda:0"
        app.lab._picture._verdict.show(session.live, session.device, 123456.0)
        await pilot.pause()
        line = next(line for line in text(app).splitlines() if "loss 1." in line)
        assert "step 2" in line and "cuda:0" in line
        assert ("123,456 fps" in line) is (width == 120)


async def test_ctrl_c_says_which_key_leaves() -> None:
    app = LabApp()
    async with app.run_test(notifications=True) as pilot:
        await finished(pilot)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "q leaves" in text(app))


def test_a_gpu_that_is_not_there_is_told_in_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_cupy() -> None:
        raise DeviceError("CuPy is not installed; use --device cpu")

    monkeypatch.setattr("engine.devices._import_cupy", no_cupy)
    monkeypatch.setattr(NablascopeApp, "run", lambda app: pytest.fail("the app was opened"))
    asked = load("chain-sigmoid", {"run.device": "cuda:1"})
    for scenario, device, line in (
        (None, "cuda", '--device: run.device = "cuda": CuPy is not installed; use --device cpu'),
        (asked, None, 'chain-sigmoid: run.device = "cuda:1": CuPy is not installed'),
    ):
        with pytest.raises(ScenarioError) as caught:
            run_app(scenario, device=device)
        assert str(caught.value).startswith(line)


async def test_hiding_the_left_side() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("b")
        await pilot.pause()
        assert "initialiser" not in text(app)
        await pilot.press("slash")
        await pilot.pause()
        assert "initialiser" in text(app)


async def test_the_device_stays_when_the_scenario_changes() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        app.lab.change("run.device", "auto")
        await finished(pilot)
        app.lab.run_scenario("mlp-dead")
        assert value(app, "run.device") == "auto"


async def test_the_device_of_the_command_line_holds_for_all() -> None:
    app = LabApp(device="auto")
    async with app.run_test() as pilot:
        await finished(pilot)
        assert value(app, "run.device") == "auto"
        app.lab.run_scenario("mlp-dead")
        assert value(app, "run.device") == "auto"


async def test_a_failure_leaves_the_picture() -> None:
    worker = ScriptedWorker(frames=3)
    app = LabApp(worker=worker)
    async with app.run_test() as pilot:
        await drawn(pilot)
        live = app.lab.session.live
        worker.fail("the GPU failed: out of memory; use --device cpu", "run.device")
        await finished(pilot)
        assert "use --device" in " ".join(text(app).split())
        assert app.lab.session.live is live
        assert app.lab.session.state is State.FAILED


async def test_leaving_stops_the_engine() -> None:
    worker = ScriptedWorker(frames=3)
    app = LabApp(worker=worker)
    async with app.run_test() as pilot:
        await drawn(pilot)
        await pilot.press("q")
    assert worker.closed


async def test_nothing_is_drawn_while_nothing_arrives() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.pause(0.2)
        timer = app.lab._timer
        assert timer is not None
        assert not timer._active.is_set()
        plot = app.lab._picture._plot
        strips = plot._strips
        await pilot.pause(0.3)
        assert plot._strips is strips
