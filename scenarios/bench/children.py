"""One measurement, one process: with its own number of threads, its own memory and its own heap."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from engine.errors import EngineError
from scenarios.failures import describe
from scenarios.threads import use_threads

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_Result = TypeVar("_Result")


class ChildError(Exception):
    """A measurement that failed; `str()` is one line that says why."""


def in_child(threads: int, function: Callable[..., _Result], *arguments: object) -> _Result:
    """What `function` returns in a fresh process whose libraries use so many threads.

    Raises ChildError where it raises, or its process ends without a word.
    """
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_serve, args=(sender, function, arguments))
    try:
        with _environment(threads):
            process.start()
        sender.close()
        done: bool
        done, result = receiver.recv()
    except EOFError:
        process.join()
        code = process.exitcode or 0
        ending = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise ChildError(f"its process was ended by {ending} (out of memory?)") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if not done:
        raise ChildError(str(result))
    value: _Result = result
    return value


def _serve(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    # Ctrl+C goes to every process of the terminal; the one that waits ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sender.send((True, function(*arguments)))
    except Exception as error:
        line = str(error) if isinstance(error, EngineError) else describe(error)[0]
        sender.send((False, line))


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    before = dict(os.environ)
    use_threads(os.environ, threads)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
