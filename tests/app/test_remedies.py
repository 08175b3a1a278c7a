"""The remedies in the Lab: one key each, before and after in one picture."""

from __future__ import annotations

import pytest
from textual.widgets import OptionList

from tests.app.support import LabApp, ScriptedWorker, finished, until, worked
from tests.app.test_keys import goto, text, value
from tui.lab.live import MAX_PINS
from tui.lab.remedies import KEYS, RemedyScreen

DEEP = {"network.depth": 40, "network.hidden_size": 32, "init.scheme": "gaussian"}
BARELY_TRAINED = {
    "task.time_steps": 15,
    "training.clip_norm": 0.0,
    "training.steps": 1,
    "training.learning_rate": 1e-9,
}
LSTM = {"network.kind": "lstm"}
GROWING = {
    "init.scheme": "recurrent_range",
    "init.recurrent_upper": 1e6,
    "network.depth": 1,
    "training.steps": 0,
}
NAMES = {remedy.name: key for key, remedy in KEYS.items()}


@pytest.mark.parametrize(
    ("name", "start", "remedy", "changed"),
    [
        ("chain-sigmoid", DEEP, "critical", {"init.weight_scale": pytest.approx(10.1493)}),
        ("rnn-relu-above", {}, "critical", {"init.recurrent_scale": pytest.approx(1.41421)}),
        ("chain-sigmoid", DEEP, "orthogonal", {"init.scheme": "orthogonal"}),
        ("cnn-tanh", {"init.weight_scale": 2.0}, "orthogonal", {"init.scheme": "delta_orthogonal"}),
        ("rnn-relu-above", {}, "identity", {"init.scheme": "identity"}),
        ("chain-sigmoid", DEEP, "residual", {"network.residual": True}),
        ("rnn-relu-above", BARELY_TRAINED, "clip", {"training.clip_norm": 1.0}),
        ("chain-sigmoid", DEEP, "slope-1", {"network.activation": "relu"}),
        ("indrnn-deep", GROWING, "bound", {"network.recurrent_bound": 2.0}),
        ("rnn-tanh", LSTM, "forget-1", {"init.forget_bias": 1.0}),
        ("rnn-tanh", LSTM, "chrono", {"init.forget_bias": pytest.approx(3.66356)}),
        ("chain-sigmoid", DEEP, "norm", {"network.norm": "batch"}),
        ("rnn-tanh", LSTM | {"init.forget_bias": 1.0}, "forget-0", {"init.forget_bias": 0.0}),
    ],
)
async def test_a_key_applies_it_and_the_same_key_takes_it_away(
    name: str, start: dict[str, object], remedy: str, changed: dict[str, object]
) -> None:
    app = LabApp(name, start)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        session = app.lab.session
        before = session.scenario
        sick = session.live
        assert sick is not None and sick.latest is not None
        await pilot.press(NAMES[remedy])
        await finished(pilot)
        for key, expected in changed.items():
            assert value(app, key) == expected
        assert session.treatment is not None
        assert sick.latest.overflow is None
        assert (session.treatment.pin.values == sick.profile(sick.latest)).all()
        screen = text(app)
        assert "▽ before: " in screen
        assert KEYS[NAMES[remedy]].title in screen
        assert not session.pins
        await pilot.press(NAMES[remedy])
        await finished(pilot)
        assert session.scenario == before
        assert "▽" not in text(app)


async def test_another_remedy_takes_its_place_and_before_stays() -> None:
    app = LabApp("chain-sigmoid", DEEP)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        await pilot.press(NAMES["critical"])
        await finished(pilot)
        session = app.lab.session
        assert session.treatment is not None
        before = session.treatment.pin
        await pilot.press(NAMES["norm"])
        await finished(pilot)
        assert value(app, "init.weight_scale") == 1.0
        assert value(app, "network.norm") == "batch"
        assert session.treatment.pin is before


async def test_pins_are_left_alone() -> None:
    app = LabApp("chain-sigmoid", DEEP)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        for seed in range(MAX_PINS):
            app.lab.change("run.seed", seed + 1)
            await finished(pilot)
            await pilot.press("p")
        await pilot.press(NAMES["residual"])
        await finished(pilot)
        session = app.lab.session
        assert len(session.pins) == MAX_PINS and len(session.curves) == MAX_PINS + 1
        screen = text(app)
        assert all(marker in screen for marker in "■▲◆○▽")


async def test_what_was_turned_meanwhile_stays() -> None:
    app = LabApp("chain-sigmoid", DEEP)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        await pilot.press(NAMES["critical"])
        await finished(pilot)
        app.lab.change("network.depth", 20)
        await finished(pilot)
        await pilot.press(NAMES["critical"])
        await finished(pilot)
        assert (value(app, "network.depth"), value(app, "init.weight_scale")) == (20, 1.0)


async def test_values_that_gave_way_come_back() -> None:
    app = LabApp("indrnn-deep", GROWING)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        await pilot.press(NAMES["identity"])
        await finished(pilot)
        assert "init.recurrent_upper" not in app.lab.session.scenario.values()
        await pilot.press(NAMES["identity"])
        await finished(pilot)
        assert value(app, "init.recurrent_upper") == 1e6


