"""Entries in processes beside this one: each sends its tally as it goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.processes import Process, ending, serving, settle_in

if TYPE_CHECKING:
    from scenarios.papers.definition import PaperSet
    from scenarios.papers.tally import Tally

_WORKER = serving("scenarios.papers.worker")

#: Seconds between two tallies of an entry that goes on, and the longest that one is waited for.
_PAUSE = 0.2


def beside(
    paper_set: PaperSet,
    left: Sequence[int],
    workers: int,
    gpus: int,
    store: Path | None,
    warn: Callable[[str], None],
    *,
    fresh: bool,
    stopping: Callable[[], bool],
) -> Generator[tuple[int, Tally | str]]:
    """Run the entries of these indices, so many at once, each in a process with `gpus` to share.

    Yields an index with its tally whenever that is new, or with the line that says how its process
    ended where it ended before its time. When `stopping` says so, what is under way ends after its
    step and nothing begins.
    """
    waiting = deque(left)
    running: dict[Connection, tuple[int, Process]] = {}
    told = False
    try:
        while waiting or running:
            if stopping() and not told:
                told = True
                waiting.clear()
                for connection in running:
                    _tell(connection, None)
            while waiting and len(running) < workers:
                index = waiting.popleft()
                process = Process(_WORKER, gpu=index % gpus if gpus else None)
                running[process.connection] = (index, process)
                job = (paper_set, paper_set.entries[index], store, fresh)
                _tell(process.connection, job)
            for ready in wait(list(running), _PAUSE):
                assert isinstance(ready, Connection)
                index, process = running[ready]
                try:
                    found: Tally | str | None = ready.recv()
                except (EOFError, OSError):
                    del running[ready]
                    yield index, f"its process was ended by {ending(process.end())}"
                    continue
                if found is None:
                    del running[ready]
                    process.end()
                elif isinstance(found, str):
                    warn(found)
                else:
                    yield index, found
    finally:
        for _, process in running.values():
            process.end()


def _tell(connection: Connection, what: object) -> None:
    try:
        connection.send(what)
    except OSError:
        # It has died; whoever waits for it finds out.
        return


def serve(connection: Connection) -> None:
    """Run the one entry that `beside` sends, and end."""
    settle_in()
    from scenarios.papers.attempt import attempt
    from scenarios.store.store import Store

    paper_set, entry, path, fresh = connection.recv()
    store = None if path is None else Store.open(path)
    sent = 0.0
    with closing(attempt(paper_set, entry, store, connection.send, fresh=fresh)) as tallies:
        for tally in tallies:
            if tally.ended or time.monotonic() - sent >= _PAUSE:
                connection.send(tally)
                sent = time.monotonic()
            if connection.poll():
                break
    connection.send(None)
