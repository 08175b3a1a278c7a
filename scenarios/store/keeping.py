"""Which runs of the app are kept, and when they are written.

A run is kept once nothing has taken its place for KEPT_AFTER seconds, or once it was pinned; and
when the app goes, however it goes, if it has trained a step. What is replaced sooner, as by every
turn of a control, leaves no trace. Until a run is kept its frames wait in memory; from then on each
is written as soon as it is there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.events import divergence
from scenarios.store.errors import StoreError
from scenarios.store.place import default_path

if TYPE_CHECKING:
    from engine.frame import Frame
    from scenarios.runner import Run
    from scenarios.store.recording import Recording
    from scenarios.store.store import Store

#: Seconds after which a run that is still the one shown is kept.
KEPT_AFTER = 2.0
#: Seconds to wait for another program that holds the store, while a key may be waiting.
_PATIENCE = 0.5


@dataclass(eq=False)
class _Tape:
    """A run on its way into the store, or to oblivion."""

    run: Run
    began: float
    kept: bool = False
    waiting: deque[Frame] = field(default_factory=deque)
    last: Frame | None = None
    end: tuple[str, str | None] | None = None
    recording: Recording | None = None
    over: bool = False


class Keeping:
    """Runs one after the other, some of them kept; writes a little at a time, when it is told to.

    Args:
        path: the store, made with the first run that is kept; None for none.
        warn: called with a line where something cannot be stored.
        clock: seconds.
    """

    def __init__(
        self,
        path: Path | None,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._warn, self._clock = path, warn, clock
        self._store: Store | None = None
        self._given_up = path is None
        self._current: _Tape | None = None
        self._replaced: deque[_Tape] = deque()

    def begin(self, run: Run) -> None:
        """A run takes the place of the one before."""
        self.replace()
        self._current = _Tape(run, self._clock())

    def frame(self, frame: Frame) -> None:
        """One more frame of it."""
        if self._current is not None and not self._given_up:
            self._current.waiting.append(frame)
            self._current.last = frame

    def end(self, error: str | None = None) -> None:
        """It has come to its end, or failed."""
        if self._current is not None:
            last = self._current.last
            diverged = last is not None and divergence(last) is not None
            state = "failed" if error else "diverged" if diverged else "done"
            self._current.end = (state, error)

    def keep(self) -> None:
        """It is to be kept, whatever becomes of it."""
        if self._current is not None:
            self._current.kept = True

    def replace(self) -> None:
        """Nothing more comes of it; something else is shown."""
        self._grow_old()
        tape, self._current = self._current, None
        if tape is not None and tape.kept:
            tape.end = tape.end or ("interrupted", None)
            self._replaced.append(tape)

    @property
    def due(self) -> float | None:
        """Seconds until there is something to write; None where nothing will be, unasked."""
        if self._given_up:
            return None
        if self._replaced:
            return 0.0
        tape = self._current
        if tape is None or (tape.kept and not self._unwritten(tape)):
            return None
        return 0.0 if tape.kept else max(tape.began + KEPT_AFTER - self._clock(), 0.0)

    def work(self, seconds: float) -> None:
        """Write for so long, roughly: one frame at least, if there is any to write."""
        self._grow_old()
        deadline = self._clock() + seconds
        while self._replaced and self._written(self._replaced[0], deadline):
            self._replaced.popleft()
        if self._current is not None and self._current.kept and not self._replaced:
            self._written(self._current, deadline)

    def close(self) -> None:
        """The app has gone: write all that is to be kept."""
        if self._current is not None and self._current.last is not None:
            self._current.kept |= self._current.last.step > 0
        self.replace()
        self.work(float("inf"))
        if self._store is not None:
            self._store.close()

    def _grow_old(self) -> None:
        tape = self._current
        if tape is not None and self._clock() - tape.began >= KEPT_AFTER:
            tape.kept = True

    def _unwritten(self, tape: _Tape) -> bool:
        return bool(tape.waiting) or (tape.end is not None and not tape.over)

    def _written(self, tape: _Tape, deadline: float) -> bool:
        """Write of a run what there is time for. True if nothing of it is left."""
        if not self._unwritten(tape):
            return True
        recording = tape.recording = tape.recording or self._recorded(tape.run)
        if recording is None:
            tape.waiting.clear()
            return True
        while tape.waiting:
            recording.frame(tape.waiting.popleft())
            if self._clock() >= deadline:
                return False
        if tape.end is not None and not tape.over:
            tape.over = True
            recording.end(tape.last, *tape.end)
        return True

    def _recorded(self, run: Run) -> Recording | None:
        """What writes a run; None where nothing can be."""
        if self._given_up:
            return None
        from scenarios.store.recording import Recording

        if self._store is None:
            from scenarios.store.store import Store

            try:
                # The folder of the user's own store is made with it. A large file takes too long
                # to check while a key may be waiting.
                path = None if self._path == default_path() else self._path
                self._store = Store.open(path, patience=_PATIENCE, check=False)
            except StoreError as error:
                self._given_up = True
                self._warn(f"{error}; the app's runs are not stored")
                return None
        return Recording(self._store, run, self._warn)
