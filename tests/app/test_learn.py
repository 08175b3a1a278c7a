"""The Learn screen by keys alone, and what it looks like."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from scenarios.lesson.pages import PAGES
from tests.app.support import LabApp, ScriptedWorker, finished, until, worked
from tests.app.test_keys import text
from tui.lab.screen import LabScreen
from tui.lab.session import State
from tui.learn.screen import LearnScreen
from tui.terminal import Colours

SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((160, 50), id="160x50")]


def lesson(app: LabApp) -> LearnScreen:
    screen = app.screen
    assert isinstance(screen, LearnScreen)
    return screen


async def read(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys, and wait for the page they lead to."""
    app = pilot.app
    assert isinstance(app, LabApp)
    for key in keys:
        await pilot.press(key)
    await pilot.pause()
    await until(pilot, lambda: lesson(app).idle and lesson(app).scenario is not None)
    await pilot.pause()


async def test_opens_at_the_first_page_and_comes_back() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await read(pilot, "L")
        screen = text(app)
        assert "1/12  A convolution is one matrix product" in screen
        assert "Position 13 of 25: the filter covers 6 7 10 11" in screen
        assert "< 6< 7>" in screen
        await pilot.press("escape")
        assert isinstance(app.screen, LabScreen)


async def test_keys_lead_to_every_screen_and_each_stays_as_it_was() -> None:
    app = LabApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await finished(pilot)
        await pilot.press("v")
        assert "[G Lab] " in text(app).splitlines()[0]
        lab = text(app)
        await read(pilot, "L", "4", "right")
        assert "[L Learn]" in text(app).splitlines()[0] and "[G Lab]" not in text(app)
        await read(pilot, "L")
        assert "layers ◂ 11 ▸" in text(app)
        await pilot.press("G")
        await pilot.pause()
        assert text(app) == lab
        await read(pilot, "L")
        assert "layers ◂ 11 ▸" in text(app)
        # A dialogue has the keys to itself.
        await pilot.press("c", "G")
        assert app.current_mode == "learn"


async def test_a_run_goes_on_unseen() -> None:
    worker = ScriptedWorker(frames=2)
    app = LabApp(worker=worker)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.lab.session.live is not None)
        await read(pilot, "L")
        worker.end()
        await pilot.pause(0.05)
        assert app.lab.session.state is State.RUNNING
        await pilot.press("escape")
        await until(pilot, lambda: app.lab.session.state is State.FINISHED)


async def test_walking_through_the_positions_lights_up_columns() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await read(pilot, "L", "left", "left")
        assert "Position 11 of 25: the filter covers 0 5 0 9" in text(app)
        await read(pilot, "shift+right")
        assert "Position 21 of 25" in text(app)
        await read(pilot, "shift+right")
        assert "Position 25 of 25: the filter covers 16 0 0 0" in text(app)
        await read(pilot, "backspace")
        assert "Position 13 of 25" in text(app)


async def test_tab_takes_the_next_knob() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await read(pilot, "L", "tab", "right")
        assert "filter ◂ row ▸" in text(app)
        await read(pilot, "shift+tab", "shift+tab")
        assert "stride ◂ 1 ▸" in text(app)


async def test_space_reads_the_whole_lesson() -> None:
    app = LabApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await read(pilot, "L")
        seen = []
        for _ in range(100):
            number = text(app).split("/12")[0].split()[-1]
            if number not in seen:
                seen.append(number)
            if app._notifications:
                break
            await read(pilot, "space")
        assert seen == [str(number) for number in range(1, len(PAGES) + 1)]


async def test_pages_turn_and_remember_their_knobs() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await read(pilot, "L", "4", "right", "right")
        assert "layers ◂ 12 ▸" in text(app)
        assert "0.25^12" in text(app)
        await read(pilot, "n")
        assert "5/12" in text(app)
        await read(pilot, "p")
        assert "layers ◂ 12 ▸" in text(app)
        await pilot.press("escape")
        await read(pilot, "L")
        assert "4/12" in text(app)
        assert "layers ◂ 12 ▸" in text(app)
        await read(pilot, "0")
        assert "10/12" in text(app)


async def test_the_lesson_has_two_ends() -> None:
    app = LabApp()
    async with app.run_test(notifications=True) as pilot:
        await read(pilot, "L")
        await pilot.press("p")
        await until(pilot, lambda: "This is the first page" in text(app))


async def test_contents() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await read(pilot, "L")
        await pilot.press("c")
        assert "Hinton's IRNN" in text(app)
        await pilot.press("end", "enter")
        await read(pilot)
        assert "12/12  The answer" in text(app)


async def test_scrolling() -> None:
    app = LabApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await read(pilot, "L")
        assert "From: Chellapilla" not in text(app)
        await pilot.press("end")
        assert "From: Chellapilla" in text(app)
        await pilot.press("home")
        assert "A convolution slides" in text(app)
        await pilot.press("down", "down")
        assert "A convolution slides" not in text(app)
        await pilot.press("pagedown", "pageup", "up", "up")
        assert "A convolution slides" in text(app)


