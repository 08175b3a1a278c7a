"""Triage, inspect, history and the views of training, by keys alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import DataTable

from engine.inspection import Inspection
from engine.stretches import badness, stretches
from scenarios.runner import Run
from scenarios.scenario import load
from tests.app.support import LabApp, ScriptedWorker, drawn, finished, until
from tests.app.test_keys import text
from tui.lab.axis import LooseRange, ticks
from tui.lab.compare import CompareView
from tui.lab.history import (
    FEWEST_FRAMES,
    KEPT_BYTES,
    LOSS_BINS,
    FrameHistory,
    LossCurve,
    Thinned,
)
from tui.lab.inspection import InspectionView
from tui.lab.live import LiveRun
from tui.lab.loss import LossView
from tui.lab.timeline import Timeline
from tui.lab.triage import TriageScreen
from tui.lab.views import VIEWS
from tui.words import half_life

TRAINED = {"training.steps": 12, "training.learning_rate": 0.01}
ADDING = {"task.name": "adding", "training.evaluate_every": 4, **TRAINED}


def live_of(app: LabApp) -> LiveRun:
    live = app.lab.session.live
    assert live is not None
    return live


async def inspected(pilot: Pilot[Any]) -> Inspection:
    """Wait until the place under the cursor has been looked at."""
    app = pilot.app
    assert isinstance(app, LabApp)
    live = live_of(app)
    assert live.latest is not None
    at = live.latest.step
    await until(pilot, lambda: live.inspected_at == (at, *live.cursor) and not live.computing)
    await pilot.pause()
    assert isinstance(live.inspected, Inspection)
    return live.inspected


# Triage


async def test_triage_lists_the_worst_first_and_enter_goes_there() -> None:
    app = LabApp("indrnn-deep", TRAINED)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        frame = live_of(app).latest
        assert frame is not None
        expected = max(stretches(frame), key=badness)
        await pilot.press("t")
        assert isinstance(app.screen, TriageScreen)
        table = app.screen.query_one(DataTable)
        assert table.row_count == len(stretches(frame))
        first = str(table.get_row_at(0)[1])
        assert first.startswith(("halves every", "doubles every"))
        await pilot.press("enter")
        found = await inspected(pilot)
        assert (found.layer, found.step) == live_of(app).cursor == expected.at
        assert isinstance(app.screen.focused, InspectionView)


async def test_triage_sorts_in_other_ways_and_escape_leaves_things_as_they_were() -> None:
    app = LabApp("rnn-tanh", TRAINED)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        before = app.screen.focused
        await pilot.press("t")
        screen = app.screen
        assert isinstance(screen, TriageScreen)
        rates = [abs(s.decades_per_hop) for s in screen._stretches]
        assert rates == sorted(rates, reverse=True)
        await pilot.press("s")
        sizes = [abs(s.decades) for s in screen._stretches]
        assert sizes == sorted(sizes, reverse=True)
        await pilot.press("s")
        places = [s.near for s in screen._stretches]
        assert places == sorted(places, reverse=True)
        assert "from the loss on" in text(app)
        await pilot.press("escape")
        assert app.screen is app.lab and app.screen.focused is before


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("mlp-dead", {}, "lost altogether"),
        ("rnn-relu-above", {"training.steps": 0}, "doubles every"),
        ("rnn-tanh", {"network.kind": "lstm"}, "∂L/∂c"),
    ],
)
async def test_triage_in_words(name: str, changes: dict[str, object], words: str) -> None:
    app = LabApp(name, changes)
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("t")
        await pilot.pause()
        assert words in text(app)


DEEP = {"network.depth": 2, "training.steps": 0, "task.time_steps": 100}


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (160, 50)])
@pytest.mark.parametrize("kind", ["rnn", "indrnn", "lstm", "gru"])
async def test_triage_never_cuts_off_who_did_it(kind: str, size: tuple[int, int]) -> None:
    app = LabApp("rnn-tanh", {**DEEP, "network.kind": kind})
    async with app.run_test(size=size) as pilot:
        await finished(pilot)
        await pilot.press("t")
        await pilot.pause()
        table = app.screen.query_one(DataTable)
        assert table.max_scroll_x == 0 and not table.show_horizontal_scrollbar
        assert str(table.get_row_at(0)[3]) in text(app)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("rnn-overflow", {}, "the forward pass overflowed"),
        ("chain-sigmoid", {"network.depth": 1}, "there is no hop"),
    ],
)
async def test_nothing_to_sort(name: str, changes: dict[str, object], words: str) -> None:
    app = LabApp(name, changes)
    async with app.run_test(notifications=True) as pilot:
        await finished(pilot)
        await pilot.press("t")
        await pilot.pause()
        assert app.screen is app.lab and words in text(app)


@pytest.mark.parametrize(
    ("hops", "words"),
    [
        (3.14, "halves every 3.1 steps"),
        (1.0, "halves every step"),
        (-12.4, "doubles every 12 steps"),
        (1234.5, "halves every 1,234 steps"),
        (0.25, "halves every 0.25 steps"),
        (0.0, "lost altogether"),
        (math.inf, "keeps its size"),
        (math.nan, "nothing left"),
    ],
)
def test_half_lives_in_words(hops: float, words: str) -> None:
    assert half_life(hops, "step") == words


@pytest.mark.parametrize(
    ("hops", "words"),
    [(3.14, "x0.5 in 3.1"), (-1234.5, "x2 in 1,234"), (0.0, "lost altogether")],
)
def test_half_lives_in_brief(hops: float, words: str) -> None:
    assert half_life(hops, "step", brief=True) == words


# Inspect


async def test_the_cursor_moves_over_steps_and_layers() -> None:
    app = LabApp("indrnn-deep", {"training.steps": 0})
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        live = live_of(app)
        depth, span = live.scenario.network.depth, live.span
        await pilot.press("o")
        assert live.cursor == (depth, 1)
        seen = []
        for key in ("right", "right", "left", "down", "up", "up", "end", "shift+left", "home"):
            await pilot.press(key)
            seen.append(live.cursor)
        tenth = round(span / 10)
        assert seen == [
            (depth, 2),
            (depth, 3),
            (depth, 2),
            (depth - 1, 2),
            (depth, 2),
            (depth, 2),
            (depth, span),
            (depth, span - tenth),
            (depth, 1),
        ]
        await pilot.press("right", "down")
        found = await inspected(pilot)
        assert (found.layer, found.step) == (depth - 1, 2)
        screen = text(app)
        assert f"layer {depth - 1} of {depth}, step 2 of {span}" in screen
        assert "┃" in screen and f"{found.gradients.count:,} gradients" in screen
        await pilot.press("escape")
        await pilot.pause()
        assert "inspect:" not in text(app) and "┃" not in text(app)
        assert app.screen.focused is app.lab._catalogue


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("chain-sigmoid", {"network.hidden_size": 6}, ["layer 2 of 10", "phi'", "|W|"]),
        ("cnn-tanh", {}, ["layer 2 of", "|W|"]),
        ("rnn-tanh", {}, ["step 2 of", "phi'", "|U|"]),
        ("indrnn-deep", {}, ["|u|", "phi'"]),
        ("rnn-tanh", {"network.kind": "lstm"}, ["forget", "gates", "|U|"]),
        ("rnn-tanh", {"network.kind": "gru"}, ["update", "gates", "|U|"]),
        ("mlp-dead", {}, ["exactly 0", "dead"]),
    ],
)
@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_every_kind_has_its_facts(
    name: str, changes: dict[str, object], words: list[str], size: tuple[int, int]
) -> None:
    app = LabApp(name, {**changes, "training.steps": 0})
    async with app.run_test(size=size) as pilot:
        await finished(pilot)
        await pilot.press("o", "right")
        found = await inspected(pilot)
        screen = text(app)
        for word in words:
            assert word in screen
        live = live_of(app)
        assert live.frame is not None
        layer, step = live.cursor
        assert found.log10_rms == live.frame.log10_grad_h[layer - 1, step - 1]


async def test_tens_of_thousands_of_decades_fit_beside_the_axis() -> None:
    steep = {"init.recurrent_scale": 1e-6, "task.time_steps": 3000, "training.steps": 0}
    app = LabApp("rnn-tanh", {**steep, "network.hidden_size": 4})
    async with app.run_test(size=(100, 50)) as pilot:
        await finished(pilot)
        assert text(app).count("-10k ┤") == 1
        while app.lab._picture.view.name_id != "culprits":
            await pilot.press("v")
        assert text(app).count("-10k ┤") == 2


async def test_an_overflow_says_that_there_is_nothing() -> None:
    app = LabApp("rnn-overflow")
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("o")
        await until(pilot, lambda: live_of(app).inspected is not None)
        await pilot.pause()
        assert "the forward pass" in " ".join(text(app).split())


async def test_a_moved_cursor_is_looked_at_once_the_last_look_has_come() -> None:
    worker = ScriptedWorker(frames=2)
    app = LabApp("rnn-tanh", worker=worker)
    async with app.run_test() as pilot:
        await drawn(pilot)
        await pilot.press("o")
        await until(pilot, lambda: worker.told[-1] == "inspect 1 1")
        await pilot.press("right", "right")
        await pilot.pause(0.1)
        assert worker.told[-1] == "inspect 1 1"
        worker.inspected(1, 1, 1, "nothing")
        await until(pilot, lambda: worker.told[-1] == "inspect 1 3")
        # The first answer is not shown at a place it is not of.
        assert "nothing" not in text(app)
        worker.inspected(1, 1, 3, "nothing here either")
        await until(pilot, lambda: "nothing here" in text(app))


async def test_inspect_is_no_view_to_come_back_to() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        picture = app.lab._picture
        first = picture.view
        await pilot.press("c", "t", "enter", "o")
        assert isinstance(picture.view, CompareView)
        await pilot.press("c")
        assert picture.view is first
        # Nor does it lead from the table to itself, nor keep the focus out of sight.
        for keys in (
            ("o", "c"),
            ("c", "o", "c"),
            ("o", "escape", "c"),
            ("o", "tab", "escape", "c"),
        ):
            await pilot.press(*keys)
            assert isinstance(picture.view, CompareView), keys
            assert app.screen.focused is app.lab._catalogue, keys
            await pilot.press("c")
            assert picture.view is first, keys
        # Going round passes over it: without its keys nobody could move there.
        seen = []
        for _ in range(len(VIEWS)):
            seen.append(type(picture.view))
            await pilot.press("v")
        assert LossView in seen and InspectionView not in seen


@pytest.mark.parametrize("width", [60, 80, 160])
async def test_no_fact_is_told_by_half(width: int) -> None:
    app = LabApp("rnn-relu-above", {"training.steps": 0})
    async with app.run_test(size=(width, 24)) as pilot:
        await finished(pilot)
        await pilot.press("o", "right")
        found = replace(await inspected(pilot), dead_units=0.141)
        live = live_of(app)
        assert live.frame is not None
        live.frame.zero_fraction[:], live.frame.saturated_fraction[:] = 0.5034, 0.4966
        view = app.lab._picture.view
        assert isinstance(view, InspectionView)
        for facts in (29, 44, 60):
            for height in range(3, 14):
                strips = view._facts(live, live.frame, found, facts, height)
                assert len(strips) <= height
                told = " ".join(" ".join(strip.text for strip in strips).split())
                if "units" in told:
                    assert "zero 50.3%" in told and "49.7%" in told
                if "dead" in told:
                    assert "14.1% of units" in told and not told.endswith("for")


# History


async def test_arrow_keys_go_back_through_the_frames() -> None:
    app = LabApp("rnn-tanh", TRAINED)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        live = live_of(app)
        newest = live.latest
        await pilot.press("h")
        await pilot.pause()
        assert isinstance(app.screen.focused, Timeline) and live.frame is newest
        assert "history: step 12 of 12" in text(app) and "every frame kept" in text(app)
        steps = []
        for key in ("left", "left", "right", "pageup", "home", "right", "pagedown", "pagedown"):
            await pilot.press(key)
            assert live.frame is not None
            steps.append(live.frame.step)
        assert steps == [11, 10, 11, 1, 0, 1, 11, 12]
        await pilot.press("home", "right", "right")
        await pilot.pause()
        shown = live.frame
        assert shown.step == 2
        screen = text(app)
        assert "step 2/12" in screen and f"{shown.loss:.4g}" in screen
        assert live.verdict == live.judged(shown)
        plot = app.lab._picture._plot
        assert plot._run is live and plot._run.frame is shown
        await pilot.press("end")
        await pilot.pause()
        assert live.frame is newest and live.recalled is None
        assert "history:" not in text(app)
        assert app.screen.focused is app.lab._catalogue


async def test_culprits_and_heatmap_show_the_frame_gone_back_to() -> None:
    app = LabApp("indrnn-deep", {**TRAINED, "training.learning_rate": 0.5})
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        view = app.lab._picture.view
        for key in ("", "v"):
            if key:
                await pilot.press(key)
                view = app.lab._picture.view
            await pilot.press("h", "home")
            await pilot.pause()
            before = [list(strip) for strip in view._strips]
            await pilot.press("escape")
            await pilot.pause()
            assert [list(strip) for strip in view._strips] != before


async def test_a_run_that_goes_on_does_not_move_the_picture() -> None:
    app = LabApp("rnn-tanh", {"training.steps": 10_000})
    async with app.run_test() as pilot:
        await drawn(pilot)
        live = live_of(app)
        await until(pilot, lambda: live.latest is not None and live.latest.step > 3)
        await pilot.press("h")
        shown = live.frame
        assert shown is not None and live.latest is not None
        at = shown.step
        await until(pilot, lambda: live.latest is not None and live.latest.step > at + 3)
        assert live.frame is shown
        await pilot.press("left")
        assert live.frame is not None and live.frame.step < at
        await pilot.press("escape")
        assert live.frame is live.latest


async def test_another_run_is_shown_as_it_comes() -> None:
    app = LabApp("rnn-tanh", TRAINED)
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("h", "left", "r")
        await finished(pilot)
        assert live_of(app).recalled is None and "history:" not in text(app)


async def test_inspecting_an_earlier_frame_shows_what_it_holds() -> None:
    app = LabApp("rnn-tanh", TRAINED)
    async with app.run_test(size=(160, 50)) as pilot:
        await finished(pilot)
        await pilot.press("h", "left", "left", "o", "right")
        await pilot.pause()
        live = live_of(app)
        assert live.frame is not None and live.frame.step == 10
        screen = " ".join(text(app).split())
        assert "An earlier frame" in screen and "RMS" in screen
        await pilot.press("escape")
        assert isinstance(app.screen.focused, Timeline)
        await pilot.press("escape")
        assert live.recalled is None


async def test_no_frame_no_history() -> None:
    app = LabApp(worker=ScriptedWorker(frames=None))
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("h", "o", "t")
        await pilot.pause()
        assert "there is no hop yet" in text(app)


# Views of training


async def test_the_loss_has_its_trivial_line_and_what_is_held_out() -> None:
    app = LabApp("rnn-tanh", ADDING)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        await pilot.press("v", "v", "v", "v", "v")
        await pilot.pause()
        live = live_of(app)
        assert app.lab._picture.view.name_id == "loss"
        assert live.held_out.steps == [0, 4, 8, 12]
        screen = text(app)
        assert "always 1: 0.1667" in screen and "held out" in screen and "◆" in screen
        assert f"batch {live.latest.loss:.4g}" in screen if live.latest else False


async def test_views_of_training_are_passed_over_where_there_is_none() -> None:
    app = LabApp("rnn-tanh", {"training.steps": 0})
    async with app.run_test() as pilot:
        await finished(pilot)
        seen = []
        for _ in range(5):
            await pilot.press("v")
            seen.append(app.lab._picture.view.name_id)
        assert not {"loss", "drift", "training-heatmap"} & set(seen)
        assert seen[-1] == "heatmap"


async def test_a_view_of_training_that_is_in_sight_says_why_it_is_empty() -> None:
    app = LabApp("rnn-tanh", TRAINED)
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("v", "v", "v", "v", "v")
        for _ in range(3):
            app.lab.change("training.steps", 0)
            await finished(pilot)
            name = app.lab._picture.view.name_id
            if name != "training-heatmap":
                assert "does not train" in text(app)
            app.lab.change("training.steps", 5)
            await finished(pilot)
            await pilot.press("v")


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "rnn-tanh",
            {},
            ["spectral radius", "largest singular value", "drift: size of U over training"],
        ),
        (
            "indrnn-deep",
            {},
            ["smallest", "median", "2^(1/T)", "drift: size of u over training, layer 4"],
        ),
        (
            "rnn-tanh",
            {"network.kind": "lstm"},
            ["largest singular value of U by gate over", "■ i", "○ o"],
        ),
        (
            "chain-sigmoid",
            {"network.hidden_size": 8},
            ["weight scale of all layers over training", "median"],
        ),
    ],
)
async def test_drift_of_every_kind(name: str, changes: dict[str, object], words: list[str]) -> None:
    app = LabApp(name, {**changes, **TRAINED})
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        while app.lab._picture.view.name_id != "drift":
            await pilot.press("v")
        await pilot.pause()
        screen = text(app)
        for word in words:
            assert word in screen
        live = live_of(app)
        assert live.latest is not None
        steps = live.drift.steps
        assert steps[0] == 0 and steps[-1] == live.latest.step


async def test_the_training_heatmap_is_of_the_layer_that_is_judged() -> None:
    vanishing = {"init.recurrent_lower": 0.1, "init.recurrent_upper": 0.7}
    app = LabApp("indrnn-deep", {**TRAINED, "init.scheme": "recurrent_range", **vanishing})
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        while app.lab._picture.view.name_id != "training-heatmap":
            await pilot.press("v")
        await pilot.pause()
        assert "time step x training step, layer 4 of 4" in text(app)
        above = [list(strip) for strip in app.lab._picture.view._strips]
        await pilot.press("l")
        await pilot.pause()
        assert "layer 3 of 4" in text(app)
        assert [list(strip) for strip in app.lab._picture.view._strips] != above


# What is kept


@given(st.integers(2, 60), st.integers(1, 2000))
def test_thinning_keeps_the_first_and_even_gaps(most: int, steps: int) -> None:
    kept: Thinned[int] = Thinned(most)
    for step in range(steps):
        kept.add(step, step)
    assert len(kept) <= most and kept.items == kept.steps
    assert kept.steps[0] == 0 and steps - 1 - kept.steps[-1] < kept.stride
    gaps = set(np.diff(kept.steps).tolist())
    assert len(gaps) <= 1 and all(gap == kept.stride for gap in gaps)
    for step in range(0, steps, 7):
        nearest = max(s for s in kept.steps if s <= step)
        assert kept.steps[kept.index_at(step)] == nearest


def test_frames_are_kept_within_bounds() -> None:
    (frame,) = Run(load("rnn-tanh", {"training.steps": 0, "task.time_steps": 500})).frames()
    history = FrameHistory()
    history.add(0, frame)
    assert history.most * frame.nbytes <= KEPT_BYTES
    assert frame.nbytes == sum(
        field.nbytes
        for field in (
            frame.log10_grad_h,
            frame.log10_grad_a,
            frame.activation_rms,
            frame.zero_fraction,
            frame.saturated_fraction,
        )
        if field is not None
    )


def test_a_few_frames_are_kept_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.lab.history.KEPT_BYTES", 1)
    history = FrameHistory()
    for frame in Run(load("rnn-tanh", {"training.steps": 3 * FEWEST_FRAMES})).frames():
        history.add(frame.step, frame)
    assert history.most == FEWEST_FRAMES
    assert FEWEST_FRAMES / 2 <= len(history) <= FEWEST_FRAMES


@given(st.lists(st.floats(1e-8, 1e8), min_size=1, max_size=300), st.integers(1, 40))
def test_the_loss_curve_is_the_lowest_and_highest_of_every_bin(
    losses: list[float], bins: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tui.lab.history.LOSS_BINS", bins)
        curve = LossCurve()
        for step, loss in enumerate(losses):
            curve.add(step, loss)
    assert len(curve.low) <= bins
    logs = [math.log10(loss) for loss in losses]
    for place, (low, high) in enumerate(zip(curve.low, curve.high, strict=True)):
        part = logs[place * curve.per_bin : (place + 1) * curve.per_bin]
        assert (low, high) == (min(part), max(part))


def test_a_loss_without_a_logarithm_leaves_a_gap() -> None:
    curve = LossCurve()
    for step, loss in enumerate([1.0, 0.0, math.nan, math.inf, 100.0]):
        curve.add(step, loss)
    values = curve.values(9)
    assert len(values) == 20 and curve.newest == 4
    np.testing.assert_array_equal(np.isnan(values[::2]), [0, 1, 1, 1, 0, 1, 1, 1, 1, 1])
    assert values[0] == values[1] == 0.0 and values[8] == values[9] == 2.0
    assert LOSS_BINS >= 1000


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(0, 5)), min_size=1, max_size=20))
def test_a_loose_range_holds_what_came(spans: list[tuple[float, float]]) -> None:
    loose = LooseRange()
    for low, size in spans:
        before = loose.limits
        loose.include(low, low + size, 0.5)
        bottom, top = loose.limits
        assert bottom <= low and low + size <= top and top - bottom >= 0.5 - 1e-9
        if before[0] < before[1]:
            assert bottom <= before[0] and before[1] <= top


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(1, 50))
def test_ticks_stand_where_their_numbers_are(low: float, size: float, height: int) -> None:
    labels = ticks(low, low + size, height)
    assert len(labels) >= min(height, 2)
    for row, label in labels.items():
        assert 0 <= row < height
        value = float(label)
        upper = low + size - size / height * row
        assert upper - size / height * 1.01 - 1e-6 <= value <= upper + size / height * 0.01 + 1e-6


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (160, 50)], ids=str)
async def test_small_bars_stand_beside_a_scale(size: tuple[int, int]) -> None:
    app = LabApp("indrnn-deep", {"training.steps": 0, "network.depth": 1})
    async with app.run_test(size=size) as pilot:
        await finished(pilot)
        await pilot.press("v")
        await pilot.pause()
        lines = ["".join(segment.text for segment in s) for s in app.lab._picture.view._strips]
        labels = [line.split("┤")[0].strip() for line in lines if "┤" in line]
        assert "0" in labels and len(labels) > 1
        assert all(float(label) for label in labels if label != "0")


async def test_a_stored_run_says_that_its_weights_are_gone() -> None:
    scenario = load("rnn-tanh", {"training.steps": 0})
    frames = list(Run(scenario).frames())
    app = LabApp()
    async with app.run_test(size=(160, 50)) as pilot:
        await finished(pilot)
        app.lab.show_stored(scenario, frames, "stored")
        await pilot.press("o", "right")
        await pilot.pause()
        assert "keeps no weights" in " ".join(text(app).split())
        assert "RMS" in text(app)
