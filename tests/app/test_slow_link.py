"""A link of 64 kbit/s: frames are dropped, keys are answered, nothing piles up anywhere."""

from __future__ import annotations

import os
import select
import statistics
import time
from typing import Any

import psutil
import pytest
from textual._compositor import CompositorUpdate

from scenarios.runner import Run
from scenarios.scenario import load
from scenarios.worker import Frames
from tests.app.pseudoterminal import SCRIPT, PseudoTerminal
from tests.app.support import LabApp, ScriptedWorker, drawn, until
from tui.flow import FIRST_PATIENCE, PATIENCE, QUESTION, Flow
from tui.lab.views import VIEWS

#: Bytes a second.
RATE = 8000
#: What a live picture at 120x40 may cost at the median.
BAR = 6 * 1024


class SlowTerminal(PseudoTerminal):
    """A terminal behind a slow link, whose buffers take in anything (`deep`) or nothing."""

    def __init__(self, command: list[str], *, deep: bool, **options: Any) -> None:
        super().__init__(command, **options)
        self._deep = deep
        self._held = b""
        self._then = time.monotonic()
        self._allowed = 0.0
        self.most_held = 0

    def read(self, seconds: float) -> bool:
        time.sleep(min(seconds, 0.02))
        now = time.monotonic()
        # What was not used is gone: a link does not save up.
        self._allowed = min(self._allowed + RATE * (now - self._then), RATE / 5)
        self._then = now
        alive = self._fill()
        self.most_held = max(self.most_held, len(self._held))
        count = self._whole(int(self._allowed))
        data, self._held = self._held[:count], self._held[count:]
        self._allowed -= len(data)
        self.take_in(data)
        return alive or bool(self._held)

    def catch_up(self) -> None:
        """Read until nothing is on its way, as between two pictures."""
        end = time.monotonic() + 30.0
        self.read(0.02)
        while self._held:
            assert time.monotonic() < end, "pictures pile up"
            self.read(0.02)

    def _fill(self) -> bool:
        wanted = 1 << 20 if self._deep else max(int(self._allowed) - len(self._held), 0)
        while wanted and select.select([self.process.child_fd], [], [], 0)[0]:
            try:
                data = os.read(self.process.child_fd, min(wanted, 1 << 16))
            except OSError:
                return False
            self._held += data
            wanted -= len(data)
        return True

    def _whole(self, count: int) -> int:
        """As many bytes as may come now, without half an escape sequence at the end."""
        if count >= len(self._held):
            return len(self._held)
        escape = self._held.rfind(b"\x1b", max(count - 16, 0), count)
        return count if escape < 0 else escape


@pytest.mark.waits
@pytest.mark.parametrize("deep", [True, False], ids=["deep", "shallow"])
def test_keys_are_answered_and_nothing_piles_up(deep: bool) -> None:
    command = [SCRIPT, "adding-rnn", "--set", "training.steps=1000000"]
    with SlowTerminal(command, deep=deep, size=(200, 60)) as terminal:
        terminal.wait_for("running", "fps", seconds=60.0)
        terminal.catch_up()
        memory = []
        for _ in range(2):
            terminal.most_held = 0
            _watch(terminal, 2.0)
            assert terminal.most_held < BAR
            terminal.press("?")
            terminal.wait_for("what you see", seconds=6.0)
            terminal.press("\x1b")
            terminal.wait_while("what you see", seconds=6.0)
            terminal.catch_up()
            memory.append(_memory(terminal))
        # What a first time brings is there after it.
        assert memory[1] < 1.05 * memory[0] + 4e6
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def _watch(terminal: PseudoTerminal, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        terminal.read(0.02)


def _memory(terminal: PseudoTerminal) -> int:
    return int(psutil.Process(terminal.process.pid).memory_info().rss)


class _CountingApp(LabApp):
    """Knows what it would have sent."""

    sent = 0

    def _display(self, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.sent += len(self.wire.text_of(renderable, self.console).encode())
        super()._display(screen, renderable)


class _FrameByFrame(ScriptedWorker):
    def deliver(self, frame: Any) -> None:
        self._outbox.append(Frames(self._run, [frame]))


@pytest.mark.parametrize("name", ["chain-sigmoid", "cnn-tanh", "rnn-tanh", "indrnn-deep"])
async def test_a_picture_is_small(name: str) -> None:
    changes = {
        "training.steps": 6 * len(VIEWS),
        "training.learning_rate": 0.05,
        "training.clip_norm": 1.0,
    }
    worker = _FrameByFrame(frames=1)
    app = _CountingApp(name, changes, worker=worker)
    async with app.run_test(size=(120, 40)) as pilot:
        await drawn(pilot)
        frames = iter(list(Run(load(name, changes)).frames())[1:])
        for _ in VIEWS:
            sizes = []
            for _, frame in zip(range(6), frames, strict=False):
                app.sent = 0
                worker.deliver(frame)
                await until(pilot, lambda frame=frame: app.lab.session.live.latest is frame)  # type: ignore[misc]
                await pilot.pause()
                sizes.append(app.sent)
            assert 0 < statistics.median(sizes) <= BAR, app.lab._picture.view.title_word
            await pilot.press("v")
            await pilot.pause()


def test_the_next_picture_waits_for_an_answer() -> None:
    now = 0.0
    written: list[str] = []
    flow = Flow(lambda: now)
    flow.sent(written.append)
    assert (written, flow.waiting) == ([QUESTION], True)
    # Drawn while an answer is on its way: asked about when that has come.
    flow.sent(written.append)
    assert len(written) == 1
    flow.answered(written.append)
    assert (len(written), flow.waiting) == (2, True)
    flow.answered(written.append)
    assert (len(written), flow.waiting) == (2, False)
    # An answer that is lost holds things up for a while, not for ever.
    flow.sent(written.append)
    now += PATIENCE
    assert not flow.waiting
    flow.sent(written.append)
    assert len(written) == 4
    flow.close()
    flow.answered(written.append)
    flow.sent(written.append)
    assert (len(written), flow.waiting) == (4, False)


def test_a_terminal_that_never_answers_is_asked_once() -> None:
    now = 0.0
    written: list[str] = []
    flow = Flow(lambda: now)
    flow.sent(written.append)
    now += FIRST_PATIENCE
    assert not flow.waiting
    for _ in range(3):
        flow.sent(written.append)
    assert (len(written), flow.waiting) == (1, False)
    # It was only slow.
    flow.answered(written.append)
    flow.sent(written.append)
    assert (len(written), flow.waiting) == (2, True)
