"""The tests' own catalogue, small and settled, in place of the one that grows."""

from __future__ import annotations

from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet

from tests.app.settling import settled
from tests.app.support import CATALOGUE, SWEEPS

_parse_rules = Stylesheet._parse_rules
_parsed: dict[tuple[Any, ...], Any] = {}


def _parse_rules_once(sheet: Stylesheet, css: str, read_from: Any, **options: Any) -> Any:
    """The same rules for every app of a test run: reading them is a third of opening one."""
    key = (frozenset(sheet._variables.items()), css, read_from, *sorted(options.items()))
    if key not in _parsed:
        _parsed[key] = _parse_rules(sheet, css, read_from, **options)
    return _parsed[key]


@pytest.fixture(autouse=True)
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.catalogue.FOLDER", CATALOGUE)
    monkeypatch.setattr("scenarios.sweeps.catalogue.SWEEPS.folder", SWEEPS)
    monkeypatch.setattr("tui.lab.screen.FRAME_RATE", 100)
    monkeypatch.setattr("textual.app.wait_for_idle", settled)
    monkeypatch.setattr("textual.pilot.wait_for_idle", settled)
    monkeypatch.setattr("textual.css.stylesheet.Stylesheet._parse_rules", _parse_rules_once)
    for name in ("NO_COLOR", "TEXTUAL_THEME", "TEXTUAL_FILTERS", "TEXTUAL_ANIMATIONS"):
        monkeypatch.delenv(name, raising=False)
