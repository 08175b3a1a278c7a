"""What the engine beside the app is told right after a start."""

from __future__ import annotations

import os
import signal
import time

from scenarios.scenario import load
from scenarios.worker import Ended, Frames, Predicted, Worker
from tests.scenarios.test_keeping import heard

LONG = {"training.steps": 100_000}


def shown(worker: Worker) -> list[int]:
    """The steps of the frames that arrive until the prediction does, and for a while after."""
    steps: list[int] = []
    end, predicted = time.monotonic() + 30.0, False
    while time.monotonic() < end:
        for message in worker.poll():
            if isinstance(message, Frames):
                steps += [frame.step for frame in message.frames]
            elif isinstance(message, Predicted):
                end = min(end, time.monotonic() + 0.2)
                predicted = True
        time.sleep(0.01)
    assert predicted
    return steps


def test_a_run_that_is_paused_before_its_first_frame_shows_it_and_waits() -> None:
    # A process of its own is told of both before it has come up.
    worker = Worker("process")
    worker.start(load("chain-sigmoid", LONG))
    worker.pause()
    assert shown(worker) == [0]
    worker.step()
    heard(worker, lambda m: isinstance(m, Frames) and m.frames[-1].step == 1)
    worker.close()


def test_an_engine_that_takes_the_place_of_a_busy_one_is_told_of_the_pause() -> None:
    worker = Worker("process")
    worker.start(load("chain-sigmoid", {"training.steps": 0}))
    heard(worker, lambda message: isinstance(message, Ended))
    assert worker._process is not None
    busy = worker._process._popen.pid
    os.kill(busy, signal.SIGSTOP)
    worker.start(load("chain-sigmoid", LONG))
    worker.pause()
    assert shown(worker) == [0]
    assert worker._process._popen.pid != busy
    worker.close()
