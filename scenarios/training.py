"""Training, step by step: the one loop of a run and of a stack of a sweep's cells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.optimizers import OPTIMIZERS
from scenarios.blas import share_cores
from scenarios.schedules import SCHEDULES, Memory
from scenarios.tasks import TASKS

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.backend import Backend
    from engine.network import Fields, Network
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Batch

#: The first input and target of each seed.
Firsts: TypeAlias = dict[int, "Batch"]


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Where training stands, besides what the network holds.

    Attributes:
        step: how many updates have been made.
        learning_rate: that of the latest, None before the first.
        memory: `scenarios.schedules.Memory.state` before the loss of this step.
    """

    step: int
    learning_rate: float | None
    memory: list[float]


@dataclass(frozen=True, slots=True)
class Look:
    """What one step of all cells showed.

    Attributes:
        step: how many updates were made before it.
        states: where each cell's training stood.
        fields: what the network showed.
        held_out: each cell's loss and accuracy on what is never trained on; None where nobody
            looked.
        lost: the cells whose forward pass or loss has left the dtype.
    """

    step: int
    states: list[TrainingState]
    fields: Fields
    held_out: list[tuple[float, float | None]] | None
    lost: list[int]


class Training:
    """Cells that differ only in numbers, side by side on one network; a run is a stack of one.

    Args:
        scenarios: one a cell.
        network: theirs, drawn.
        states: where each stands; at the beginning unless given.
        firsts: first batches that are known from another stack; takes this one's.

    Attributes:
        data: where their batches come from.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        network: Network,
        states: Sequence[TrainingState] | None = None,
        firsts: Firsts | None = None,
    ) -> None:
        self._scenarios = scenarios
        self._network = network
        self._share_cores = share_cores(network)
        self._states = states or [beginning(scenario) for scenario in scenarios]
        start = self._states[0].step
        self.data = Data(scenarios, network.backend, start, {} if firsts is None else firsts)

    def looks(self, *, lean: bool = False) -> Iterator[Look]:
        """One look a training step, that at the state it starts from included.

        They end early where every cell is lost: no update could be made of them. A `lean` look has
        no statistics, and what is held out only where the schedule asks for it; the last one leaves
        the network without gradients of parameters.
        """
        scenarios, network, training = self._scenarios, self._network, self._scenarios[0].training
        optimizer, schedule = OPTIMIZERS[training.optimizer], SCHEDULES[training.schedule]
        norms = [scenario.training.clip_norm for scenario in scenarios]
        values = [scenario.training.clip_value for scenario in scenarios]
        every = 0 if lean and training.schedule != "plateau" else training.evaluate_every
        memories = [Memory(training.schedule_steps) for _ in scenarios]
        rates = [state.learning_rate for state in self._states]
        for memory, state in zip(memories, self._states, strict=True):
            memory.state = state.memory
        start = self._states[0].step
        for step in range(start, training.steps + 1):
            if step > start:
                pairs = zip(scenarios, memories, strict=True)
                found = [schedule.rate(scenario, step, memory) for scenario, memory in pairs]
                network.update(optimizer, found, norms, values)
                rates = [*found]
            states = [
                TrainingState(step, rate, memory.state)
                for rate, memory in zip(rates, memories, strict=True)
            ]
            wanted = not lean or step < training.steps
            batch = self.data.next()
            with self._share_cores():
                fields = network.evaluate(
                    *batch, statistics=not lean, parameters=wanted, clipped=any(norms)
                )
                held_out = self._held_out() if every and step % every == 0 else None
            losses: list[float | None] = fields.loss.tolist()
            if every:
                looked = [None] * len(scenarios) if held_out is None else held_out
                losses = [None if one is None else one[0] for one in looked]
            for memory, loss in zip(memories, losses, strict=True):
                memory.take(loss)
            lost = _lost(fields)
            yield Look(step, states, fields, held_out, lost)
            if len(lost) == len(scenarios):
                return

    def _held_out(self) -> list[tuple[float, float | None]]:
        """Each cell's loss and accuracy on what is never trained on."""
        import numpy as np

        loss, hits = np.zeros((2, len(self._scenarios)))
        count = 0
        accurate = True
        for (inputs, targets), examples in self.data.held_out():
            found = self._network.judge(inputs, targets)
            loss += found.losses[..., :examples].sum(axis=(1, 2))
            accurate = found.hits is not None
            if found.hits is not None:
                hits += found.hits[..., :examples].sum(axis=(1, 2))
            count += examples * found.losses.shape[1]
        return [
            (float(loss[cell]) / count, float(hits[cell]) / count if accurate else None)
            for cell in range(len(self._scenarios))
        ]


