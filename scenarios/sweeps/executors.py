"""Where batches of cells are run: in this process, in processes beside it, or elsewhere.

An executor takes batches and gives back what became of their cells; it stores nothing.
"""

from __future__ import annotations

from collections import deque
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Protocol

from scenarios.devices import check_device
from scenarios.processes import Process, ending, serving, settle_in, workers_for

if TYPE_CHECKING:
    from scenarios.cells import CellResult
    from scenarios.sweeps.definition import Sweep
    from scenarios.sweeps.stack import Batch

_WORKER = serving("scenarios.sweeps.executors")

#: How often a lone cell may take its process with it before it counts as failed.
_MOST_DEATHS = 2

#: Processes in a row that may end before they are ready for work.
_MOST_STILLBORN = 3


class ExecutorError(Exception):
    """Nothing can be run there; `str()` is one line that says why."""


class Executor(Protocol):
    """Runs batches, in any order."""

    @property
    def workers(self) -> int:
        """How many batches can run at once."""

    @property
    def place(self) -> str:
        """Where they run, in a few words."""

    @property
    def full(self) -> bool:
        """Whether there is work enough for now."""

    @property
    def busy(self) -> bool:
        """Whether results are still to come."""

    def submit(self, batch: Batch) -> None:
        """Take a batch. Raises ExecutorError."""

    def collect(self) -> list[CellResult]:
        """Wait for one batch that is done, and return its cells' results.

        A batch whose process died is run again; only a cell that ends its process every time is
        given up, as failed. Raises ExecutorError where nothing can be run any more.
        """

    def withdraw(self) -> None:
        """Forget batches that have not begun, where it can be told which have."""

    def close(self) -> None:
        """Stop, whatever is under way."""


class InProcess:
    """One batch after another, here: for one core, one GPU, or a debugger."""

    workers = 1
    place = "this process"

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()

    @property
    def full(self) -> bool:
        return bool(self._batches)

    @property
    def busy(self) -> bool:
        return bool(self._batches)

    def submit(self, batch: Batch) -> None:
        self._batches.append(batch)

    def collect(self) -> list[CellResult]:
        from scenarios.sweeps.stack import run_batch

        return run_batch(self._batches.popleft())

    def withdraw(self) -> None:
        self._batches.clear()

    def close(self) -> None:
        self.withdraw()


class LocalProcesses:
    """Processes on this machine, one BLAS thread each.

    Our own and not concurrent.futures', where one process that is killed breaks the whole pool.
    With `gpus` above 0 each process sees one of them.
    """

    def __init__(self, workers: int, gpus: int = 0) -> None:
        self.workers = workers
        self.place = f"{workers} processes"
        self._gpus = gpus
        self._processes: dict[Connection, _Process] = {}
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._stillborn = 0

    @property
    def full(self) -> bool:
        # One batch a process in reserve, so that none stands idle while results are stored.
        return len(self._waiting) >= self.workers

    @property
    def busy(self) -> bool:
        return bool(self._waiting) or any(p.batch is not None for p in self._processes.values())

    def submit(self, batch: Batch) -> None:
        self._waiting.append((batch, 0))
        self._hand_out()

    def collect(self) -> list[CellResult]:
        while True:
            self._hand_out()
            ready = wait(list(self._processes))
            for connection in ready:
                assert isinstance(connection, Connection)
                process = self._processes[connection]
                try:
                    results: list[CellResult] | None = connection.recv()
                except (EOFError, OSError):
                    results = self._bury(connection)
                else:
                    if results is None:
                        process.started, self._stillborn = True, 0
                        continue
                    process.batch = None
                if results:
                    self._hand_out()
                    return results

    def withdraw(self) -> None:
        self._waiting.clear()

    def close(self) -> None:
        for process in self._processes.values():
            process.end()
        self._processes.clear()
        self.withdraw()

    def _hand_out(self) -> None:
        """Give every idle process a batch, and start processes while there are too few."""
        while self._waiting:
            idle = next((c for c, p in self._processes.items() if p.batch is None), None)
            if idle is None:
                if len(self._processes) >= self.workers:
                    return
                idle = self._start()
            process = self._processes[idle]
            process.batch, process.deaths = self._waiting.popleft()
            try:
                idle.send(process.batch)
            except OSError:
                # It died while idle; `collect` finds out and gives the batch to another.
                return

    def _start(self) -> Connection:
        numbers = {process.number for process in self._processes.values()}
        number = next(n for n in range(self.workers) if n not in numbers)
        process = _Process(number, number % self._gpus if self._gpus else None)
        self._processes[process.connection] = process
        return process.connection

    def _bury(self, connection: Connection) -> list[CellResult]:
        """A process died: what it was at is tried again, in halves; a lone cell not for ever."""
        process = self._processes.pop(connection)
        ended_by = ending(process.end())
        batch, deaths = process.batch, process.deaths + 1
        if not process.started:
            self._stillborn += 1
            if self._stillborn >= _MOST_STILLBORN:
                raise ExecutorError(f"worker processes do not start: {ended_by}")
            deaths = process.deaths
        if batch is None:
            return []
        if len(batch) > 1:
            # The first death may be chance; from the second on, find the cell that is to blame.
            half = len(batch) // 2 if deaths > 1 else len(batch)
            parts = [batch.part(0, half), batch.part(half, len(batch))]
            self._waiting.extendleft((part, deaths) for part in parts if len(part))
            return []
        if deaths <= _MOST_DEATHS:
            self._waiting.appendleft((batch, deaths))
            return []
        return batch.failed(f"its process was ended every time, last by {ended_by}")


class _Process(Process):
    """One process: what it is at, and how often that has ended a process before."""

    def __init__(self, number: int, gpu: int | None) -> None:
        super().__init__(_WORKER, gpu=gpu)
        self.number = number
        self.started = False
        self.batch: Batch | None = None
        self.deaths = 0


def local_executor(workers: int | None, sweep: Sweep) -> Executor:
    """This machine: `workers` processes, by default one a core, or one a GPU on the sweep's device.

    A lone worker is this process itself. So is that of a sweep with so little to do that processes
    would take longer to start. Raises ScenarioError where the device is not there, and as
    `workers_for`.
    """
    from scenarios.sweeps.stack import batch_length

    check_device(sweep.base.run.device, sweep.origin)
    little = workers is None and sweep.cells <= batch_length(sweep.base)
    wanted, gpus = workers_for(sweep.base.run.device, 1 if little else workers)
    return InProcess() if wanted == 1 else LocalProcesses(wanted, gpus)


def serve(connection: Connection) -> None:
    """Run the batches that a `LocalProcesses` sends, until it closes or ends."""
    settle_in()
    from scenarios.sweeps.stack import run_batch

    try:
        connection.send(None)
        while True:
            connection.send(run_batch(connection.recv()))
    except (EOFError, OSError):
        # The other end has closed: nobody wants results any more.
        return
