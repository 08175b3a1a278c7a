"""A sweep as JSON lines: start, one cell a line as they finish, end with the phase diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.plain import logarithm
from scenarios.sweeps.diagram import diagram_event

if TYPE_CHECKING:
    from scenarios.events import Event
    from scenarios.sweeps.definition import Sweep
    from scenarios.sweeps.diagram import Diagram
    from scenarios.sweeps.executors import Executor
    from scenarios.sweeps.run import SweptCell


def start_event(sweep: Sweep, executor: Executor) -> Event:
    """What is about to run, and where."""
    return {
        "event": "start",
        "sweep": sweep.to_dict(),
        "cells": sweep.cells,
        "workers": executor.workers,
        "place": executor.place,
    }


def cell_event(cell: SweptCell) -> Event:
    """One cell; null where a number has no meaning, as in a run's end event."""
    result = cell.result
    return {
        "event": "cell",
        "index": cell.index,
        "values": dict(cell.values),
        "key": result.key,
        "verdict": result.verdict,
        "decades": logarithm(result.decades),
        "decades_per_hop": logarithm(result.decades_per_hop),
        "hops": result.hops,
        "loss": result.loss,
        "step": result.step,
        "overflow": _place(result.overflow),
        "dead_at": _place(result.dead_at),
        "error": result.error,
        "stored": cell.stored,
        "seconds": round(result.seconds, 6),
    }


def end_event(diagram: Diagram, *, done: int, failed: int, interrupted: bool) -> Event:
    """How the sweep ended, and what it showed."""
    return {
        "event": "end",
        "cells": done,
        "failed": failed,
        "interrupted": interrupted,
        "diagram": diagram_event(diagram),
    }


def _place(place: tuple[int, int] | None) -> dict[str, int] | None:
    return None if place is None else {"layer": place[0], "step": place[1]}
