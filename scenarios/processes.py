"""Processes of our own on this machine, spoken to over a connection."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

from scenarios.errors import ScenarioError
from scenarios.plain import plain
from scenarios.threads import cores, leave_one_core, use_threads

#: The most processes that can be asked for, and how an error line says so.
MOST_WORKERS = 1024
WORKERS = f"must be a whole number from 1 to {MOST_WORKERS}"


def serving(module: str) -> str:
    """A program that runs a module's `serve`, on a connection and what arguments there are."""
    # Imported by name, so that what it sends back unpickles as this package's own classes.
    return (
        "import sys; from multiprocessing.connection import Connection; "
        f"from {module} import serve; serve(Connection(int(sys.argv[1])), *sys.argv[2:])"
    )


class Process:
    """A process that runs a program; the program's first argument and `connection` are connected.

    Its libraries use so many `threads`, None for as many as leave one core free; with `gpu`, it
    sees that one alone; in a `session` of its own, it does not hear the terminal's signals. Its
    standard input closes when this process ends, however that ends: `settle_in` makes it end then,
    too.
    """

    def __init__(
        self,
        program: str,
        *arguments: str,
        gpu: int | None = None,
        threads: int | None = 1,
        session: bool = False,
    ) -> None:
        near, far = socket.socketpair()
        environment = dict(os.environ)
        if threads is None:
            leave_one_core(environment)
        else:
            use_threads(environment, threads)
        if gpu is not None:
            _show_one_gpu(environment, gpu)
        # -P keeps the current folder off the path.
        with far:
            self._popen = subprocess.Popen(
                [sys.executable, "-P", "-c", program, str(far.fileno()), *arguments],
                pass_fds=[far.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=session,
                env=environment,
            )
        self.connection = Connection(near.detach())

    def end(self, patience: float | None = 0.0) -> int:
        """Kill it if it lives, and return its exit code, -N where signal N ended it.

        It has `patience` seconds to end by itself, None for as long as it takes.
        """
        self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(patience)
        self._popen.kill()
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        return self._popen.wait()


def ending(code: int) -> str:
    """What ended a process of that exit code."""
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name} (out of memory?)" if name == "SIGKILL" else name


def settle_in() -> None:
    """What `serve` calls first, in the process itself."""
    # Ctrl+C goes to every process of the terminal; the one that stores decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def gpus_of(device: str) -> int:
    """How many GPUs processes on `device` could use, one each."""
    if device == "cpu":
        return 0
    if ":" in device:
        return 1
    from engine.devices import probe_devices

    return sum(found.device.startswith("cuda") and not found.problem for found in probe_devices())


def workers_for(device: str, wanted: int | None) -> tuple[int, int]:
    """How many processes, one a core or one a GPU unless `wanted` says, and the GPUs to share out.

    A device asked for by its number stays that one. Raises ScenarioError where `wanted` is no whole
    number from 1 to MOST_WORKERS.
    """
    workers = None if wanted is None else _checked(plain(wanted))
    gpus = gpus_of(device)
    return workers or gpus or cores(), 0 if ":" in device else gpus


def _checked(workers: object) -> int:
    if isinstance(workers, int) and not isinstance(workers, bool) and 1 <= workers <= MOST_WORKERS:
        return workers
    raise ScenarioError("arguments", WORKERS, key="workers", value=workers)


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


def _show_one_gpu(environment: dict[str, str], place: int) -> None:
    variable = "CUDA_VISIBLE_DEVICES"
    visible = [name for name in environment.get(variable, "").split(",") if name]
    environment[variable] = visible[place] if place < len(visible) else str(place)
