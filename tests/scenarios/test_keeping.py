"""Which of the app's runs are stored: by the rule, by hand, and through the engine's process."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scenarios.scenario import load
from scenarios.store.history import History
from scenarios.store.keeping import KEPT_AFTER, Keeping
from scenarios.worker import Ended, Message, NotStored, Worker
from tests.scenarios.test_store import SMALL, lock, plain, small_run


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def keeping(path: Path, clock: Clock, lines: list[str]) -> Iterator[Keeping]:
    keeping = Keeping(path, lines.append, clock)
    yield keeping
    keeping.close()


def play(keeping: Keeping, name: str = "rnn-tanh", steps: int | None = None) -> None:
    """A run and so many of its frames, or all of them and its end."""
    run = small_run(name)
    keeping.begin(run)
    for frame in run.frames():
        if steps is not None and frame.step > steps:
            return
        keeping.frame(frame)
    keeping.end()


def stored(path: Path) -> list[tuple[object, ...]]:
    return plain(
        path,
        "SELECT name, state, (SELECT count(*) FROM frames WHERE run_id = id) FROM runs ORDER BY id",
    )


def test_what_is_replaced_at_once_leaves_no_trace(
    keeping: Keeping, path: Path, clock: Clock
) -> None:
    for _ in range(5):
        play(keeping)
        clock.now += 0.3
        keeping.work(1.0)
    assert not path.exists()


def test_what_stays_is_kept(keeping: Keeping, path: Path, clock: Clock) -> None:
    play(keeping)
    keeping.work(1.0)
    assert keeping.due == KEPT_AFTER and not path.exists()
    clock.now += KEPT_AFTER
    assert keeping.due == 0.0
    keeping.work(1.0)
    assert stored(path) == [("rnn-tanh", "done", 4)]
    assert keeping.due is None


def test_a_run_going_on_is_written_frame_by_frame(
    keeping: Keeping, path: Path, clock: Clock
) -> None:
    play(keeping, steps=1)
    clock.now += KEPT_AFTER
    keeping.work(1.0)
    assert stored(path) == [("rnn-tanh", "running", 2)]
    keeping.frame(list(small_run().frames())[2])
    assert keeping.due == 0.0
    keeping.work(1.0)
    assert stored(path) == [("rnn-tanh", "running", 3)]
    play(keeping, "rnn-relu")
    keeping.work(1.0)
    assert stored(path) == [("rnn-tanh", "interrupted", 3)]


def test_what_is_pinned_is_kept_at_once(keeping: Keeping, path: Path) -> None:
    play(keeping)
    keeping.keep()
    keeping.work(1.0)
    play(keeping, "rnn-relu")
    keeping.work(1.0)
    assert stored(path) == [("rnn-tanh", "done", 4)]


def test_a_little_at_a_time(keeping: Keeping, path: Path) -> None:
    play(keeping)
    keeping.keep()
    for count in range(1, 5):
        keeping.work(0.0)
        assert stored(path)[0][2] == count
    assert stored(path)[0][1] == "running" and keeping.due == 0.0
    # What is left of it is written while another runs.
    play(keeping, "rnn-relu")
    keeping.work(0.0)
    assert stored(path) == [("rnn-tanh", "done", 4)]


def test_leaving_keeps_what_has_trained(path: Path, clock: Clock, lines: list[str]) -> None:
    for steps in (0, 1):
        keeping = Keeping(path, lines.append, clock)
        play(keeping, steps=steps)
        keeping.close()
    assert stored(path) == [("rnn-tanh", "interrupted", 2)]


def test_a_failure_is_kept_as_one(keeping: Keeping, path: Path, clock: Clock) -> None:
    play(keeping, steps=1)
    keeping.end("out of memory")
    clock.now += KEPT_AFTER
    keeping.work(1.0)
    assert plain(path, "SELECT state, error FROM runs") == [("failed", "out of memory")]


def test_nothing_is_kept_without_a_store(lines: list[str], clock: Clock) -> None:
    keeping = Keeping(None, lines.append, clock)
    play(keeping)
    clock.now += KEPT_AFTER
    keeping.work(1.0)
    keeping.close()
    assert lines == [] and keeping.due is None


def test_a_store_that_does_not_work_is_told_of_once(
    tmp_path: Path, lines: list[str], clock: Clock
) -> None:
    keeping = Keeping(tmp_path / "no" / "runs.sqlite", lines.append, clock)
    for _ in range(2):
        play(keeping)
        keeping.keep()
        keeping.work(1.0)
    keeping.close()
    assert len(lines) == 1 and lines[0].endswith("; the app's runs are not stored")
    assert keeping.due is None


# Through the engine's process


def worker_on(path: Path) -> Worker:
    return Worker("process", path)


def heard(worker: Worker, enough: Callable[[Message], bool], seconds: float = 30.0) -> None:
    """Wait for a message."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if any(enough(message) for message in worker.poll()):
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def waited(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def count(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'frames'").fetchone()[0]
        return db.execute("SELECT count(*) FROM frames").fetchone()[0] if found else 0


def test_quitting_stores_what_has_trained(path: Path) -> None:
    worker = worker_on(path)
    worker.start(load("rnn-tanh", SMALL))
    heard(worker, lambda message: isinstance(message, Ended))
    worker.close()
    assert stored(path) == [("rnn-tanh", "done", 4)]


def test_a_pin_is_stored_while_it_is_looked_at(path: Path) -> None:
    worker = worker_on(path)
    worker.start(load("rnn-tanh", SMALL))
    heard(worker, lambda message: isinstance(message, Ended))
    worker.keep()
    waited(lambda: count(path) == 4)
    worker.foretell(load("rnn-relu", SMALL))
    worker.close()
    assert stored(path) == [("rnn-tanh", "done", 4)]


def test_a_locked_store_is_told_of(path: Path) -> None:
    with History.open(path):
        pass
    worker = worker_on(path)
    with closing(lock(path)):
        worker.start(load("rnn-tanh", SMALL))
        heard(worker, lambda message: isinstance(message, Ended))
        worker.keep()
        heard(worker, lambda message: isinstance(message, NotStored))
    worker.close()


_APP = """
import sys, time
from pathlib import Path
from scenarios.scenario import load
from scenarios.worker import Frames, Worker
worker = Worker("process", Path(sys.argv[1]))
worker.start(load("rnn-tanh", {"run.device": "cpu", "training.steps": 100000}))
while True:
    for message in worker.poll():
        if isinstance(message, Frames):
            print(message.frames[-1].step, flush=True)
    time.sleep(0.01)
"""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_however_the_app_ends_no_step_that_was_shown_is_lost(
    path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _APP, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as app:
        assert app.stdout is not None
        shown = 0
        while shown < 3:
            shown = int(app.stdout.readline())
        app.send_signal(number)
        rest = app.stdout.read().split()
    shown = max([shown, *map(int, rest)])
    waited(lambda: count(path) and [row[1] for row in stored(path)] == ["interrupted"])
    ((_, _, frames),) = stored(path)
    assert isinstance(frames, int) and frames > shown
    steps = [step for (step,) in plain(path, "SELECT step FROM frames ORDER BY step")]
    assert steps == list(range(frames))
