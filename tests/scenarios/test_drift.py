"""When weights are measured while a network trains, and what looking at one place leaves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.inspection import Inspection
from scenarios.drift import SHARE, Drift
from scenarios.runner import Run
from scenarios.scenario import load
from scenarios.worker import (
    _PENDING_FRAMES,
    Drifted,
    Ended,
    Frames,
    Inspected,
    Message,
    Worker,
    _Server,
)


class Slow:
    """A clock and a run whose measuring takes a tenth of a second."""

    def __init__(self, steps: int = 100) -> None:
        self.now = 0.0
        self.scenario = SimpleNamespace(training=SimpleNamespace(steps=steps))

    def weight_sizes(self) -> dict[str, Any]:
        self.now += 0.1
        return {}


def test_measuring_takes_its_share_and_no_more() -> None:
    slow = Slow()
    drift: Any = Drift(slow, lambda: slow.now)  # type: ignore[arg-type]
    measured = []
    for step in range(10_000):
        if drift.measure(step) is not None:
            measured.append(step)
        slow.now += 0.01
    assert measured[0] == 0
    share = 0.1 * len(measured) / slow.now
    assert 0.8 * SHARE < share < 1.1 * SHARE
    apart = np.diff(measured)[2:]
    assert apart.max() <= 2 * apart.min()


def test_the_last_step_is_measured_once() -> None:
    slow = Slow()
    drift: Any = Drift(slow, lambda: slow.now)  # type: ignore[arg-type]
    assert drift.measure(0) is not None
    assert drift.measure(7) is None
    assert drift.measure(7, last=True) is not None
    assert drift.measure(7, last=True) is None


def test_what_does_not_train_does_not_drift() -> None:
    slow = Slow(steps=0)
    assert Drift(slow, lambda: slow.now).measure(0, last=True) is None  # type: ignore[arg-type]


def ended(worker: Worker) -> list[Message]:
    got: list[Message] = []
    while not any(isinstance(message, Ended) for message in got):
        got += worker.poll()
    return got


def test_the_worker_measures_from_the_first_step_to_the_last() -> None:
    worker = Worker("thread")
    worker.start(load("rnn-relu", {"training.steps": 30, "task.time_steps": 20}))
    got = ended(worker)
    worker.close()
    steps = [step for m in got if isinstance(m, Drifted) for step, _ in m.sizes]
    assert steps[0] == 0 and steps[-1] == 30 and steps == sorted(set(steps))


def test_looking_at_a_place_between_steps_changes_no_frame() -> None:
    scenario = load("lstm", {"training.steps": 4, "task.time_steps": 12, "run.device": "cpu"})
    plain = [frame.log10_grad_h for frame in Run(scenario).frames()]
    run = Run(scenario)
    for frame, expected in zip(run.frames(), plain, strict=True):
        np.testing.assert_array_equal(frame.log10_grad_h, expected)
        found = run.inspect(1, 6)
        assert found.log10_rms == frame.log10_grad_h[0, 5]
        run.weight_sizes()


def test_the_worker_answers_a_look_and_says_why_it_cannot() -> None:
    worker = Worker("thread")
    run = worker.start(load("rnn-tanh", {"training.steps": 0, "task.time_steps": 8}))
    ended(worker)
    for place in ((1, 3), (1, 99)):
        worker.inspect(*place)
    got: list[Message] = []
    while len(got) < 2:
        got += worker.poll()
    worker.close()
    here, nowhere = got
    assert isinstance(here, Inspected) and isinstance(nowhere, Inspected)
    assert (here.run, here.step, here.layer, here.time_step) == (run, 0, 1, 3)
    assert isinstance(here.found, Inspection) and here.seconds > 0.0
    assert isinstance(nowhere.found, str) and "no layer 1 with a step 99" in nowhere.found


@pytest.mark.parametrize(("room", "most"), [(2**21, _PENDING_FRAMES), (10_000, 25)])
def test_what_nobody_asks_for_does_not_pile_up(
    room: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multiprocessing import Pipe

    monkeypatch.setattr("scenarios.worker._PENDING_BYTES", room)
    near, far = Pipe()
    server = _Server(far)
    server._begin(1, load("chain-sigmoid", {"training.steps": 3000}), False)
    for _ in range(2 * _PENDING_FRAMES + 50):
        server._advance()
    near.close()
    far.close()
    assert len(server._outbox) == 3
    frames = [m for m in server._outbox if isinstance(m, Frames)]
    drifted = [m for m in server._outbox if isinstance(m, Drifted)]
    assert len(frames) == len(drifted) == 1
    waiting = frames[0].frames
    assert (len(waiting), waiting[-1].step) == (most, 2 * _PENDING_FRAMES + 49)
    assert sum(frame.nbytes for frame in waiting) <= room
    assert len(drifted[0].sizes) <= _PENDING_FRAMES