async def test_before_and_after_are_of_the_same_layer() -> None:
    app = LabApp("indrnn-deep")
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        session = app.lab.session
        sick = session.live
        assert sick is not None and sick.latest is not None
        await pilot.press(NAMES["bound"])
        await finished(pilot)
        for layer in (3, 2):
            await pilot.press("l")
            assert session.treatment is not None and session.live is not None
            assert session.live.layer == layer
            values = session.treatment.pin.values
            assert (values == sick.latest.log10_grad_h[layer - 1]).all()


async def test_another_scenario_or_kind_ends_it() -> None:
    app = LabApp("chain-sigmoid", DEEP)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        await pilot.press(NAMES["residual"])
        await finished(pilot)
        app.lab.change("network.kind", "rnn")
        await finished(pilot)
        assert app.lab.session.treatment is None and "▽" not in text(app)
        app.lab.run_scenario("chain-sigmoid")
        await finished(pilot)
        await pilot.press(NAMES["residual"])
        await finished(pilot)
        app.lab.run_scenario("rnn-tanh")
        await finished(pilot)
        assert app.lab.session.treatment is None and "▽" not in text(app)


async def test_one_that_does_not_apply_says_why() -> None:
    app = LabApp("rnn-relu-above")
    async with app.run_test(notifications=True, size=(100, 30)) as pilot:
        await finished(pilot)
        scenario = app.lab.session.scenario
        await pilot.press(NAMES["residual"])
        await until(pilot, lambda: "network.residual" in text(app))
        assert app.lab.session.scenario is scenario and app.lab.session.treatment is None


async def test_a_run_that_overflowed_in_training_is_kept_as_it_began() -> None:
    app = LabApp("indrnn-deep", GROWING | {"training.steps": 20, "training.learning_rate": 10.0})
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        assert "overflow" in text(app)
        await pilot.press(NAMES["bound"])
        await finished(pilot)
        assert "▽ before, step 0: 10^" in text(app)


async def test_before_the_first_frame_a_key_waits_for_it() -> None:
    worker = ScriptedWorker(frames=None)
    app = LabApp("chain-sigmoid", worker=worker)
    async with app.run_test(notifications=True, size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press(NAMES["residual"])
        await pilot.pause()
        session = app.lab.session
        assert session.treatment is None and "no run to compare" not in text(app)
        # The same run comes after all.
        worker.frames, worker._run = 1, 0
        worker.start(session.scenario)
        await until(pilot, lambda: session.treatment is not None)
        assert value(app, "network.residual") is True


async def test_a_run_that_fails_drops_what_waited_for_it() -> None:
    worker = ScriptedWorker(frames=None)
    app = LabApp(worker=worker)
    async with app.run_test(notifications=True, size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press(NAMES["residual"], "p")
        worker.fail("the GPU failed: out of memory; use --device cpu", "run.device")
        await finished(pilot)
        session = app.lab.session
        assert session.treatment is None and not session.pins
        await pilot.press(NAMES["residual"])
        await until(pilot, lambda: "There is no run to compare with yet." in text(app))


async def test_clipping_is_offered_where_something_explodes() -> None:
    app = LabApp("chain-sigmoid")
    async with app.run_test(size=(120, 50)) as pilot:
        await finished(pilot)
        await pilot.press("x")
        await pilot.pause()
        screen = " ".join(text(app).split())
        assert "nothing explodes: " in screen
        assert "-  an activation of slope 1" in text(app)
        assert "not here: network.activation" not in screen
        await pilot.press("-")
        await finished(pilot)
        assert value(app, "network.activation") == "relu"


async def test_the_list_says_what_each_does_and_why_some_do_not_apply() -> None:
    app = LabApp("rnn-tanh", LSTM)
    async with app.run_test(size=(120, 50)) as pilot:
        await finished(pilot)
        await pilot.press("x")
        await pilot.pause()
        screen = text(app)
        assert "Opens the gate that keeps memory" in screen and "Gers et al. 2000" in screen
        assert "not here: network.residual: does not fit network.kind lstm" in screen
        await pilot.press(NAMES["forget-1"])
        await finished(pilot)
        assert app.screen is app.lab and value(app, "init.forget_bias") == 1.0
        await pilot.press("x")
        await pilot.pause()
        assert isinstance(app.screen, RemedyScreen)
        assert "forget bias 1  (on)" in text(app)
        assert app.screen.query_one(OptionList).highlighted_option.id == NAMES["forget-1"]
        await pilot.press("enter")
        await finished(pilot)
        assert value(app, "init.forget_bias") == 0.0
        await pilot.press("x", "escape")
        await pilot.pause()
        assert app.screen is app.lab and app.lab.session.treatment is None


async def test_digits_are_typed_into_a_number_under_the_cursor() -> None:
    app = LabApp("chain-sigmoid", DEEP)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        await goto(pilot, "network.depth")
        await pilot.press("1", "2", "enter")
        await finished(pilot)
        assert value(app, "network.depth") == 12 and app.lab.session.treatment is None
        await pilot.press("x", NAMES["residual"])
        await finished(pilot)
        assert value(app, "network.residual") is True


async def test_the_palette_knows_the_remedies() -> None:
    app = LabApp("chain-sigmoid", DEEP)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        await pilot.press("ctrl+p", *"remedy: normal")
        await worked(pilot)
        assert "Remedy: normalisation, on or off" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.lab)
        await finished(pilot)
        assert value(app, "network.norm") == "batch"
