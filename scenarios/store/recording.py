"""A run on its way into the store: what the store refuses for now waits in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from scenarios.store.errors import StoreError
from scenarios.store.store import PATIENCE

if TYPE_CHECKING:
    from engine.frame import Frame
    from scenarios.runner import Run
    from scenarios.store.store import Store

#: Bytes of frames that wait at most; beyond them the recording gives up.
_MOST_WAITING = 2**28


class Recording:
    """Keeps a run's frames in a store, each committed before `frame` returns.

    A store that cannot take a frame stops no run: `warn` is called with one line, and where waiting
    may help the frame is tried again with the next one, and at the end.

    Attributes:
        complete: whether everything so far is in the store, or may still come to be.
    """

    def __init__(
        self, store: Store, run: Run, warn: Callable[[str], None], *, must: bool = False
    ) -> None:
        """With `must`, raises StoreError where not even the run's beginning can be kept."""
        self._store = store
        self._run = run
        self._warn = warn
        self._run_id: int | None = None
        self._waiting: deque[Frame] = deque()
        self._delayed = False
        self.complete = True
        try:
            self._flush()
        except StoreError as error:
            if must:
                raise
            self._delay(error)

    def frame(self, frame: Frame) -> None:
        """Keep one more frame."""
        if not self.complete:
            return
        self._waiting.append(frame)
        try:
            self._flush()
        except StoreError as error:
            self._delay(error)

    def end(self, last: Frame | None, state: str, error: str | None = None) -> None:
        """There are no more frames: keep what still waits, and how the run ended."""
        if not self.complete:
            return
        try:
            self._store.be_patient(PATIENCE)
            self._store.end_run(self._flush(), last, state, error)
        except StoreError as trouble:
            self._give_up(trouble)

    def _flush(self) -> int:
        if self._run_id is None:
            run = self._run
            self._run_id = self._store.begin_run(run.scenario, run.device, run.versions)
        while self._waiting:
            self._store.add_frame(self._run_id, self._waiting[0])
            self._waiting.popleft()
        if self._delayed:
            self._delayed = False
            self._store.be_patient(PATIENCE)
        return self._run_id

    def _delay(self, error: StoreError) -> None:
        if not error.passing or self._waiting_bytes() > _MOST_WAITING:
            self._give_up(error)
        elif not self._delayed:
            self._delayed = True
            step = self._waiting[0].step if self._waiting else 0
            self._warn(f"{error}; from step {step} on, frames wait in memory")
            # The run must not stand still before every step.
            self._store.be_patient(0.0)

    def _waiting_bytes(self) -> int:
        """Roughly: frames of a run are alike."""
        return len(self._waiting) * (2048 + self._waiting[-1].nbytes) if self._waiting else 0

    def _give_up(self, error: StoreError) -> None:
        self.complete = False
        if self._run_id is None:
            missing = "this run is not stored"
        elif self._waiting:
            missing = f"from step {self._waiting[0].step} on, this run is not stored"
        else:
            missing = "how this run ended is not stored"
        self._warn(f"{error}; {missing}")
        self._waiting.clear()
