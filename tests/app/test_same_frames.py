"""The app shows what a headless run computes: frame by frame, byte by byte."""

from __future__ import annotations

import pytest

from engine.frame import Frame
from scenarios.events import frame_event, to_json
from scenarios.runner import Run
from scenarios.scenario import load
from tests.app.support import LabApp, finished


def lines(frames: list[Frame]) -> list[str]:
    """JSON lines without the one field that is a time."""
    return [to_json({**frame_event(frame), "seconds": None}) for frame in frames]


@pytest.mark.parametrize("mode", ["thread", "process"])
@pytest.mark.parametrize("name", ["chain-sigmoid", "mlp-dead", "indrnn-deep", "rnn-overflow"])
async def test_frames_are_those_of_a_headless_run(name: str, mode: str) -> None:
    received: list[Frame] = []
    app = LabApp(name, worker_mode=mode, received=received.append)
    async with app.run_test() as pilot:
        await finished(pilot)
    headless = list(Run(load(name)).frames())
    assert lines(received) == lines(headless)
    assert len(headless) == load(name).training.steps + 1
