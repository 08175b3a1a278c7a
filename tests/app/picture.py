"""The README's picture, drawn by the app itself: `make picture` writes tests/app/picture.svg."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from scenarios.scenario import Scenario, load
from tests.app.support import LabApp, finished

#: A deep CNN and an RNN, kept in the plot beside an IndRNN: the question in one picture.
PINNED = ("cnn-relu", "rnn-relu-above")
SHOWN = "indrnn"
SIZE = (120, 36)
PICTURE = Path(__file__).with_name("picture.svg")


def as_drawn(name: str) -> Scenario:
    """Before any training, and called so instead of by what that changes about the scenario."""
    return replace(load(name, {"training.steps": 0}), name=f"{name} as drawn")


async def draw() -> str:
    app = LabApp()
    async with app.run_test(size=SIZE) as pilot:
        for name in PINNED:
            app.open_in_lab(as_drawn(name))
            await finished(pilot)
            await pilot.press("p")
        app.open_in_lab(as_drawn(SHOWN))
        await finished(pilot)
        app.clear_notifications()
        await pilot.pause()
        return app.export_screenshot(title="nablascope")


if __name__ == "__main__":
    PICTURE.write_text(asyncio.run(draw()), encoding="utf-8")
    print(f"wrote {PICTURE}")
