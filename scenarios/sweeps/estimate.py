"""How long a sweep will take, from a few cells of it."""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING

from engine.plan import workspace_bytes
from scenarios.cells import cell_key
from scenarios.errors import ScenarioError
from scenarios.runner import network_spec
from scenarios.schema import Value
from scenarios.sweeps.stack import Batch, run_batch

if TYPE_CHECKING:
    from scenarios.scenario import Scenario
    from scenarios.sweeps.definition import Sweep

#: Cells looked at for their size, and cells run.
_LOOKED_AT = 64
_RUN = 8


def estimated_seconds(sweep: Sweep, workers: int) -> float | None:
    """Seconds the whole sweep will take on `workers` processes here, within a factor of about two.

    Takes the time of a few cells of middling size, one step each, and scales it by what all cells
    touch. None where no cell tried can be run.
    """
    found = []
    draw = random.Random(0)
    for _ in range(_LOOKED_AT):
        try:
            scenario = sweep.base.with_changes(_point(sweep, draw), source=sweep.origin)
        except ScenarioError:
            continue
        found.append(scenario)
    if not found:
        return None
    found.sort(key=_work)
    tried = found[len(found) // 2]
    short = tried.with_changes({"training.steps": min(tried.training.steps, 1)})
    batch = Batch((cell_key(short),) * _RUN, (short,) * _RUN)
    # The first time around, libraries are loaded.
    if any(result.error for result in run_batch(batch.part(0, 1))):
        return None
    best = math.inf
    for _ in range(2):
        begin = time.perf_counter()
        run_batch(batch)
        best = min(best, time.perf_counter() - begin)
    rate = best / _RUN / _work(short)
    return rate * sum(map(_work, found)) / len(found) * sweep.cells / workers


def _work(scenario: Scenario) -> float:
    return workspace_bytes(network_spec(scenario)) * (scenario.training.steps + 1)


def _point(sweep: Sweep, draw: random.Random) -> dict[str, Value]:
    if sweep.combine == "zip":
        row = draw.randrange(sweep.points)
        return {axis.field: axis.values[row] for axis in sweep.varied}
    return {axis.field: axis.at(draw.random()) for axis in sweep.axes}
