"""Theory in the Lab: the dashed line, how far it is off, and why it is missing where it is."""

from __future__ import annotations

import pytest

from scenarios.predictions import predict
from scenarios.scenario import load
from scenarios.worker import Drifted, Ended, Frames, Message, Predicted, Started, Worker
from tests.app.support import LabApp, finished
from tests.app.test_keys import text
from tui.lab.canvas import dashed
from tui.lab.live import LiveRun
from tui.lab.plot import LIVE_MARKER
from tui.terminal import Colours
from tui.theory_words import compared, curve_names

WIDE = {"network.hidden_size": 64, "network.depth": 40, "training.steps": 0}


def live(app: LabApp) -> LiveRun:
    run = app.lab.session.live
    assert run is not None
    return run


async def test_the_line_starts_at_the_loss_and_the_verdict_says_how_far_apart() -> None:
    app = LabApp("chain-sigmoid", WIDE | {"init.scheme": "gaussian"})
    async with app.run_test(size=(90, 24)) as pilot:
        await finished(pilot)
        run = live(app)
        assert run.theory is not None and run.latest is not None
        measured = run.profile(run.latest)
        assert run.theory[-1] == pytest.approx(measured[-1])
        apart = (measured[0] - measured[-1]) - (run.theory[0] - run.theory[-1])
        screen = text(app)
        assert "╍╍ theory (mean field)" in screen
        assert f"{abs(apart):.1f} decades apart (spread" in screen
        assert "at step 0" not in screen


async def test_after_an_update_the_theory_is_about_step_0_and_says_so() -> None:
    app = LabApp("chain-sigmoid", WIDE | {"init.scheme": "gaussian", "training.steps": 2})
    async with app.run_test(size=(160, 50)) as pilot:
        await finished(pilot)
        screen = text(app)
        assert "theory (mean field) at step 0" in screen
        assert "no theory of trained weights; at step 0 theory 10^" in screen


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("cnn-tanh", {}, "no theory: zero padding lowers"),
        ("chain-sigmoid", {"init.scheme": "gaussian"}, "no theory: 1 unit is too few"),
        ("chain-sigmoid", WIDE | {"network.norm": "batch"}, "no theory: batch normalisation"),
        ("chain-sigmoid", WIDE | {"network.residual": True}, "no theory: residual connections"),
    ],
)
async def test_where_its_assumptions_fail_it_is_not_drawn(
    name: str, changes: dict[str, object], words: str
) -> None:
    app = LabApp(name, changes)
    async with app.run_test(size=(100, 30)) as pilot:
        await finished(pilot)
        assert live(app).theory is None
        screen = text(app)
        assert words in screen and "╍╍" not in screen
        await pilot.press("i")
        await pilot.pause()
        reason = live(app).theory_silence
        assert reason is not None
        assert f"None: {reason[:40]}" in " ".join(text(app).split())


async def test_only_the_last_layer_has_a_theory() -> None:
    app = LabApp("indrnn-deep")
    async with app.run_test(size=(100, 30)) as pilot:
        await finished(pilot)
        assert "╍╍ bound" in text(app)
        await pilot.press("l")
        await pilot.pause()
        screen = text(app)
        assert "╍╍" not in screen and "no theory: layers below the last" in screen


async def test_a_bound_far_away_leaves_the_measured_curve_its_room() -> None:
    changes = {"network.kind": "lstm", "init.forget_bias": -100.0, "training.steps": 0}
    app = LabApp("rnn-tanh", changes)
    async with app.run_test() as pilot:
        await finished(pilot)
        plot = app.lab._picture._plot
        low, high = plot._limits(live(app))
        own_low, own_high = live(app).y_range.limits
        assert high - low <= 3.5 * (own_high - own_low)
        assert "forget path" in text(app)


async def test_ascii_dashes_are_dashes() -> None:
    app = LabApp("rnn-tanh", {"network.kind": "lstm", "training.steps": 0}, unicode=False)
    async with app.run_test(size=(160, 50)) as pilot:
        await finished(pilot)
        plot = app.lab._picture._plot
        rows = ["".join(s.text for s in strip)[8:] for strip in plot._strips]
        assert any(row.count("-") > 1 and "╌" not in row for row in rows)


def test_dashes_have_gaps_along_the_longer_way() -> None:
    level = dashed(["..........", "          "], 3, 2)
    assert level == ["...  ...  ", "          "]
    steep = dashed([".", ".", ".", ".", ".", "."], 3, 2)
    assert steep == [".", ".", ".", " ", " ", "."]
    assert dashed(["  "], 3, 2) == ["  "]


