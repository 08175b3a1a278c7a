"""Duels: several scenarios side by side, by keys alone, and their pictures."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.command import CommandList
from textual.pilot import Pilot
from textual.widgets import OptionList

from scenarios.duels.catalogue import DUELS
from tests.app.support import LabApp, ScriptedWorker, finished, until
from tests.app.test_keys import text
from tests.app.test_snapshots import Compare, both_sizes, same_picture
from tui.duel.legend import DuelLegend
from tui.duel.panel import DuelPanel
from tui.duel.screen import DuelScreen
from tui.duel.verdict import DuelVerdict
from tui.lab.about import AboutScreen
from tui.lab.caption import Caption
from tui.lab.session import State
from tui.terminal import Colours

__all__ = ["same_picture"]


@pytest.fixture(autouse=True)
def duels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own."""
    monkeypatch.setattr(DUELS, "folder", Path(__file__).parent / "duels")


def duel_of(app: Any) -> DuelScreen:
    assert isinstance(app.screen, DuelScreen)
    return app.screen


async def opened(pilot: Pilot[Any], name: str = "three") -> DuelScreen:
    """Open a duel by its key, and wait until all of it is over."""
    app = pilot.app
    assert isinstance(app, LabApp)
    await finished(pilot)
    await pilot.press("D")
    await pilot.press(*["down"] * DUELS.names().index(name), "enter")
    await until(pilot, lambda: isinstance(app.screen, DuelScreen))
    screen = duel_of(app)
    await until(pilot, lambda: screen.idle and not screen._timer._active.is_set())
    await pilot.pause()
    return screen


def lines(panel: DuelPanel) -> str:
    """A panel's verdict as a person reads it."""
    strips = panel.query_one(DuelVerdict)._strips
    return " ".join(" ".join(segment.text for segment in strip) for strip in strips)


@pytest.mark.parametrize("size", [(80, 24), (160, 50), (60, 20)])
async def test_each_panel_has_its_verdict_and_all_have_the_same_axes(size: tuple[int, int]) -> None:
    app = LabApp()
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        panels = list(screen.query(DuelPanel))
        verdicts = [lines(panel).split()[0] for panel in panels]
        assert verdicts == ["vanishing", *verdicts[1:2], "exploding"]
        shared = {panel.plot._shared for panel in panels}
        assert len(shared) == 1
        ((low, high), span) = shared.pop() or ((0, 0), 0)
        assert low <= -9 and high >= 25 and span == 40
        labels = [[strip.text[:7] for strip in panel.plot._strips] for panel in panels]
        assert labels[0] == labels[1] == labels[2] and any("20 ┤" in row for row in labels[0])
        for panel in panels:
            assert panel.content_size.width >= 18 and panel.plot.content_size.height >= 5
        screen_text = text(app)
        assert all(title in screen_text for title in ("sigmoids", "tanh over", "too large"))


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (100, 30), (160, 50)])
@pytest.mark.parametrize("name", ["three", "four"])
async def test_no_number_of_a_verdict_is_cut_off(name: str, size: tuple[int, int]) -> None:
    app = LabApp()
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, name)
        for panel in screen.query(DuelPanel):
            run = panel.session.live
            assert run is not None and run.latest is not None
            # As wide as these numbers get.
            run.scenario = run.scenario.with_changes({"training.steps": 100_000})
            run.latest = replace(run.latest, step=99_999, loss=1.234e-05)
            verdict = panel.query_one(DuelVerdict)
            strips = verdict.draw(verdict.content_size)
            told, *_, numbers = (strip.text.rstrip() for strip in strips)
            assert re.fullmatch(r" loss 1.234e-05(  step 99999(/100000)?)?", numbers), numbers
            decades = run.judged(run.latest).decades
            assert decades is None or told.split()[1].strip(",") == f"{decades:+.1f}"


async def test_the_question_in_full_and_what_the_lines_are(tmp_path: Path) -> None:
    app = LabApp(folder=tmp_path)
    async with app.run_test(size=(60, 20)) as pilot:
        screen = await opened(pilot)
        question = screen._duel.question
        long = " ".join([question] * 3)
        screen.query_one(Caption).show("", long)
        await pilot.pause()
        shown = " ".join(text(app).split())
        assert long not in shown and "…" in shown
        await pilot.press("i")
        await pilot.pause()
        assert isinstance(app.screen, AboutScreen)
        assert question.split()[-1] in text(app) and "too large: " in text(app)
        await pilot.press("escape")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert all(
            words in text(app) for words in ("now", "before training", "at step 0", "? help")
        )


async def test_without_colours_the_chosen_panel_and_every_line_are_told_apart() -> None:
    app = LabApp(colours=Colours.NONE, unicode=False)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        panels = list(screen.query(DuelPanel))
        for chosen in range(3):
            marked = [str(panel.plot.border_title).startswith("▸") for panel in panels]
            assert [place for place, one in enumerate(marked) if one] == [chosen]
            await pilot.press("right")
        legend = screen.query_one(DuelLegend)
        signs = re.findall(
            r"(\S+|- -) (?=now|before|bound|theory|3 decades)", legend.draw(legend.size)[0].text
        )
        assert len(signs) == len(set(signs)) == 4


