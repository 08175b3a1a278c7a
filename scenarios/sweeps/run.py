"""A sweep being run: what is stored already is skipped, every other cell run and stored once."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from scenarios.cells import CellResult, failed_cell
from scenarios.schema import Value
from scenarios.sweeps.axes import SEED
from scenarios.sweeps.grid import Cell, cells_of, fineness
from scenarios.sweeps.stack import Batch, batch_length, stack_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scenarios.sweeps.definition import Sweep
    from scenarios.sweeps.executors import Executor
    from scenarios.sweeps.stack import StackKey

#: Cells looked at together: what is stored is asked for, and the rest is sorted into stacks.
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class SweptCell:
    """One finished cell of a sweep.

    Attributes:
        index: its place in the sweep, from 0.
        values: what the axes set, by dotted key.
        result: what became of it.
        stored: whether an earlier sweep or run of this one had it already.
    """

    index: int
    values: Mapping[str, Value]
    result: CellResult
    stored: bool


class SweepStore(Protocol):
    """What a sweep needs of the run store (`scenarios.store.store.Store`)."""

    def finished(self, keys: Sequence[str]) -> dict[str, CellResult]:
        """The results of those cells that finished without an error, by key."""

    def begin_sweep(self, definition: Mapping[str, object], cells: int) -> int:
        """Note that a sweep begins; its number."""

    def add_cells(
        self, sweep_id: int, cells: Iterable[tuple[Mapping[str, Value], CellResult]]
    ) -> None:
        """Keep what the axes set and the result of some cells; a killed process loses none."""

    def end_sweep(self, sweep_id: int, state: str, error: str | None = None) -> None:
        """Note how a sweep ended: done, interrupted or failed."""


class SweepRun:
    """One sweep on one executor, stored if there is a store.

    With `coarse_first` a grid fills in from every fourth value of each axis to all of them, and
    all its cells are held at once.

    Attributes:
        sweep: what is run.
        executor: where.
        sweep_id: its number in the store, 0 before it begins or where there is none.
    """

    def __init__(
        self,
        sweep: Sweep,
        executor: Executor,
        store: SweepStore | None = None,
        *,
        fresh: bool = False,
        coarse_first: bool = False,
    ) -> None:
        self.sweep = sweep
        self.executor = executor
        self._store = store
        self._fresh = fresh
        self._coarse_first = coarse_first
        self.sweep_id = 0
        self._stopping = False
        #: Cells under way, by key; several where axes give the same scenario twice.
        self._pending: dict[str, list[Cell]] = {}

    def stop(self) -> None:
        """Start no more cells; those under way are still waited for."""
        self._stopping = True
        self.executor.withdraw()

    def cells(self) -> Iterator[SweptCell]:
        """Run the sweep; every cell is yielded once, after it was stored.

        Raises StoreError, and ExecutorError where nothing can be run any more.
        """
        if self._store is not None:
            self.sweep_id = self._store.begin_sweep(self.sweep.to_dict(), self.sweep.cells)
        state, line = "failed", None
        try:
            yield from self._run()
            state = "interrupted" if self._stopping else "done"
        except (GeneratorExit, KeyboardInterrupt):
            state = "interrupted"
            raise
        except Exception as error:
            line = str(error)
            raise
        finally:
            self.executor.close()
            if self._store is not None:
                self._store.end_sweep(self.sweep_id, state, line)

    def _run(self) -> Iterator[SweptCell]:
        everything = cells_of(self.sweep)
        size = self.sweep.cells if self._coarse_first else _CHUNK
        while not self._stopping and (chunk := list(islice(everything, size))):
            left = yield from self._settled(chunk)
            for batch in self._batches(left):
                while self.executor.full:
                    yield from self._collected()
                if self._stopping:
                    break
                self.executor.submit(batch)
        while self.executor.busy:
            yield from self._collected()

    def _settled(self, chunk: list[Cell]) -> Generator[SweptCell, None, list[Cell]]:
        """Yield the cells that need not or cannot be run; returns the others."""
        stored: Mapping[str, CellResult] = {}
        if self._store is not None and not self._fresh:
            stored = self._store.finished([cell.key for cell in chunk if cell.scenario])
        left, settled = [], []
        for cell in chunk:
            if cell.error is not None:
                settled.append((cell, failed_cell(f"cell {cell.index}", cell.error), False))
            elif cell.key in stored:
                settled.append((cell, stored[cell.key], True))
            else:
                left.append(cell)
        yield from self._kept(settled)
        return left

    def _batches(self, cells: list[Cell]) -> Iterator[Batch]:
        """Cells of one shape together, those of one seed next to each other, none twice."""
        groups: dict[tuple[int, StackKey], dict[str, Cell]] = {}
        for cell in cells:
            assert cell.scenario is not None
            others = self._pending.setdefault(cell.key, [])
            others.append(cell)
            if len(others) == 1:
                turn = fineness(self.sweep, cell.index) if self._coarse_first else 0
                groups.setdefault((turn, stack_key(cell.scenario)), {})[cell.key] = cell
        for _, group in sorted(groups.items(), key=lambda item: item[0][0]):
            ordered = sorted(group.values(), key=_by_seed)
            length = _even_length(ordered, self.executor.workers)
            for start in range(0, len(ordered), length):
                part = ordered[start : start + length]
                scenarios = tuple(cell.scenario for cell in part if cell.scenario is not None)
                yield Batch(tuple(cell.key for cell in part), scenarios)

    def _collected(self) -> Iterator[SweptCell]:
        done = self.executor.collect()
        pairs = [(cell, result, False) for result in done for cell in self._pending.pop(result.key)]
        yield from self._kept(pairs)

    def _kept(self, done: list[tuple[Cell, CellResult, bool]]) -> Iterator[SweptCell]:
        """Store what is new, then yield."""
        if self._store is not None and done:
            self._store.add_cells(
                self.sweep_id, [(cell.values, result) for cell, result, _ in done]
            )
        for cell, result, stored in done:
            yield SweptCell(cell.index, cell.values, result, stored)


def _by_seed(cell: Cell) -> tuple[int, int]:
    seed = cell.values.get(SEED, 0)
    return (int(seed), cell.index)


def _even_length(cells: list[Cell], workers: int) -> int:
    """How many cells a batch has: enough to be worth sending, and two batches a worker or more."""
    scenario = cells[0].scenario
    assert scenario is not None
    share = -(-len(cells) // (2 * workers)) if workers > 1 else len(cells)
    return max(1, min(batch_length(scenario), share))
