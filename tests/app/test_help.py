"""Help: every key of the screen in sight, where a small terminal can show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.app.support import LabApp, finished, until
from tests.app.test_keys import text
from tests.app.test_snapshots import Compare, both_sizes, same_picture
from tui.duel.screen import DuelScreen
from tui.help import HelpScreen, keys_of

__all__ = ["same_picture"]

#: How each screen is come to, what its help begins with, and its keys that must be told of.
SCREENS = [
    pytest.param(
        (), "The Lab", "space n r p P v V c x 1 0 / tab l m b i esc t o h backspace", id="lab"
    ),
    pytest.param(("M",), "The map", "space tab b z Z esc shift+←", id="map"),
    pytest.param(("R",), "The runs", "enter / ← → r p c n d del u e esc", id="runs"),
    pytest.param(("L",), "The lesson", "← → tab space n p c enter o 1 0 esc", id="lesson"),
    pytest.param(("D", "enter"), "The duel", "space n r tab → enter i D esc", id="duel"),
]


@pytest.fixture(autouse=True)
def duels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.duels.catalogue.DUELS.folder", Path(__file__).parent / "duels")


async def gone_to(pilot: Pilot[Any], keys: tuple[str, ...]) -> None:
    app = pilot.app
    assert isinstance(app, LabApp)
    await finished(pilot)
    await pilot.press(*keys)
    if "D" in keys:
        await until(pilot, lambda: isinstance(app.screen, DuelScreen))
        duel = app.screen
        assert isinstance(duel, DuelScreen)
        await until(pilot, lambda: duel.idle and not duel._timer._active.is_set())
    await pilot.pause()


@pytest.mark.parametrize(("keys", "title", "told"), SCREENS)
async def test_every_key_of_the_screen_comes_first_and_on_one_line(
    keys: tuple[str, ...], title: str, told: str
) -> None:
    app = LabApp()
    # As wide as terminals usually are, and high enough to show all of it.
    async with app.run_test(size=(80, 220)) as pilot:
        await gone_to(pilot, keys)
        screen = app.screen
        listed = keys_of(screen)
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        box = app.screen.query_one("#help").content_region
        lines = [line[box.x : box.right].strip() for line in text(app).splitlines()]
        assert lines[box.y] == title == next(iter(listed))
        for rows in listed.values():
            for pressed, words in rows.items():
                assert any(line.endswith(words) for line in lines), (pressed, words)
        mentioned = {key for rows in listed.values() for keys in rows for key in keys.split()}
        assert set(f"{told} ? G M R L D s w q ^p".split()) <= mentioned


@pytest.mark.parametrize(("keys", "title", "told"), SCREENS)
async def test_no_key_that_works_is_left_out(keys: tuple[str, ...], title: str, told: str) -> None:
    app = LabApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await gone_to(pilot, keys)
        listed = {text for rows in keys_of(app.screen).values() for text in rows.values()}
        for focus in ((), ("tab",), ("tab", "tab"), *(() if keys else (("o",), ("h",)))):
            await pilot.press(*focus)
            for active in app.screen.active_bindings.values():
                binding = active.binding
                if binding.description and not binding.system:
                    assert (binding.tooltip or binding.description.capitalize()) in listed


@pytest.mark.parametrize(("keys", "title", "told"), SCREENS)
@pytest.mark.parametrize("width", [60, 80])
async def test_the_line_of_keys_always_leads_to_help(
    keys: tuple[str, ...], title: str, told: str, width: int
) -> None:
    app = LabApp()
    async with app.run_test(size=(width, 24)) as pilot:
        await gone_to(pilot, keys)
        assert "? help" in text(app).splitlines()[-1]


@both_sizes
@pytest.mark.parametrize(("keys", "title", "told"), SCREENS[1:])
def test_pictures(
    same_picture: Compare, size: tuple[int, int], keys: tuple[str, ...], title: str, told: str
) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await gone_to(pilot, keys)
        await pilot.press("question_mark")
        await pilot.pause()

    assert same_picture(LabApp(), terminal_size=size, run_before=steps)