async def test_what_is_saved_is_the_chosen_panels(tmp_path: Path) -> None:
    app = LabApp(folder=tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("right", "s", "w")
        await pilot.pause()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["duel-three.svg", "rnn-tanh-time_steps-10.toml"]


class Scripted(LabApp):
    """Every panel has a worker that does as it is told, and notes it."""

    def make_worker(self) -> Any:
        self.engines = [*getattr(self, "engines", []), ScriptedWorker(frames=2)]
        return self.engines[-1]


async def test_all_are_paused_stepped_and_begun_together() -> None:
    app = Scripted()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.open_duel("three")
        await until(pilot, lambda: isinstance(app.screen, DuelScreen))
        screen = duel_of(app)
        await until(pilot, lambda: screen.state is State.RUNNING)
        await pilot.press("space", "n", "space", "space", "r")
        for panel, worker in zip(screen.query(DuelPanel), app.engines[1:], strict=True):
            assert worker.told == [*("start", "pause", "step 1", "resume", "pause", "start paused")]
            assert panel.session.state is State.PAUSED
        assert "paused" in text(app)
        await pilot.pause()
        assert "space go on " in text(app).splitlines()[-1]
        # One that is over stays as it is while others can still be paused.
        await pilot.press("space")
        app.engines[1].end()
        await until(pilot, lambda: screen.query(DuelPanel).first().session.idle)
        assert screen.state is State.RUNNING
        await pilot.pause()
        assert "space pause " in text(app).splitlines()[-1]
        await pilot.press("space")
        assert [worker.told[-1] for worker in app.engines[1:]] == ["resume", "pause", "pause"]
        # Those that left the dtype in training are over as well, if not as they should be.
        for worker in app.engines[2:]:
            worker.end({"step": 1, "layer": 1, "time_step": 1})
        await until(pilot, lambda: screen.idle)
        await pilot.pause()
        assert screen.state is State.FINISHED
        assert "space rerun " in text(app).splitlines()[-1]
        await pilot.press("space")
        for worker in app.engines[1:]:
            worker.end({"step": 1, "layer": 1, "time_step": 1})
        await until(pilot, lambda: screen.state is State.DIVERGED)
    assert all(worker.closed for worker in app.engines)


async def test_going_on_with_one_in_the_lab() -> None:
    app = LabApp()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        await pilot.press("right")
        assert screen.scenario.name == "rnn-tanh"
        await pilot.press("left", "left")
        assert screen.scenario.name == "rnn-relu-above"
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: app.screen is app.lab)
        scenario = app.lab.session.scenario
        assert (scenario.name, scenario.task.time_steps) == ("rnn-tanh", 10)
        assert not screen.is_attached


async def test_back_and_another() -> None:
    app = LabApp()
    async with app.run_test(size=(120, 40)) as pilot:
        first = await opened(pilot)
        await pilot.press("D", "down", "enter")
        await until(pilot, lambda: app.screen is not first and isinstance(app.screen, DuelScreen))
        assert "Two at once" in text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.lab)
        # From another screen it comes back to that one.
        await pilot.press("L", "D", "enter")
        await until(pilot, lambda: isinstance(app.screen, DuelScreen))
        await pilot.press("G")
        await until(pilot, lambda: app.screen is app.lab)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, DuelScreen))
        await pilot.press("escape")
        await until(pilot, lambda: app.current_mode == "learn" and len(app.screen_stack) == 1)


async def test_the_palette_knows_them() -> None:
    app = LabApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        await pilot.press("ctrl+p", *"two at")
        found = app.screen.query_one(CommandList)
        await until(pilot, lambda: "Duel: Two at once" in str(found.highlighted_option.prompt))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DuelScreen))
        assert duel_of(app).label == "duel-two"


async def test_a_broken_one_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(DUELS, "folder", tmp_path)
    (tmp_path / "010-bad.toml").write_text('title = "Bad"\npanels = 3\n')
    app = LabApp()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await finished(pilot)
        await pilot.press("D")
        assert app.screen.query_one(OptionList).option_count == 1
        await pilot.press("enter")
        await until(pilot, lambda: "must be 2 to 4 tables" in " ".join(text(app).split()))
        assert app.screen is app.lab


# Pictures


def shows(name: str, theme: str = "nablascope") -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def steps(pilot: Pilot[Any]) -> None:
        pilot.app.theme = theme
        await opened(pilot, name)

    return steps


@both_sizes
@pytest.mark.parametrize("theme", ["nablascope", "nablascope-light"])
def test_three(same_picture: Compare, size: tuple[int, int], theme: str) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=shows("three", theme))


@both_sizes
@pytest.mark.parametrize("name", ["two", "four"])
def test_others(same_picture: Compare, size: tuple[int, int], name: str) -> None:
    assert same_picture(LabApp(), terminal_size=size, run_before=shows(name))


def test_three_in_sixteen_colours(same_picture: Compare) -> None:
    app = LabApp(colours=Colours.SIXTEEN)
    steps = shows("three", "nablascope-ansi")
    assert same_picture(app, terminal_size=(80, 24), run_before=steps)


def test_three_in_ascii(same_picture: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = LabApp(colours=None, unicode=False)
    steps = shows("three", "nablascope-ansi")
    assert same_picture(app, terminal_size=(80, 24), run_before=steps)
