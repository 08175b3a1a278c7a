"""The engine beside the app: runs in a process of its own and hands over frames when asked.

A process, because the Python parts of a time loop hold the interpreter's lock: with a thread, a key
waits for them (tests/benchmarks/app_latency.py measures both). The same loop also runs in a thread,
for tests. Frames are handed over on request and dropped at the source, oldest first, when nobody
asks: a slow screen slows nothing and fills no queue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scenarios.messages import Drifted as Drifted
from scenarios.messages import Ended as Ended
from scenarios.messages import Failed as Failed
from scenarios.messages import Frames as Frames
from scenarios.messages import Inspected as Inspected
from scenarios.messages import Jacobian as Jacobian
from scenarios.messages import Message as Message
from scenarios.messages import NotStored as NotStored
from scenarios.messages import Pending as Pending
from scenarios.messages import Predicted as Predicted
from scenarios.messages import Started as Started
from scenarios.messages import Weights as Weights
from scenarios.processes import Process, ending, serving
from scenarios.store.keeping import Keeping

if TYPE_CHECKING:
    from engine.frame import Frame
    from engine.theory import Prediction
    from scenarios.drift import Drift
    from scenarios.runner import Run
    from scenarios.scenario import Scenario

#: Frames kept for a reader that does not ask for them, and what they may take together.
_PENDING_FRAMES, _PENDING_BYTES = 256, 2 * 2**20

_ENGINE_PROCESS = serving("scenarios.worker")

#: Seconds that the engine may write to the store between two commands, and while it is left.
_WRITING, _FAREWELL = 0.02, 1.0

#: Seconds a busy engine process may take to notice a new run before it is replaced.
_GRACE = 0.3


class Worker:
    """The app's end. All methods return at once.

    Args:
        mode: "process" keeps keys quick; "thread" spares tests a process.
        store: the run store to keep runs in (`scenarios.store.keeping`), None for none.
    """

    def __init__(
        self, mode: Literal["process", "thread"] = "process", store: Path | None = None
    ) -> None:
        self._mode = mode
        self._store = () if store is None else (str(store),)
        self._run = 0
        # The last start and what was told after it, until the engine has noticed.
        self._unnoticed: list[tuple[Any, ...]] = []
        self._asked_at = 0.0
        self._accepted = True
        self._ever_accepted = False
        self._pulled = False
        self._process: Process | None = None
        self._connection = self._open()

    def _open(self) -> Connection:
        if self._mode == "thread":
            ours, theirs = Pipe()
            threading.Thread(target=serve, args=(theirs, *self._store), daemon=True).start()
            return ours
        self._process = Process(_ENGINE_PROCESS, *self._store, threads=None, session=True)
        return self._process.connection

    def fileno(self) -> int:
        """A descriptor that is readable when `poll` has something. Changes after a failure."""
        return self._connection.fileno()

    def start(self, scenario: Scenario, *, paused: bool = False) -> int:
        """Run `scenario` in place of whatever ran, and return the run's number.

        A paused run shows step 0 and waits.
        """
        return self._replace("start", scenario, paused)

    def foretell(self, scenario: Scenario) -> int:
        """Ask what theory says of `scenario`, in place of whatever ran, and return its number."""
        return self._replace("foretell", scenario)

    def _replace(self, what: str, *wanted: object) -> int:
        self._run += 1
        self._unnoticed = []
        self._asked_at = time.monotonic()
        self._accepted = False
        self._tell(what, self._run, *wanted)
        return self._run

    def keep(self) -> None:
        """Have the run stored, however short it is."""
        self._tell("keep", self._run)

    def pause(self) -> None:
        """Hold the run after the step it is at."""
        self._tell("pause")

    def resume(self) -> None:
        """Go on with a run on hold."""
        self._tell("resume")

    def step(self, count: int = 1) -> None:
        """Let a run on hold do `count` more steps."""
        self._tell("step", count)

    def jacobian(self) -> None:
        """Ask for the Jacobian's singular values, at the step that the run is at then."""
        self._send(("jacobian", self._run))

    def weights(self, layer: int) -> None:
        """Ask for a layer's recurrent weights, at the step that the run is at then."""
        self._send(("weights", self._run, layer))

    def inspect(self, layer: int, time_step: int) -> None:
        """Ask for one place in full, at the step that the run is at then."""
        self._send(("inspect", self._run, layer, time_step))

    def poll(self) -> list[Message]:
        """What has arrived since the last call; asks for more."""
        messages: list[Message] = []
        try:
            while self._connection.poll():
                received = self._connection.recv()
                if isinstance(received, int):
                    self._accepted |= received == self._run
                    self._ever_accepted = True
                else:
                    self._pulled = False
                    messages += received
        except (EOFError, OSError):
            messages.append(Failed(self._run, self._obituary(), None))
            self._reopen()
            return messages
        late = time.monotonic() - self._asked_at > _GRACE
        if not self._accepted and self._ever_accepted and late and self._process is not None:
            # A step of many seconds is under way: what it computes is not wanted any more.
            self._reopen()
            for command in self._unnoticed:
                self._send(command)
        if not self._pulled:
            self._pulled = True
            self._send(("pull",))
        return [m for m in messages if m.run == self._run or isinstance(m, NotStored)]

    def leave(self) -> None:
        """Tell the engine that nobody listens any more; `close` waits for it to end."""
        self._connection.close()

    def close(self) -> None:
        """Stop the engine and wait for its process to end."""
        self.leave()
        if self._process is not None:
            # It ends by itself, after the step it is at, and stores what is to be kept.
            self._process.end(_FAREWELL if self._store else 0.0)

    def _tell(self, *command: Any) -> None:
        """Send what an engine that takes this one's place has to know too."""
        if not self._accepted:
            self._unnoticed.append(command)
        self._send(command)

    def _send(self, command: tuple[Any, ...]) -> None:
        try:
            self._connection.send(command)
        except OSError:
            # The engine is gone; the next poll finds out, says so and opens another.
            self._pulled = False

    def _reopen(self) -> None:
        self._connection.close()
        if self._process is not None:
            self._process.end()
        self._pulled = self._ever_accepted = False
        self._connection = self._open()

    def _obituary(self) -> str:
        code = 0 if self._process is None else self._process.end(patience=None)
        ended = f"ended with code {code}" if code >= 0 else f"was ended by {ending(code)}"
        return f"the engine process {ended}; change a setting to start another"


