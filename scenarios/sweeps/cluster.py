"""Batches of cells on a Dask cluster, through its scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.version import RESULT_VERSION
from scenarios.sweeps.executors import ExecutorError
from scenarios.sweeps.stack import run_batch

if TYPE_CHECKING:
    from scenarios.cells import CellResult
    from scenarios.sweeps.stack import Batch

#: Seconds to wait for the scheduler to answer, and for a first worker to join it.
_ANSWER, _JOIN = 10, 60


def connect(address: str) -> Any:
    """A distributed.Client of the scheduler at `address`. Raises ExecutorError."""
    try:
        distributed = _distributed()
    except ImportError as error:
        raise ExecutorError("Dask is not installed: pip install 'nablascope[dask]'") from error
    import logging

    # What went wrong is said in one line, by whoever called.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        _check_reachable(address)
        return distributed.Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ExecutorError(f"no Dask scheduler answers there: {_line(error)}") from error


def _check_reachable(address: str) -> None:
    """Raise OSError or ValueError where a Client would try for long and leave threads behind."""
    from importlib import import_module
    from socket import create_connection

    protocol, host = import_module("distributed.comm").parse_address(address)
    place = import_module("distributed.comm").get_address_host_port(address)
    if protocol in ("tcp", "tls") and host:
        create_connection(place, _ANSWER).close()


class DaskCluster:
    """An executor on the workers that a distributed.Client knows.

    Dask itself runs a batch again whose worker has gone; one that took several workers with it is
    halved, until the cell that is to blame stands alone. `owned` clients are closed at the end.

    Raises ExecutorError where no worker joins.
    """

    def __init__(self, client: Any, *, owned: bool = False) -> None:
        self._client = client
        self._owned = owned
        self._batches: dict[Any, Batch] = {}
        try:
            client.wait_for_workers(1, timeout=_JOIN)
        except TimeoutError as error:
            if owned:
                client.close()
            raise ExecutorError(f"no worker joined the scheduler within {_JOIN} s") from error

    @property
    def workers(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    @property
    def place(self) -> str:
        return f"{self.workers} threads of the cluster at {self._client.scheduler.address}"

    @property
    def full(self) -> bool:
        return len(self._batches) >= 2 * self.workers

    @property
    def busy(self) -> bool:
        return bool(self._batches)

    def submit(self, batch: Batch) -> None:
        future = self._client.submit(_run_there, batch, RESULT_VERSION, pure=False)
        self._batches[future] = batch

    def collect(self) -> list[CellResult]:
        distributed = _distributed()
        while True:
            with self._client.as_current():
                done = distributed.wait(list(self._batches), return_when="FIRST_COMPLETED").done
            future = next(iter(done))
            batch = self._batches.pop(future)
            error = future.exception() if future.status != "finished" else None
            if error is None:
                results: list[CellResult] = future.result()
                return results
            if not isinstance(error, distributed.KilledWorker):
                raise ExecutorError(f"the cluster cannot run cells: {_line(error)}") from error
            if len(batch) == 1:
                return batch.failed("its worker was ended every time (out of memory?)")
            half = len(batch) // 2
            self.submit(batch.part(0, half))
            self.submit(batch.part(half, len(batch)))

    def withdraw(self) -> None:
        """Forget nothing: what waits on the cluster is at most a batch for each of its threads."""

    def close(self) -> None:
        if self._batches:
            self._client.cancel(list(self._batches))
            self._batches.clear()
        if self._owned:
            self._owned = False
            self._client.close()


def _distributed() -> Any:
    from importlib import import_module

    return import_module("distributed")


def _run_there(batch: Batch, version: int) -> list[CellResult]:
    """What a worker does. Raises RuntimeError where its engine would give other results."""
    if version != RESULT_VERSION:
        raise RuntimeError(
            f"a worker has results of version {RESULT_VERSION}, this machine of version {version}; "
            f"install the same nablascope on both"
        )
    return run_batch(batch)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
