"""The README's picture, drawn by the app itself: `make picture` writes tests/app/picture.svg."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scenarios.scenario import load
from tests.app.support import LabApp, finished

#: A deep CNN and an RNN, kept in the plot beside an IndRNN: the question in one picture.
PINNED = ("cnn-relu", "rnn-relu-above")
SHOWN = "indrnn"
AS_DRAWN = {"training.steps": 0}
SIZE = (120, 36)
PICTURE = Path(__file__).with_name("picture.svg")


async def draw() -> str:
    app = LabApp(PINNED[0], AS_DRAWN)
    async with app.run_test(size=SIZE) as pilot:
        for name in PINNED:
            app.open_in_lab(load(name, AS_DRAWN))
            await finished(pilot)
            await pilot.press("p")
        app.open_in_lab(load(SHOWN, AS_DRAWN))
        await finished(pilot)
        app.clear_notifications()
        await pilot.pause()
        return app.export_screenshot(title="nablascope")


if __name__ == "__main__":
    PICTURE.write_text(asyncio.run(draw()), encoding="utf-8")
    print(f"wrote {PICTURE}")
