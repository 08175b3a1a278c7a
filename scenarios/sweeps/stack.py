"""Cells of one shape, run as one stacked network whose leading axis is the cell."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.backend import open_backend
from engine.network import Network, workspace_bytes
from engine.optimizers import OPTIMIZERS
from scenarios.cells import CellResult, cell_result, failed_cell
from scenarios.failures import describe
from scenarios.runner import Run, frame_of, init_spec, network_spec
from scenarios.schedules import SCHEDULES, Memory
from scenarios.tasks import TASKS

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.backend import Backend
    from engine.frame import Frame
    from scenarios.scenario import Scenario

#: What cells of one stack share (`stack_key`).
StackKey: TypeAlias = tuple[object, ...]

#: The first input and target of each seed.
Firsts: TypeAlias = dict[int, tuple[Any, Any]]

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
        self.network = Network(network_spec(first), inits, backend, _slots(first))
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
    needed = workspace_bytes(network_spec(scenario), 1, _slots(scenario))
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
    spec, slots = network_spec(scenario), _slots(scenario)
    wanted = _CPU_BYTES
    if backend.description["backend"] == "cupy":
        wanted = min(_GPU_BYTES, backend.available_bytes() // 2)
    length = 1
    # A cell of a wide stack takes less than a lone one: scratch is shared.
    while length < _MOST_CELLS and workspace_bytes(spec, 2 * length, slots) <= wanted:
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
    scenarios = batch.scenarios
    first = scenarios[0]
    if first.training.schedule == "plateau" and first.training.evaluate_every:
        return [_alone(key, one) for key, one in zip(batch.keys, scenarios, strict=True)]
    begin = time.perf_counter()
    optimizer, steps = OPTIMIZERS[first.training.optimizer], first.training.steps
    network = kept.network_of(scenarios, backend)
    schedule = SCHEDULES[first.training.schedule]
    memories = [Memory(first.training.schedule_steps) for _ in scenarios]
    norms = [scenario.training.clip_norm for scenario in scenarios]
    values = [scenario.training.clip_value for scenario in scenarios]
    data = _Data(scenarios, backend, kept.firsts)
    last: dict[int, Frame] = {}
    for step in range(steps + 1):
        if step:
            rates = [
                schedule.rate(scenario, step, memory)
                for scenario, memory in zip(scenarios, memories, strict=True)
            ]
            network.update(optimizer, rates, norms, values)
        # After the last look nothing is updated any more.
        fields = network.evaluate(*data.next(), statistics=False, parameters=step < steps)
        losses = fields.loss.tolist()
        for memory, loss in zip(memories, losses, strict=True):
            memory.take(loss)
        if step == steps or any(fields.overflow) or not all(map(math.isfinite, losses)):
            # As in a run of its own, the frame a cell overflows at is its last.
            for cell, scenario in enumerate(scenarios):
                lost = fields.overflow[cell] is not None or not math.isfinite(losses[cell])
                if cell not in last and (lost or step == steps):
                    last[cell] = frame_of(scenario, fields, cell, step, 0.0)
    seconds = (time.perf_counter() - begin) / len(batch)
    return [cell_result(key, last[cell], seconds) for cell, key in enumerate(batch.keys)]


def _alone(key: str, scenario: Scenario) -> CellResult:
    """The result of a cell whose schedule looks at what is held out, which a stack does not."""
    begin = time.perf_counter()
    *_, frame = Run(scenario).frames()
    return cell_result(key, frame, time.perf_counter() - begin)


class _Data:
    """Each cell's own input and target, drawn once for all cells of one seed."""

    def __init__(self, scenarios: Sequence[Scenario], backend: Backend, firsts: Firsts) -> None:
        self._backend = backend
        seeds = [scenario.run.seed for scenario in scenarios]
        by_seed = dict(zip(seeds, scenarios, strict=True))
        self._streams = [_stream(scenario, firsts) for scenario in by_seed.values()]
        # Cells come in the order of their seeds: others than these will not be asked for again.
        for seed in firsts.keys() - by_seed.keys():
            del firsts[seed]
        places = {seed: place for place, seed in enumerate(by_seed)}
        self._places = [places[seed] for seed in seeds]
        self._before: list[Any] = []
        self._arrays: tuple[Array, Array] | None = None

    def next(self) -> tuple[Array, Array]:
        """The next batch of every cell, (S, T, B, ...) and (S, B, outputs)."""
        drawn = [next(stream) for stream in self._streams]
        inputs = [batch[0] for batch in drawn]
        # A task that keeps its batch is stacked once.
        same = self._arrays is not None and all(
            one is other for one, other in zip(inputs, self._before, strict=True)
        )
        if not same:
            targets = [batch[1] for batch in drawn]
            self._arrays = (self._stacked(inputs), self._stacked(targets))
            self._before = inputs
        assert self._arrays is not None
        return self._arrays

    def _stacked(self, arrays: Sequence[Any]) -> Array:
        xp = self._backend.xp
        if len(arrays) == 1:
            # A view: what all cells read need not lie in memory once a cell.
            one = self._backend.asarray(arrays[0])
            return xp.broadcast_to(one, (len(self._places), *one.shape))
        stacked = self._backend.empty((len(self._places), *arrays[0].shape))
        for cell, place in enumerate(self._places):
            stacked[cell] = self._backend.asarray(arrays[place])
        return stacked


def _stream(scenario: Scenario, firsts: Firsts) -> Iterator[tuple[Any, Any]]:
    """A cell's batches; the first may be known from the stack before."""
    task, seed = TASKS[scenario.task.name], scenario.run.seed
    if seed in firsts:
        return chain([firsts[seed]], task.batches(scenario, 1))
    stream = task.batches(scenario)
    firsts[seed] = next(stream)
    return chain([firsts[seed]], stream)


def _slots(scenario: Scenario) -> int:
    training = scenario.training
    return OPTIMIZERS[training.optimizer].slots if training.steps else 0
