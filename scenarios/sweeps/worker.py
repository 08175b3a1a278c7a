"""A sweep beside the app: run and stored in a process of its own, which hands over its cells."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Literal, TypeAlias

from scenarios.processes import Process, gpus_of, serving, settle_in
from scenarios.sweeps.run import SweptCell
from scenarios.threads import cores

if TYPE_CHECKING:
    from pathlib import Path

    from scenarios.store.store import Store
    from scenarios.sweeps.definition import Sweep
    from scenarios.sweeps.diagram import TheoryLine

_SWEEP_PROCESS = serving("scenarios.sweeps.worker")

#: Messages taken in at once, so that no key waits for a grid that was stored before.
_AT_ONCE = 500
#: Seconds that a sweep nobody listens to has to finish and store the cells under way.
_GRACE = 2.0


@dataclass(frozen=True, slots=True)
class Theory:
    """Theory's line over the sweep's phase diagram, None where no axis is a scale of weights."""

    line: TheoryLine | None


@dataclass(frozen=True, slots=True)
class Noted:
    """One line about the store: the sweep goes on."""

    line: str


@dataclass(frozen=True, slots=True)
class Ended:
    """No more cells come: all are there, it was stopped, or it failed for the reason in `line`."""

    line: str | None = None


Message: TypeAlias = Theory | Noted | SweptCell | Ended


class SweepWorker:
    """The app's end: one sweep at a time. All methods return at once.

    Args:
        mode: "process" keeps keys quick; "thread" spares tests a process.
        store: the file of the run store, None to store nothing.
    """

    def __init__(
        self, mode: Literal["process", "thread"] = "process", store: Path | None = None
    ) -> None:
        self._mode, self._store = mode, store
        self._connection: Connection | None = None
        self._process: Process | None = None

    @property
    def running(self) -> bool:
        """Whether more is to come."""
        return self._connection is not None

    def start(self, sweep: Sweep) -> None:
        """Run `sweep` on all cores but one, in place of whatever ran; stored cells come at once."""
        self.close()
        if self._mode == "thread":
            self._connection, theirs = Pipe()
            threading.Thread(target=_serve, args=(theirs,), daemon=True).start()
        else:
            self._process = Process(_SWEEP_PROCESS)
            self._connection = self._process.connection
        # If the process is gone already, the next poll finds out.
        with suppress(OSError):
            self._connection.send((sweep, self._store))

    def stop(self) -> None:
        """Start no more cells; those under way are finished and stored."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.send("stop")

    def poll(self) -> list[Message]:
        """What has arrived since the last call; `Ended` comes once, and last."""
        messages: list[Message] = []
        if self._connection is None:
            return messages
        try:
            while len(messages) < _AT_ONCE and self._connection.poll():
                messages.append(self._connection.recv())
        except (EOFError, OSError):
            messages.append(Ended("the sweep's process ended; what it finished is stored"))
        if messages and isinstance(messages[-1], Ended):
            self.close()
        return messages

    def close(self) -> None:
        """Let go of the sweep: it stores the cells under way, if that takes no longer than 2 s."""
        if self._connection is not None:
            self.stop()
            threading.Thread(target=_let_go, args=(self._connection, self._process)).start()
        self._connection = self._process = None


def _let_go(connection: Connection, process: Process | None) -> None:
    end = time.monotonic() + _GRACE
    with connection, suppress(EOFError, OSError):
        while (left := end - time.monotonic()) > 0 and connection.poll(left):
            connection.recv()
    if process is not None:
        process.end()


def serve(connection: Connection) -> None:
    """Run the sweep that a `SweepWorker` sends, in a process of its own."""
    settle_in()
    _serve(connection)


def _serve(connection: Connection) -> None:
    # The app's end closes at any moment, between two cells or in the middle of one.
    with connection, suppress(EOFError, OSError):
        sweep, place = connection.recv()
        stopping = threading.Event()
        listener = threading.Thread(target=_listen, args=(connection, stopping), daemon=True)
        listener.start()
        try:
            _run(sweep, place, connection.send, stopping)
        finally:
            # The app lets go when it has heard the last word.
            listener.join()


def _listen(connection: Connection, stopping: threading.Event) -> None:
    """Whatever is said, and if nothing can be said any more, it means stop."""
    with suppress(EOFError, OSError):
        connection.recv()
    stopping.set()


def _run(
    sweep: Sweep, place: Path | None, send: Callable[[Message], None], stopping: threading.Event
) -> None:
    from scenarios.failures import describe
    from scenarios.store.errors import StoreError
    from scenarios.sweeps.diagram import Diagram, theory_line
    from scenarios.sweeps.executors import ExecutorError, local_executor
    from scenarios.sweeps.run import SweepRun

    with ExitStack() as stack:
        try:
            diagram = Diagram(sweep)
            send(Theory(theory_line(diagram, diagram.panels()[0])))
            store = None if place is None else _opened(place, send)
            if store is not None:
                stack.enter_context(store)
            workers = None if gpus_of(sweep.base.run.device) else max(1, cores() - 1)
            run = SweepRun(sweep, local_executor(workers, sweep), store, coarse_first=True)
            for cell in run.cells():
                if stopping.is_set():
                    run.stop()
                # A grid is drawn from its decades; the gradients along the way stay in the store.
                send(replace(cell, result=replace(cell.result, final_log10_grad=None)))
        except (StoreError, ExecutorError) as error:
            send(Ended(str(error)))
            return
        except Exception as error:
            # Where it is the app that has gone, this is the last that is tried.
            send(Ended(describe(error)[0]))
            return
    send(Ended())


def _opened(place: Path, send: Callable[[Message], None]) -> Store | None:
    from scenarios.store.errors import StoreError
    from scenarios.store.store import Store

    try:
        store = Store.open(place)
    except StoreError as error:
        send(Noted(f"{error}; nothing is stored"))
        return None
    if store.set_aside is not None:
        send(Noted(f"{store.path}: damaged; set aside as {store.set_aside}, and a new store begun"))
    return store
