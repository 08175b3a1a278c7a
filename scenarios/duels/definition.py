"""A duel as its file says it: texts, and the scenario of every panel."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.duels.catalogue import DUELS
from scenarios.errors import ScenarioError, nearest_of
from scenarios.reader import read
from scenarios.scenario import load

if TYPE_CHECKING:
    from scenarios.scenario import Scenario

#: How many scenarios a screen has room for side by side.
FEWEST, MOST = 2, 4
_TEXTS = ("title", "question", "source")
_PANEL_KEYS = ("title", "scenario", "set")


@dataclass(frozen=True)
class Panel:
    """One side of a duel: a short title, and what runs."""

    title: str
    scenario: Scenario


@dataclass(frozen=True)
class Duel:
    """Scenarios to be seen side by side.

    Attributes:
        name: as the catalogue lists it.
        title, question, source: what it shows, in words.
        panels: from left to right.
    """

    name: str
    title: str
    question: str
    source: str
    panels: tuple[Panel, ...]


def load_duel(source: str | Path) -> Duel:
    """The duel called `source` in the catalogue, or in the TOML file at that path.

    A panel names a scenario of the catalogue or a file, and may `set` values of it by dotted key.
    Raises ScenarioError.
    """
    file, shown = DUELS.find(source), str(source)
    document = read(file, shown, DUELS.names())
    for key, value in document.items():
        if key not in (*_TEXTS, "panels"):
            nearest = nearest_of(key, (*_TEXTS, "panels"))
            raise ScenarioError(shown, "unknown key", key=key, nearest=nearest)
        if key in _TEXTS and not isinstance(value, str):
            raise ScenarioError(shown, "must be text", key=key, value=value)
    panels = document.get("panels")
    if not isinstance(panels, list) or not FEWEST <= len(panels) <= MOST:
        allowed = f"must be {FEWEST} to {MOST} tables, each under [[panels]]"
        raise ScenarioError(shown, allowed, key="panels")
    name = os.path.basename(file).removesuffix(".toml")
    number, _, rest = name.partition("-")
    texts = {key: " ".join(str(document.get(key, "")).split()) for key in _TEXTS}
    return Duel(
        name=rest if number.isdigit() and rest else name,
        **texts,
        panels=tuple(_panel(shown, place, table) for place, table in enumerate(panels, 1)),
    )


def _panel(shown: str, place: int, table: object) -> Panel:
    where = f"panels {place}"
    if not isinstance(table, dict):
        raise ScenarioError(shown, "must be a table", key=where, value=table)
    for key, value in table.items():
        if key not in _PANEL_KEYS:
            nearest = nearest_of(key, _PANEL_KEYS)
            raise ScenarioError(shown, "unknown key", key=f"{where}.{key}", nearest=nearest)
        kind, allowed = (dict, "must be a table") if key == "set" else (str, "must be text")
        if not isinstance(value, kind):
            raise ScenarioError(shown, allowed, key=f"{where}.{key}", value=value)
    if "scenario" not in table:
        raise ScenarioError(shown, "must name a scenario", key=f"{where}.scenario")
    scenario = load(table["scenario"], table.get("set"), overrides_source=f"{shown}: {where}.set")
    return Panel(table.get("title", scenario.title), scenario)
