"""Leaving with the terminal, for a process that nobody tells of the terminal's end.

A terminal that goes away sends SIGHUP to its session's leader alone. Where that is `make`, or
another program that waits for the app, the app would read the end of a closed terminal for ever.
"""

from __future__ import annotations

import os
import select
import sys
import threading

#: What a shell reports for a process that SIGHUP ended.
HUNG_UP = 128 + 1


def leave_with_terminal() -> None:
    """End this process as soon as the terminal on its standard input is gone.

    At once, as SIGHUP would, since nothing can be shown or asked any more. Does nothing where the
    standard input is no terminal, or where the system cannot poll one.
    """
    stdin = sys.__stdin__
    if stdin is None or not stdin.isatty() or not hasattr(select, "poll"):
        return
    terminal = select.poll()
    # No event is asked for: that it is gone is always told.
    terminal.register(stdin.fileno(), 0)
    threading.Thread(target=_watch, args=(terminal,), name="hangup", daemon=True).start()


def _watch(terminal: select.poll) -> None:
    # Systems whose terminals cannot be polled say so by another event.
    if any(event & select.POLLHUP for _, event in terminal.poll()):
        os._exit(HUNG_UP)
