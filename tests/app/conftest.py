"""The tests' own catalogue, small and settled, in place of the one that grows."""

from __future__ import annotations

import pytest

from tests.app.support import CATALOGUE, SWEEPS


@pytest.fixture(autouse=True)
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.catalogue.FOLDER", CATALOGUE)
    monkeypatch.setattr("scenarios.sweeps.catalogue.SWEEPS.folder", SWEEPS)
    monkeypatch.setattr("tui.lab.screen.FRAME_RATE", 100)
    for name in ("NO_COLOR", "TEXTUAL_THEME", "TEXTUAL_FILTERS", "TEXTUAL_ANIMATIONS"):
        monkeypatch.delenv(name, raising=False)
