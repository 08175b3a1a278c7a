"""What a scenario has otherwise than the catalogue's of the same name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError

if TYPE_CHECKING:
    from scenarios.scenario import Scenario

#: Where a run is computed is no change.
_DEVICE = "run.device"


def original(scenario: Scenario) -> Scenario:
    """The catalogue's scenario of the same name, which it was made of, or itself."""
    from scenarios.catalogue import names
    from scenarios.scenario import load

    return load(scenario.name) if scenario.name in names() else scenario


def changes_between(origin: Scenario, scenario: Scenario) -> list[str]:
    """What was changed about a scenario, as key=value; where it runs is no change."""
    return _changed(origin.values(), scenario.values())


def changes_in_texts() -> Callable[[str], str]:
    """A function that says the same, in one text, of what `Scenario.to_dict` and JSON made a text.

    For many of them: it reads a scenario of the catalogue once, and checks no value. It says
    nothing of a text that cannot be read any more.
    """
    from scenarios.catalogue import names
    from scenarios.reader import split
    from scenarios.scenario import load

    listed = frozenset(names())
    known: dict[str, Mapping[str, object]] = {}

    def changes_in(text: str) -> str:
        try:
            values, texts = split(json.loads(text), "")
        except (ScenarioError, ValueError):
            return ""
        name = texts.get("name", "")
        if name not in listed:
            return ""
        if name not in known:
            known[name] = load(name).values()
        return " ".join(_changed(known[name], values))

    return changes_in


def setting(value: object) -> str:
    """A setting's value as --set takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    return [
        f"{key.rpartition('.')[2]}={setting(value)}"
        for key, value in after.items()
        if before.get(key) != value and key != _DEVICE
    ]
