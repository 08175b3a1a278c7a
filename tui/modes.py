"""The screens that have a key of their own, in the order of the tabs at the top.

Each is made when it is first opened, and kept as it was left while another one is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.app import NablascopeApp

LAB = "lab"
MAP = "map"
RUNS = "runs"
LEARN = "learn"


class Mode(NamedTuple):
    """One of the screens: the title of its tab, its key, what it is for, and how it is made."""

    name: str
    title: str
    key: str
    about: str
    make: Callable[[NablascopeApp], Screen[Any]]


def _lab(app: NablascopeApp) -> Screen[Any]:
    from tui.lab.screen import LabScreen

    return LabScreen(app.first_scenario(), app.size)


def _map(app: NablascopeApp) -> Screen[Any]:
    from tui.map.screen import MapScreen

    return MapScreen(app.lab.scenario, app.size)


def _runs(app: NablascopeApp) -> Screen[Any]:
    from tui.runs.screen import RunsScreen

    return RunsScreen(app.size)


def _learn(app: NablascopeApp) -> Screen[Any]:
    from tui.learn.screen import LearnScreen

    return LearnScreen(app.size)


MODES = (
    Mode(LAB, "Lab", "G", "The gradient lab: one network, live", _lab),
    Mode(MAP, "Map", "M", "A sweep over two settings as a phase diagram", _map),
    Mode(RUNS, "Runs", "R", "What was run: look through it, open, compare, tidy up", _runs),
    Mode(LEARN, "Learn", "L", "The lesson, from the first question on", _learn),
)
