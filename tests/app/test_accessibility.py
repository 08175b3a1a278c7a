"""Without a mouse, without colour, with other eyes, without motion."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from textual.widget import Widget

from scenarios.duels.catalogue import DUELS
from tests.app.support import CATALOGUE, LabApp, finished, until
from tui.app import NablascopeApp
from tui.duel.screen import DuelScreen
from tui.lab import scale
from tui.lab.controls import Controls
from tui.lab.knobs import knobs_of
from tui.lab.plot import ASCII_MARKERS, LIVE_MARKER, MARKERS
from tui.lab.screen import LabScreen
from tui.learn.screen import LearnScreen
from tui.runs.screen import RunsScreen
from tui.terminal import Colours
from tui.words import sentence

#: Machado, Oliveira & Fernandes 2009, table 1: severity 1, for linear RGB.
BLINDNESSES = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(rgb: str) -> NDArray[np.float64]:
    """SRGB to linear light."""
    values = np.array([int(rgb[place : place + 2], 16) for place in (1, 3, 5)]) / 255.0
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* of linear light, D65."""
    ratio = _XYZ @ np.clip(light, 0.0, 1.0) / _XYZ.sum(axis=1)
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


MIDDLE = len(scale.LEVELS) // 2


@pytest.mark.parametrize("blindness", [*BLINDNESSES, None])
def test_vanishing_and_exploding_stay_apart(blindness: str | None) -> None:
    matrix = np.eye(3) if blindness is None else np.array(BLINDNESSES[blindness])
    seen = [lab(matrix @ linear(level.rgb)) for level in scale.LEVELS]
    for below, above in zip(seen[:MIDDLE], seen[:MIDDLE:-1], strict=True):
        # A just noticeable difference is 2.3; the palest pair is healthy on both sides.
        assert np.linalg.norm(below - above) > 8.0
    # What is not healthy differs from all that is: 3 decades and more from the middle.
    sick = [colour for level, colour in zip(scale.LEVELS, seen, strict=True) if level.low < -3]
    sick += [colour for level, colour in zip(scale.LEVELS, seen, strict=True) if level.low >= 3]
    vanishing, exploding = sick[: len(sick) // 2], sick[len(sick) // 2 :]
    for one, other in zip(vanishing, exploding[::-1], strict=True):
        assert np.linalg.norm(one - other) > 25.0
    for colour in sick:
        assert np.linalg.norm(colour - seen[MIDDLE]) > 15.0


def test_lightness_alone_says_how_far_from_healthy() -> None:
    lightness = [float(lab(linear(level.rgb))[0]) for level in scale.LEVELS]
    assert all(one < other for one, other in pairwise(lightness[: MIDDLE + 1]))
    assert all(one > other for one, other in pairwise(lightness[MIDDLE:]))


def test_without_colour_characters_tell_the_sides_apart() -> None:
    below = {level.character for level in scale.LEVELS if level.low < -3}
    healthy = {level.character for level in scale.LEVELS if -3 <= level.low < 3}
    above = {level.character for level in scale.LEVELS if level.low >= 3}
    special = {scale.character(level) for level in (scale.ZERO, scale.OVERFLOW)}
    together = [*below, *healthy, *above, *special]
    assert len(together) == len(set(together))
    for markers in (MARKERS + LIVE_MARKER, ASCII_MARKERS):
        assert len(set(markers)) == len(markers)


def _own_actions(kind: type[Any]) -> set[str]:
    """Actions of this class and of its parents that are ours."""
    return {
        name.removeprefix("action_")
        for one in kind.__mro__
        if one.__module__.startswith("tui.")
        for name in vars(one)
        if name.startswith("action_")
    }


def _bound(*places: Any) -> set[str]:
    bindings = [b for place in places for b in place._bindings.key_to_bindings.values()]
    return {
        binding.action.partition("(")[0].removeprefix("app.")
        for alternatives in bindings
        for binding in alternatives
    }


async def test_every_action_has_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        bound = _bound(app, app.screen, *app.screen.walk_children(Widget))
        for kind in (NablascopeApp, LabScreen, Controls):
            # The controls' arrows are not bound but read; the next test presses them.
            assert _own_actions(kind) - {"move"} <= bound
        await pilot.press("L")
        await pilot.pause()
        assert isinstance(app.screen, LearnScreen)
        assert _own_actions(LearnScreen) <= _bound(app, app.screen)
        await pilot.press("R")
        await pilot.pause()
        assert isinstance(app.screen, RunsScreen)
        assert _own_actions(RunsScreen) <= _bound(app, app.screen)
        monkeypatch.setattr(DUELS, "folder", CATALOGUE.parent / "duels")
        await pilot.press("D", "enter")
        await until(pilot, lambda: isinstance(app.screen, DuelScreen))
        assert _own_actions(DuelScreen) <= _bound(app, app.screen)


async def test_tab_and_arrows_reach_every_control() -> None:
    app = LabApp()
    async with app.run_test(size=(100, 40)) as pilot:
        await finished(pilot)
        # The timeline and the cursor have the focus while they are in sight, by keys of their own.
        can_focus = {w for w in app.screen.walk_children(Widget) if w.focusable and w.display}
        reached = set()
        for _ in range(2 * len(can_focus)):
            await pilot.press("tab")
            reached.add(app.screen.focused)
        assert reached == can_focus
        # Every setting, not the main ones alone.
        await pilot.press("m")
        controls = app.screen.query_one(Controls)
        while not controls.has_focus:
            await pilot.press("tab")
        await pilot.press("home")
        session = app.lab.session
        wanted = [knob.field.key for knob in knobs_of(session.scenario, session.origin, True)]
        found = []
        for _ in wanted:
            assert controls.highlighted is not None
            found.append(controls.highlighted.field.key)
            await pilot.press("down")
        assert found == wanted


async def test_nothing_moves_by_itself() -> None:
    app = LabApp()
    async with app.run_test() as pilot:
        await finished(pilot)
        assert app.animation_level == "none"
        await pilot.press("?")
        box = app.screen.query_one("#help")
        await pilot.press("pagedown")
        await pilot.pause()
        # There at once, not on the way.
        assert not app.animator.is_being_animated(box, "scroll_y")
        assert box.scroll_y == min(box.size.height, box.max_scroll_y)


@pytest.mark.parametrize("name", ["chain-sigmoid", "rnn-tanh", "mlp-dead", "rnn-overflow"])
async def test_the_screen_can_be_read_aloud(name: str) -> None:
    app = LabApp(name, colours=Colours.NONE, unicode=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        strips = app.screen._compositor.render_strips()
        text = "\n".join("".join(segment.text for segment in strip) for strip in strips)
        assert text.isascii()
        live = app.lab.session.live
        assert live is not None and live.verdict is not None
        words = sentence(live.verdict, live.scenario.run.dtype, "set precision to float64")
        words = words.encode("ascii", "replace").decode()
        badge, _, first = words.partition(": ")
        assert badge in text
        assert " ".join(first.split()[:3]) in re.sub(r"\s+", " ", text)
        for word in ("finished", "loss", "step", "catalogue", "controls", "log10 of"):
            assert word in text