def beginning(scenario: Scenario) -> TrainingState:
    """Where training stands before it has begun."""
    return TrainingState(0, None, Memory(scenario.training.schedule_steps).state)


def slots(scenario: Scenario) -> int:
    """State arrays a parameter that training needs; none where nothing is trained."""
    training = scenario.training
    return OPTIMIZERS[training.optimizer].slots if training.steps else 0


def _lost(fields: Fields) -> list[int]:
    losses = fields.loss.tolist()
    if not any(fields.overflow) and math.isfinite(sum(losses)):
        return []
    return [
        cell
        for cell, (loss, overflow) in enumerate(zip(losses, fields.overflow, strict=True))
        if overflow is not None or not math.isfinite(loss)
    ]


class Data:
    """Each cell's own input and target, drawn once for all cells of one seed."""

    def __init__(
        self, scenarios: Sequence[Scenario], backend: Backend, start: int, firsts: Firsts
    ) -> None:
        self._backend = backend
        seeds = [scenario.run.seed for scenario in scenarios]
        self._by_seed = dict(zip(seeds, scenarios, strict=True))
        self._streams = [_stream(one, start, firsts) for one in self._by_seed.values()]
        # Cells come in the order of their seeds: others than these will not be asked for again.
        for seed in firsts.keys() - self._by_seed.keys():
            del firsts[seed]
        places = {seed: place for place, seed in enumerate(self._by_seed)}
        self._places = [places[seed] for seed in seeds]
        self._drawn: list[Batch] = []
        self._arrays: tuple[Array, Array] | None = None

    @property
    def latest(self) -> Batch:
        """The first cell's latest batch, on the host. Raises IndexError before the first."""
        return self._drawn[self._places[0]]

    def next(self) -> tuple[Array, Array]:
        """The next batch of every cell, (S, T, B, ...) and (S, B, outputs)."""
        drawn = [next(stream) for stream in self._streams]
        # A task that keeps its batch is uploaded once.
        same = self._arrays is not None and all(
            one[0] is other[0] for one, other in zip(drawn, self._drawn, strict=True)
        )
        if not same:
            self._arrays = self._stacked(drawn)
            self._drawn = drawn
        assert self._arrays is not None
        return self._arrays

    def held_out(self) -> Iterator[tuple[tuple[Array, Array], int]]:
        """What no cell trains on, in batches as `next` gives them, and how many examples count."""
        tasks = ((TASKS[one.task.name], one) for one in self._by_seed.values())
        for drawn in zip(*(task.held_out(one) for task, one in tasks), strict=True):
            yield self._stacked([batch for batch, _ in drawn]), drawn[0][1]

    def _stacked(self, batches: Sequence[Batch]) -> tuple[Array, Array]:
        inputs, targets = zip(*batches, strict=True)
        return self._upload(inputs), self._upload(targets)

    def _upload(self, arrays: Sequence[Any]) -> Array:
        xp = self._backend.xp
        if len(arrays) == 1:
            # A view: what all cells read need not lie in memory once a cell.
            one = self._backend.asarray(arrays[0])
            return xp.broadcast_to(one, (len(self._places), *one.shape))
        stacked = self._backend.empty((len(self._places), *arrays[0].shape))
        for cell, place in enumerate(self._places):
            stacked[cell] = self._backend.asarray(arrays[place])
        return stacked


def _stream(scenario: Scenario, start: int, firsts: Firsts) -> Iterator[Batch]:
    """A cell's batches from number `start` on; the first of all may be known already."""
    task, seed = TASKS[scenario.task.name], scenario.run.seed
    if start:
        return task.batches(scenario, start)
    if seed in firsts:
        return chain([firsts[seed]], task.batches(scenario, 1))
    stream = task.batches(scenario)
    firsts[seed] = next(stream)
    return chain([firsts[seed]], stream)
