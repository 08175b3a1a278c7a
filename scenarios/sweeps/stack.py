"""Cells of one shape, run as one stacked network whose leading axis is the cell."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, TypeAlias

from engine.backend import open_backend
from engine.network import Network
from engine.plan import workspace_bytes
from scenarios.cells import CellResult, cell_result, failed_cell
from scenarios.failures import describe
from scenarios.runner import frame_of, init_spec, network_spec
from scenarios.training import Firsts, Training, slots

if TYPE_CHECKING:
    from engine.backend import Backend
    from engine.frame import Frame
    from scenarios.scenario import Scenario

#: What cells of one stack share (`stack_key`).
StackKey: TypeAlias = tuple[object, ...]

#: Workspace of a stack on the CPU. Beyond what the last cache holds, a stack gains nothing more
#: (tests/benchmarks/sweeps.py).
_CPU_BYTES = 24 * 2**20

#: The same on a GPU, where a launch costs the same for one cell and for a thousand.
_GPU_BYTES = 2 * 2**30

#: The most cells of one stack: what is done once a cell then outweighs what is done once a stack.
_MOST_CELLS = 1024

#: Workspace times evaluations that make a batch of work: about half a second of one core, which is
#: what a killed process may cost.
_BATCH_BYTES = 2**29
_MOST_IN_BATCH = 1024


@dataclass(slots=True)
class Kept:
    """What one stack leaves to the next of the same key.

    Attributes:
        firsts: the first batches of the latest seeds.
        network: the latest network. To allocate one costs as much as to evaluate it once: the
            system hands out its memory page by page, each cleared first.
    """

    firsts: Firsts = field(default_factory=dict)
    network: Network | None = None

    def network_of(self, scenarios: Sequence[Scenario], backend: Backend) -> Network:
        """A network of these scenarios, drawn. Raises what `Network` does."""
        inits = [init_spec(scenario) for scenario in scenarios]
        if self.network is not None and self.network.cells == len(inits):
            self.network.redraw(inits)
            return self.network
        # Its memory is free before more is asked for.
        self.network = None
        first = scenarios[0]
        self.network = Network(network_spec(first), inits, backend, slots(first))
        return self.network


@dataclass(frozen=True, slots=True)
class Batch:
    """Work for one process: cells, with their keys, that may share a stack."""

    keys: tuple[str, ...]
    scenarios: tuple[Scenario, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, start: int, stop: int) -> Batch:
        """Some of its cells."""
        return Batch(self.keys[start:stop], self.scenarios[start:stop])

    def failed(self, line: str) -> list[CellResult]:
        """The result of each cell where none could be run."""
        return [failed_cell(key, line) for key in self.keys]


def stack_key(scenario: Scenario) -> StackKey:
    """Equal for scenarios that differ only in numbers: those can run as one stack."""
    training = scenario.training
    return (
        scenario.network,
        scenario.init.scheme,
        scenario.task,
        training.steps,
        training.optimizer,
        training.schedule,
        training.schedule_steps,
        training.evaluate_every,
        scenario.run.dtype,
        scenario.run.device,
    )


def batch_length(scenario: Scenario) -> int:
    """How many cells like this one make a good batch."""
    needed = workspace_bytes(network_spec(scenario), 1, slots(scenario))
    work = needed * (scenario.training.steps + 1)
    return max(1, min(_MOST_IN_BATCH, _BATCH_BYTES // max(work, 1)))


def run_batch(batch: Batch) -> list[CellResult]:
    """Run every cell of a batch; a cell that fails is a result with an error, and no exception."""
    try:
        first = batch.scenarios[0]
        backend = open_backend(first.run.device, first.run.dtype)
        size = stack_length(first, backend)
    except Exception as error:
        return batch.failed(describe(error)[0])
    results: list[CellResult] = []
    kept = Kept()
    for start, stop in pairwise(accumulate(_even(len(batch), size), initial=0)):
        results += _run_or_split(batch.part(start, stop), backend, kept)
    return results


def _even(count: int, most: int) -> list[int]:
    """Lengths of stacks that hold so many cells, none with a cell or two; the longer ones first."""
    stacks = -(-count // most)
    short, longer = divmod(count, stacks)
    return [short + 1] * longer + [short] * (stacks - longer)


def stack_length(scenario: Scenario, backend: Backend) -> int:
    """How many cells like this one make a good stack on the device: as many as its cache holds."""
    spec, states = network_spec(scenario), slots(scenario)
    wanted = _CPU_BYTES
    if backend.description["backend"] == "cupy":
        wanted = min(_GPU_BYTES, backend.available_bytes() // 2)
    length = 1
    # A cell of a wide stack takes less than a lone one: scratch is shared.
    while length < _MOST_CELLS and workspace_bytes(spec, 2 * length, states, backend) <= wanted:
        length *= 2
    return length


def _run_or_split(batch: Batch, backend: Backend, kept: Kept) -> list[CellResult]:
    """A stack that fails as a whole is halved until the cells that are to blame stand alone."""
    try:
        return run_stack(batch, backend, kept)
    except Exception as error:
        if len(batch) == 1:
            return batch.failed(describe(error)[0])
    half = len(batch) // 2
    first, second = batch.part(0, half), batch.part(half, len(batch))
    return _run_or_split(first, backend, kept) + _run_or_split(second, backend, kept)


def run_stack(batch: Batch, backend: Backend, kept: Kept) -> list[CellResult]:
    """Run cells of one `stack_key` as one network and judge each by its last frame.

    Uses what `kept` holds of earlier stacks of that key, and leaves its own there. Raises what the
    engine raises: MemoryShortage, ValueError for an initialiser that does not fit.
    """
    begin = time.perf_counter()
    network = kept.network_of(batch.scenarios, backend)
    training = Training(batch.scenarios, network, firsts=kept.firsts)
    last: dict[int, Frame] = {}
    steps = batch.scenarios[0].training.steps
    for look in training.looks(lean=True):
        # As in a run of its own, the frame a cell is lost at is its last.
        ending = range(len(batch)) if look.step == steps else look.lost
        for cell in ending:
            if cell not in last:
                scenario = batch.scenarios[cell]
                last[cell] = frame_of(scenario, look.fields, cell, look.step, 0.0)
    seconds = (time.perf_counter() - begin) / len(batch)
    return [cell_result(key, last[cell], seconds) for cell, key in enumerate(batch.keys)]
