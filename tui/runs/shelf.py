"""The store on a thread of its own: no key waits for a disk, a lock or a hundred thousand runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tui.runs.columns import Row, called

if TYPE_CHECKING:
    from engine.frame import Frame
    from scenarios.scenario import Scenario
    from scenarios.store.history import History

_T = TypeVar("_T")

#: Seconds to wait for another program that holds the store.
_PATIENCE = 2.0


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A run taken from the store.

    Attributes:
        row: its row in the list.
        scenario: what ran.
        frames: its first frame and its last, or the only one; none where it kept none.
    """

    row: Row
    scenario: Scenario
    frames: list[Frame]

    @property
    def number(self) -> int:
        """Its number in the store."""
        number: int = self.row["id"]
        return number

    @property
    def title(self) -> str:
        """Its scenario's title, and what was changed about it."""
        return "  ".join(part for part in (self.scenario.title, self.row["changes"]) if part)

    @property
    def label(self) -> str:
        """What a legend calls it."""
        return f"{called(self.row)} (run {self.number})"


class Shelf:
    """One open store; every call is done on its thread, in order.

    Attributes:
        path: its file.
        read_only: why nothing can be changed, None where it can.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_only: str | None = None
        self._history: History | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def ask(self, call: Callable[[History], _T]) -> _T | None:
        """What `call` finds in the store; None where there is no store yet. Raises StoreError."""
        return await self._later(self._do, call)

    async def change(self, call: Callable[[History], _T]) -> _T | None:
        """The same for what writes; a store that could not be written to is tried once more."""
        return await self._later(self._write, call)

    async def _later(
        self, do: Callable[[Callable[[History], _T]], _T | None], call: Callable[[History], _T]
    ) -> _T | None:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do, call)

    def close(self) -> None:
        """Let go of the store, once what was asked for is done."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _do(self, call: Callable[[History], _T]) -> _T | None:
        if self._history is None:
            if not self.path.exists():
                return None
            self._history = self._open()
        return call(self._history)

    def _write(self, call: Callable[[History], _T]) -> _T | None:
        if self._history is not None and self.read_only is not None:
            from scenarios.store.history import History

            history = History.open(self.path, patience=_PATIENCE, check=False)
            self._history.close()
            self._history, self.read_only = history, None
        return self._do(call)

    def _open(self) -> History:
        from scenarios.store.errors import StoreError
        from scenarios.store.history import History

        try:
            history = History.open(self.path, patience=_PATIENCE, check=False)
            history.tidy()
        except StoreError as error:
            # Whatever can be read is shown; a store that cannot even be read raises once more.
            history = History.open(self.path, read_only=True, patience=_PATIENCE, check=False)
            self.read_only = error.allowed
        return history

    def _close(self) -> None:
        if self._history is not None:
            self._history.close()


def take(history: History, row: Row) -> StoredRun:
    """A run with its ends. Raises StoreError, and ScenarioError for one that runs no more."""
    from scenarios import reader
    from scenarios.scenario import scenario_of

    origin = f"run {row['id']}"
    values, texts = reader.split(json.loads(history.scenario_text(row["id"])), origin)
    return StoredRun(row, scenario_of(values, texts, origin), history.ends(row["id"]))