async def test_a_page_runs_in_the_lab() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await read(pilot, "L", "4", "right")
        await pilot.press("o")
        await finished(pilot)
        assert isinstance(app.screen, LabScreen)
        scenario = app.lab.session.scenario
        assert scenario.network.depth == 11
        assert "Lesson: a chain of slopes" in text(app)
        live = app.lab.session.live
        assert live is not None and live.latest is not None
        # The page's own numbers, to the last bit: it is the same run.
        page = PAGES[3]
        again = page.read(page.settings({"layers": 11})).numbers["decades"]
        assert live.latest.log10_grad_a is not None
        measured = live.latest.log10_grad_a[0, 0] - live.latest.log10_grad_h[-1, 0]
        assert measured == pytest.approx(again, abs=1e-12)


async def test_the_palette_opens_pages_and_scenarios_from_anywhere() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("ctrl+p", *"page 9")
        await worked(pilot)
        assert "Page 9: IndRNN" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LearnScreen))
        await read(pilot)
        assert "9/12" in text(app)
        await pilot.press("ctrl+p", *"run rnn-tanh")
        await worked(pilot)
        assert "Run RNN" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        await finished(pilot)
        assert app.lab.session.scenario.name == "rnn-tanh"


async def test_what_is_saved_is_the_pages(tmp_path: Path) -> None:
    app = LabApp(folder=tmp_path)
    async with app.run_test() as pilot:
        await read(pilot, "L", "6")
        await pilot.press("s", "w")
        await pilot.pause()
    assert (tmp_path / "learn-rnn.svg").exists()
    written = tomllib.loads((tmp_path / "learn-rnn.toml").read_text())
    assert written["network"]["kind"] == "rnn"


async def test_keys_answer_while_a_page_is_computed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from threading import Event

    go_on = Event()
    computed: list[object] = []
    original = LearnScreen._compute

    def slow(screen: LearnScreen, page: Any, settings: Any) -> None:
        computed.append(dict(settings))
        assert go_on.wait(10)
        original(screen, page, settings)

    monkeypatch.setattr(LearnScreen, "_compute", slow)
    app = LabApp(folder=tmp_path)
    async with app.run_test(notifications=True) as pilot:
        await pilot.press("L")
        await until(pilot, lambda: len(computed) == 1)
        await pilot.press("w")
        await until(pilot, lambda: "no scenario here to write yet" in " ".join(text(app).split()))
        assert not list(tmp_path.iterdir())
        await pilot.press(*["right"] * 5)
        assert "position ◂ 18 ▸" in text(app)
        assert "computing" in text(app)
        go_on.set()
        await read(pilot)
        assert "Position 18 of 25" in text(app)
        # The first and the last: what lay between was never worth computing.
        assert [settings["position"] for settings in computed] == [13, 18]  # type: ignore[index]


async def test_help_knows_the_lesson() -> None:
    app = LabApp()
    async with app.run_test(size=(100, 130)) as pilot:
        await pilot.press("L", "question_mark")
        await pilot.pause()
        assert "Why gradients vanish and explode, a page at a time" in text(app)


def picture(compare: Callable[..., bool], app: LabApp, size: tuple[int, int], *keys: str) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await read(pilot, "L", *keys)

    assert compare(app, terminal_size=size, run_before=steps)
    assert app._exception is None


def quiet(**options: Any) -> LabApp:
    return LabApp(worker=ScriptedWorker(frames=0), **options)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", ["im2col", "chain-rule", "sigmoid", "rnn", "cnn", "indrnn"])
def test_pages(snap_compare: Callable[..., bool], page: str, size: tuple[int, int]) -> None:
    number = next(number for number, p in enumerate(PAGES, 1) if p.name == page)
    picture(snap_compare, quiet(), size, str(number))


@pytest.mark.parametrize("size", SIZES)
def test_last_page(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    picture(snap_compare, quiet(), size, "0", "n", "n")


def test_smallest(snap_compare: Callable[..., bool]) -> None:
    picture(snap_compare, quiet(), (60, 20), "6")


def test_sixteen_colours(snap_compare: Callable[..., bool]) -> None:
    picture(snap_compare, quiet(colours=Colours.SIXTEEN), (80, 24), "3")


def test_no_colour_no_unicode(
    snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    picture(snap_compare, quiet(colours=None, unicode=False), (80, 24), "6")


def test_light(snap_compare: Callable[..., bool]) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        pilot.app.theme = "nablascope-light"
        await read(pilot, "L", "6")

    assert snap_compare(quiet(), terminal_size=(120, 40), run_before=steps)


def test_contents_picture(snap_compare: Callable[..., bool]) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await read(pilot, "L", "6")
        await pilot.press("c")
        await pilot.pause()

    assert snap_compare(quiet(), terminal_size=(80, 24), run_before=steps)
