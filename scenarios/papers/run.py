"""A set being run: what is finished already is read from the store, every other entry run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from scenarios.papers.attempt import attempt, device_for, past_steps
from scenarios.papers.tally import Tally, tally_of
from scenarios.papers.worker import beside
from scenarios.tasks import TASKS

if TYPE_CHECKING:
    from scenarios.papers.definition import Entry, PaperSet
    from scenarios.store.store import Store


class SetRun:
    """One set, entry by entry, here or in processes beside this one.

    Attributes:
        paper_set: what is run.
        tallies: one for each entry, as they stand.
        stored: whether each entry was finished before, in the store.
        device: what it runs on, as `Backend.description` tells it.
    """

    def __init__(
        self,
        paper_set: PaperSet,
        store: Store | None,
        warn: Callable[[str], None],
        *,
        workers: int = 1,
        gpus: int = 0,
        fresh: bool = False,
    ) -> None:
        """`workers` entries at a time, each in a process if it is more than 1; those share `gpus`.

        Entries that `store` holds already are not run again unless `fresh`. Raises ScenarioError
        where the device or the data is not there.
        """
        for entry in paper_set.entries:
            TASKS[entry.scenario.task.name].load(entry.scenario)
        self.device = device_for(paper_set.entries[0].scenario)
        self.paper_set = paper_set
        self.workers = workers
        self._gpus = gpus
        self._store = store
        self._warn = warn
        self._fresh = fresh
        self._stopping = False
        self.tallies: list[Tally] = [tally_of(paper_set, entry) for entry in paper_set.entries]
        self.stored = [False] * len(self.tallies)

    @property
    def kept(self) -> bool:
        """Whether there is a store to go on from."""
        return self._store is not None

    def stop(self) -> None:
        """End the entries under way after their step, and begin no more."""
        self._stopping = True

    def progress(self) -> Iterator[int]:
        """Run the set; yields an entry's index whenever its tally has changed.

        Raises StoreError.
        """
        left = []
        for index, entry in enumerate(self.paper_set.entries):
            past = [] if self._fresh else past_steps(entry.scenario, self._store)
            tally = tally_of(self.paper_set, entry, past)
            if tally.finished:
                self.tallies[index], self.stored[index] = tally, True
                yield index
            else:
                left.append(index)
        if self.workers > 1 and len(left) > 1:
            yield from self._beside(left)
        else:
            yield from self._here(left)

    def ended(self) -> Iterator[tuple[Entry, Tally]]:
        """Run the set; yields each entry with its tally once it has ended. Raises StoreError."""
        seen = set()
        for index in self.progress():
            tally = self.tallies[index]
            if index not in seen and tally.ended:
                seen.add(index)
                yield self.paper_set.entries[index], tally

    def _here(self, left: list[int]) -> Iterator[int]:
        for index in left:
            if self._stopping:
                return
            entry = self.paper_set.entries[index]
            tallies = attempt(self.paper_set, entry, self._store, self._warn, fresh=self._fresh)
            with closing(tallies):
                for tally in tallies:
                    self.tallies[index] = tally
                    yield index
                    if self._stopping:
                        break

    def _beside(self, left: list[int]) -> Iterator[int]:
        found = beside(
            self.paper_set,
            left,
            self.workers,
            self._gpus,
            None if self._store is None else self._store.path,
            self._warn,
            fresh=self._fresh,
            stopping=lambda: self._stopping,
        )
        with closing(found):
            for index, tally in found:
                if isinstance(tally, str):
                    self.tallies[index].error = tally
                else:
                    self.tallies[index] = tally
                yield index