def answers(worker: Worker, until: type[Message]) -> list[Message]:
    got: list[Message] = []
    while not any(isinstance(message, until) for message in got):
        got += worker.poll()
    return got


@pytest.mark.parametrize("steps", [0, 3])
def test_the_engine_predicts_once_after_the_first_frame(steps: int) -> None:
    worker = Worker("thread")
    scenario = load("chain-sigmoid", {"training.steps": steps})
    worker.start(scenario)
    got = answers(worker, Ended)
    worker.close()
    kinds = [type(message) for message in got]
    assert kinds[0] is Started and kinds[1] is Frames and kinds[-1] is Ended
    assert kinds.count(Predicted) == 1
    (found,) = [message for message in got if isinstance(message, Predicted)]
    assert found.prediction == predict(scenario)


def test_a_run_on_hold_is_predicted_too() -> None:
    worker = Worker("thread")
    worker.start(load("chain-sigmoid"), paused=True)
    assert [type(m) for m in answers(worker, Predicted)] == [Started, Frames, Drifted, Predicted]
    worker.close()


def test_words_get_shorter() -> None:
    from engine.theory import Comparison

    cases = [
        Comparison("rnn", "prediction", 99, 99, -62.07, -62.91, 0.39),
        Comparison("rnn", "prediction", 42, 99, -0.4, -0.5, None),
        Comparison("indrnn", "bound", 99, 99, 0.06, -23.92, 0.04),
        Comparison("irnn", "bound", 99, 99, 2.5, 2.46, None),
        Comparison("lstm", "path", 99, 99, -13.47, -1.95, None),
        Comparison("gru", "path", 99, 99, -13.47, -14.0, None),
    ]
    full = [
        "theory 10^-62.1: 0.8 decades apart (spread 0.4)",
        "theory 10^-0.4 over the 42 of 99 hops nearest the loss: 0.1 decades apart",
        "bound 10^0.1: the gradient lies 24.0 decades below it",
        "bound 10^2.5: the gradient lies on it",
        "forget path 10^-13.5: other paths add 11.5 decades",
        "update path 10^-13.5: the gradient lies 0.5 decades below it",
    ]
    for case, words in zip(cases, full, strict=True):
        now, later = compared(case), compared(case, trained=True)
        assert now[0] == words
        assert later[0] == f"no theory of trained weights; at step 0 {words}"
        for wordings in (now, later):
            assert wordings == sorted(wordings, key=len, reverse=True)
    # Beside the catalogue at 80 columns.
    short = next(words for words in compared(cases[1], trained=True) if len(words) <= 46)
    assert short == "at step 0 theory 10^-0.4 in 42 hops: 0.1 apart"
    nothing = Comparison("rnn", "prediction", 9, 9, -1.0, None, 0.1)
    assert "nothing measured" in compared(nothing)[0]
    assert compared(Comparison("indrnn", "bound", 0, 0, 0.0, 0.0, None)) == []


def test_curves_are_named_for_what_they_are_worth() -> None:
    names = {
        name: curve_names(predict(load(name)))
        for name in ("mlp-dead", "indrnn-deep", "rnn-tanh", "chain-sigmoid")
    }
    assert names["rnn-tanh"] == ["theory (mean field)", "theory"]
    assert names["indrnn-deep"] == names["chain-sigmoid"] == ["bound"]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
async def test_theory_and_culprits_give_a_path_one_name(kind: str) -> None:
    app = LabApp("rnn-tanh", {"network.kind": kind, "training.steps": 0})
    async with app.run_test(size=(160, 50)) as pilot:
        await finished(pilot)
        run = live(app)
        assert run.prediction is not None and run.frame is not None
        (curve,) = curve_names(run.prediction)
        found = run.frame.culprits
        assert found is not None and curve == next(iter(found.parts))
        assert f"╍╍ {curve}" in text(app) and f"{curve} 10^" in text(app)


@pytest.mark.parametrize("colours", [Colours.NONE, Colours.MANY])
async def test_without_colour_the_measured_curve_has_its_marker(colours: Colours) -> None:
    app = LabApp("rnn-tanh", {"task.time_steps": 100}, colours=colours)
    async with app.run_test(size=(100, 30)) as pilot:
        await finished(pilot)
        marked = text(app).count(LIVE_MARKER)
        assert marked > 3 if colours == Colours.NONE else marked == 0
