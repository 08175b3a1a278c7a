"""One measurement, one process: with its own number of threads, its own memory and its own heap."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from engine.errors import EngineError
from scenarios.failures import describe
from scenarios.processes import Process, ending, serving, settle_in

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_Result = TypeVar("_Result")
_PROGRAM = serving("scenarios.bench.children")


class ChildError(Exception):
    """A measurement that failed; `str()` is one line that says why."""


def in_child(threads: int, function: Callable[..., _Result], *arguments: object) -> _Result:
    """What `function` returns in a fresh process whose libraries use so many threads.

    Raises ChildError where it raises, or its process ends without a word.
    """
    process = Process(_PROGRAM, threads=threads)
    try:
        process.connection.send((function, arguments))
        done: bool
        done, result = process.connection.recv()
    except (EOFError, OSError):
        raise ChildError(f"its process was ended by {ending(process.end())}") from None
    finally:
        process.end()
    if not done:
        raise ChildError(str(result))
    value: _Result = result
    return value


def serve(connection: Connection) -> None:
    """Call one function that `in_child` sends, and send back what it returned or why it did not."""
    settle_in()
    function, arguments = connection.recv()
    try:
        connection.send((True, function(*arguments)))
    except Exception as error:
        line = str(error) if isinstance(error, EngineError) else describe(error)[0]
        connection.send((False, line))