class _Server:
    """The engine's end: one run at a time, commands between any two frames."""

    def __init__(self, connection: Connection, store: Path | None = None) -> None:
        self._connection = connection
        self._keeping = Keeping(store, self._not_stored)
        self._run = 0
        self._prepared: Run | None = None
        self._frames: Iterator[Frame] | None = None
        self._last: Frame | None = None
        self._scenario: Scenario | None = None
        self._prediction: Prediction | None = None
        self._drift: Drift | None = None
        self._paused = False
        self._steps = 0
        self._outbox: list[Message] = []
        self._wanted = False

    def loop(self) -> None:
        """Serve for ever. Raises EOFError or OSError once the app's end has closed."""
        try:
            self._serve()
        finally:
            self._keeping.close()

    def _serve(self) -> None:
        while True:
            busy = self._frames is not None and (not self._paused or self._steps > 0)
            if self._connection.poll(0.0 if busy else self._keeping.due):
                self._obey(self._connection.recv())
            elif busy:
                self._advance()
            self._keeping.work(_WRITING)
            if self._wanted and self._outbox:
                self._connection.send(self._outbox)
                self._outbox, self._wanted = [], False
            if self._last is not None and not self._outbox:
                # The first frame has gone out, so nobody waits for it any more.
                self._predict()

    def _obey(self, command: tuple[Any, ...]) -> None:
        match command:
            case ("start", run, scenario, paused):
                self._connection.send(run)
                self._begin(run, scenario, paused)
            case ("foretell", run, scenario):
                self._connection.send(run)
                self._forget(run, scenario)
                self._predict()
            case ("keep", run) if run == self._run:
                self._keeping.keep()
            case ("pause",):
                # Step 0 is still owed to a picture that shows what ran before.
                self._paused, self._steps = True, int(self._last is None)
            case ("resume",):
                self._paused = False
            case ("step", count):
                self._steps += count
            case ("jacobian", run) if run == self._run:
                self._linearise()
            case ("weights", run, layer) if run == self._run:
                self._look_at_weights(layer)
            case ("inspect", run, layer, time_step) if run == self._run:
                self._inspect(layer, time_step)
            case ("pull",):
                self._wanted = True

    def _begin(self, run: int, scenario: Scenario, paused: bool) -> None:
        from scenarios.drift import Drift
        from scenarios.failures import describe
        from scenarios.runner import Run
        from scenarios.tasks import TASKS

        self._forget(run, scenario)
        # Step 0 is shown even on hold: it is what the scenario looks like.
        self._paused, self._steps = paused, 1
        try:
            prepared = Run(scenario)
            trains, task = scenario.training.steps > 0, TASKS[scenario.task.name]
            trivial = task.trivial(scenario) if trains else None
        except Exception as error:
            self._outbox.append(Failed(run, *describe(error)))
            return
        self._outbox.append(Started(run, scenario, prepared.device, prepared.versions, trivial))
        self._prepared, self._frames = prepared, prepared.frames()
        self._keeping.begin(prepared)
        self._drift = Drift(prepared)

    def _forget(self, run: int, scenario: Scenario) -> None:
        """Let go of whatever ran, for another."""
        self._keeping.replace()
        self._run, self._prepared, self._frames, self._last = run, None, None, None
        self._scenario, self._prediction, self._drift, self._outbox = scenario, None, None, []

    def _advance(self) -> None:
        from scenarios.events import end_event, theory_decades
        from scenarios.failures import describe

        assert self._frames is not None and self._scenario is not None
        try:
            frame = next(self._frames, None)
        except Exception as error:
            self._frames = None
            failed = Failed(self._run, *describe(error))
            self._keeping.end(failed.line)
            self._outbox.append(failed)
            return
        if frame is None:
            self._frames = None
            self._keeping.end()
            self._measure(last=True)
            self._predict()
            theory = theory_decades(self._scenario, self._last, self._prediction)
            self._outbox.append(Ended(self._run, end_event(self._last, theory=theory)))
            return
        self._last = frame
        self._keeping.frame(frame)
        self._steps = max(0, self._steps - 1)
        frames = self._pending(Frames(self._run, [])).frames
        frames.append(frame)
        del frames[: -_most_pending(frame)]
        self._measure()

    def _measure(self, *, last: bool = False) -> None:
        """Add the weights' sizes to what goes out if it is time for them, or if none follow."""
        if self._drift is None or self._last is None:
            return
        sizes = self._drift.measure(self._last.step, last=last)
        if sizes is not None:
            drifted = self._pending(Drifted(self._run, [])).sizes
            drifted.append((self._last.step, sizes))
            del drifted[:-_PENDING_FRAMES]

    def _pending(self, fresh: Pending) -> Pending:
        """The message of this kind that waits to go out, a fresh one if there is none."""
        for message in self._outbox:
            if isinstance(message, type(fresh)):
                return message
        self._outbox.append(fresh)
        return fresh

    def _not_stored(self, line: str) -> None:
        """Say so with what goes out."""
        self._outbox.append(NotStored(self._run, line))

    def _linearise(self) -> None:
        """Add the singular values to what goes out."""
        if self._prepared is None or self._last is None:
            return
        from scenarios.failures import jacobian_or_reason

        found = jacobian_or_reason(self._prepared)
        self._outbox.append(Jacobian(self._run, self._last.step, found))

    def _look_at_weights(self, layer: int) -> None:
        """Add the recurrent weights to what goes out."""
        if self._prepared is None or self._last is None:
            return
        from scenarios.drawn import look_at_weights
        from scenarios.failures import found_or_reason

        begin = time.perf_counter()
        found = found_or_reason(partial(look_at_weights, self._prepared, layer))
        seconds = time.perf_counter() - begin
        self._outbox.append(Weights(self._run, self._last.step, layer, found, seconds))

    def _inspect(self, layer: int, time_step: int) -> None:
        """Add one place in full to what goes out."""
        if self._prepared is None or self._last is None:
            return
        from scenarios.failures import found_or_reason

        begin = time.perf_counter()
        found = found_or_reason(partial(self._prepared.inspect, layer, time_step))
        seconds = time.perf_counter() - begin
        step = self._last.step
        self._outbox.append(Inspected(self._run, step, layer, time_step, found, seconds))

    def _predict(self) -> None:
        """Add the prediction to what goes out, once a run."""
        if self._prediction is not None or self._scenario is None:
            return
        from scenarios.predictions import foretell

        self._prediction = foretell(self._scenario)
        self._outbox.append(Predicted(self._run, self._prediction))


def _most_pending(frame: Frame) -> int:
    """How many frames like this one may wait."""
    return max(1, min(_PENDING_FRAMES, _PENDING_BYTES // frame.nbytes))


def serve(connection: Connection, store: str | None = None) -> None:
    """Run scenarios for the `Worker` at the other end until it closes."""
    # The app's end closes at any moment, between two frames or in the middle of one.
    with connection, suppress(EOFError, OSError):
        _Server(connection, None if store is None else Path(store)).loop()
