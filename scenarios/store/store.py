"""The run store itself: what goes in and what comes out."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from scenarios.events import run_id as identity_of
from scenarios.events import to_json
from scenarios.store.file import explaining, open_file, read_file
from scenarios.store.place import default_path
from scenarios.store.rows import (
    RESULT_COLUMNS,
    Row,
    array_columns,
    cell_columns,
    cell_result,
    keeps_arrays,
    result_columns,
    training_columns,
    whole_frame,
)
from scenarios.store.schema import JSON_COLUMNS

if TYPE_CHECKING:
    from engine.frame import Frame
    from scenarios.cells import CellResult
    from scenarios.scenario import Scenario
    from scenarios.schema import Value

#: What can be read as a whole, each with the order of its rows.
TABLES = {
    "runs": "id",
    "frames": "run_id, step",
    "sweeps": "id",
    "cells": "sweep_id, rowid",
}
#: Values that one SQL statement takes, well within what any SQLite allows.
_MOST_MARKS = 900
#: Seconds to wait for another program that holds the store.
PATIENCE = 5.0


class Store:
    """An open run store; use it in one thread of one process, and close it.

    Attributes:
        path: its file.
        set_aside: where a damaged file that stood at `path` was put, None where there was none.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, set_aside: Path | None) -> None:
        self.path = path
        self.set_aside = set_aside
        self._db = db

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        read_only: bool = False,
        patience: float = PATIENCE,
    ) -> Self:
        """The store at `path`, by default the user's (`scenarios.store.place`).

        For writing, a store that is not there is made, and one of an older version brought up to
        date. `patience` is how many seconds to wait for a program that holds it. Raises StoreError.
        """
        place = default_path() if path is None else Path(path)
        if path is None and not read_only:
            with explaining(place):
                place.parent.mkdir(parents=True, exist_ok=True)
        db, aside = (read_file if read_only else open_file)(place, patience)
        db.row_factory = _as_dict
        return cls(place, db, aside)

    def close(self) -> None:
        """Let go of the file."""
        with explaining(self.path):
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def be_patient(self, seconds: float) -> None:
        """Wait so long, from now on, for a program that holds the store."""
        self._db.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    def begin_run(
        self, scenario: Scenario, device: Mapping[str, Any], versions: Mapping[str, str]
    ) -> int:
        """Note that a run begins; its number in the store. Raises StoreError.

        `device` and `versions` are those of `scenarios.runner.Run`.
        """
        network = scenario.network
        row = {
            "run": identity_of(scenario, device["device"]),
            "name": scenario.name,
            "title": scenario.title,
            "kind": network.kind,
            "activation": network.activation,
            "depth": network.depth,
            "hidden_size": network.hidden_size,
            "time_steps": scenario.task.time_steps,
            "task": scenario.task.name,
            "seed": scenario.run.seed,
            "dtype": scenario.run.dtype,
            "device": device["device"],
            **_begun(),
            "steps": scenario.training.steps,
            "seconds": 0.0,
            "scenario": to_json(scenario.to_dict()),
            "device_info": to_json(dict(device)),
            "versions": to_json(dict(versions)),
        }
        with self._transaction():
            self._mark_cut_off("runs")
            number = self._insert("runs", row)
        return number

    def add_frame(self, run_id: int, frame: Frame) -> None:
        """Keep a frame. On return a killed process cannot lose it. Raises StoreError.

        Every step's scalars are kept, its arrays as `scenarios.store.rows.keeps_arrays` says.
        """
        row = {
            "run_id": run_id,
            **result_columns(frame),
            **training_columns(frame),
            "seconds": frame.seconds,
        }
        if keeps_arrays(frame.step):
            row |= array_columns(frame)
        if frame.step == 0:
            row["event"] = whole_frame(frame)
        # One statement is a transaction of its own.
        with explaining(self.path):
            # A step that an interrupt hit between here and its caller comes twice.
            self._insert("frames", row, "ON CONFLICT (run_id, step) DO NOTHING")

    def end_run(
        self, run_id: int, last: Frame | None, state: str, error: str | None = None
    ) -> None:
        """Note how a run ended: done, diverged, interrupted, or failed with an error in one line.

        Its last frame, already added, is kept whole. Raises StoreError.
        """
        with self._transaction():
            if last is not None:
                row = {**array_columns(last), "event": whole_frame(last)}
                place = (run_id, last.step)
                self._db.execute(
                    f"UPDATE frames SET {_assignments(row)} WHERE run_id = ? AND step = ?",
                    (*row.values(), *place),
                )
            latest = self._latest(run_id)
            self._update(
                "runs", run_id, {**latest, "state": state, "error": error, "ended": _now()}
            )

    def begin_sweep(self, definition: Mapping[str, object], cells: int) -> int:
        """Note that a sweep of so many cells begins; its number in the store. Raises StoreError.

        A sweep of the same definition keeps its number and its cells: it is gone on with.
        """
        written = to_json(dict(definition))
        identity = hashlib.sha256(written.encode()).hexdigest()
        row = {
            "sweep": identity,
            "name": definition["name"],
            **_begun(),
            "cells": cells,
            "definition": written,
        }
        again = ", ".join(f"{column} = excluded.{column}" for column in ("state", "host", "pid"))
        with self._transaction():
            self._mark_cut_off("sweeps")
            conflict = f"ON CONFLICT (sweep) DO UPDATE SET {again}, ended = NULL, error = NULL"
            self._insert("sweeps", row, conflict)
            found = self._db.execute("SELECT id FROM sweeps WHERE sweep = ?", (identity,))
            number: int = found.fetchone()["id"]
        return number

    def finished(self, keys: Sequence[str]) -> dict[str, CellResult]:
        """Results of the cells of these keys that any sweep finished without an error, by key.

        Raises StoreError.
        """
        results = {}
        with explaining(self.path):
            for start in range(0, len(keys), _MOST_MARKS):
                asked = keys[start : start + _MOST_MARKS]
                marks = ", ".join("?" * len(asked))
                query = f"SELECT * FROM cells WHERE key IN ({marks}) AND error IS NULL"
                for row in self._db.execute(query, asked):
                    results[row["key"]] = cell_result(row)
        return results

    def add_cells(
        self, sweep_id: int, cells: Iterable[tuple[Mapping[str, Value], CellResult]]
    ) -> None:
        """Keep cells of a sweep, each what the axes set and what became of it.

        On return a killed process cannot lose them. A cell that the sweep has already is written
        anew. Raises StoreError.
        """
        rows = [
            {"sweep_id": sweep_id, "axes": to_json(dict(axes)), **cell_columns(result)}
            for axes, result in cells
        ]
        if not rows:
            return
        columns = ", ".join(rows[0])
        marks = ", ".join("?" * len(rows[0]))
        with self._transaction():
            self._db.executemany(
                f"INSERT OR REPLACE INTO cells ({columns}) VALUES ({marks})",
                [tuple(row.values()) for row in rows],
            )

    def end_sweep(self, sweep_id: int, state: str, error: str | None = None) -> None:
        """Note how a sweep ended: done, interrupted or failed. Raises StoreError."""
        with self._transaction():
            self._update("sweeps", sweep_id, {"state": state, "error": error, "ended": _now()})

    def runs(self, words: Sequence[str] = (), limit: int | None = None) -> list[Row]:
        """The runs, newest first, as rows of the table without its JSON texts. Raises StoreError.

        One that is under way stands as its latest frame does.
        Each of `words` must occur in a run's name, title, kind, activation, task, verdict, state
        or device. A run whose process is gone without an end has the state "cut off".
        """
        return self._newest("runs", "", words, limit)

    def sweeps(self, words: Sequence[str] = (), limit: int | None = None) -> list[Row]:
        """The sweeps, newest first, in the same way.

        With `stored` and `failed`, how many of a sweep's cells are stored and how many of those
        could not be run. Words are looked for in its name and state. Raises StoreError.
        """
        of = "FROM cells WHERE sweep_id = sweeps.id"
        counts = f"(SELECT count(*) {of}) AS stored, (SELECT count(error) {of}) AS failed"
        return self._newest("sweeps", f", {counts}", words, limit)

    def columns(self, table: str) -> list[tuple[str, str]]:
        """Name and type, INTEGER, REAL or TEXT, of every column of a table of TABLES."""
        with explaining(self.path):
            found = self._db.execute("SELECT name, type FROM pragma_table_info(?)", (table,))
            return [(row["name"], row["type"]) for row in found]

    def rows(self, table: str, belongs_to: int | None = None) -> Iterator[tuple[Any, ...]]:
        """Every row of a table of TABLES, as it was when the first was asked for.

        `belongs_to` picks the frames of one run, the cells of one sweep, or one run or sweep.
        """
        order = TABLES[table]
        query, values = f"SELECT * FROM {table}", tuple[int, ...]()
        if belongs_to is not None:
            query, values = f"{query} WHERE {order.partition(',')[0]} = ?", (belongs_to,)
        with explaining(self.path):
            for row in self._db.execute(f"{query} ORDER BY {order}", values):
                if "state" in row:
                    row |= self._current(table, row)
                yield tuple(row.values())

    def _newest(self, table: str, more: str, words: Sequence[str], limit: int | None) -> list[Row]:
        names = [name for name, _ in self.columns(table) if name not in JSON_COLUMNS]
        kept: list[Row] = []
        with explaining(self.path):
            query = f"SELECT {', '.join(names)}{more} FROM {table} ORDER BY id DESC"
            for row in self._db.execute(query):
                if limit is not None and len(kept) == limit:
                    break
                row |= self._current(table, row)
                if all(_occurs(word, row) for word in words):
                    kept.append(row)
        return kept

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with explaining(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite has already gone back where the disk was full.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _insert(self, table: str, row: Row, conflict: str = "") -> int:
        """The new row's number, 0 where `conflict` kept it out."""
        marks = ", ".join("?" * len(row))
        done = self._db.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks}) {conflict}",
            tuple(row.values()),
        )
        return (done.lastrowid or 0) if done.rowcount else 0

    def _update(self, table: str, number: int, row: Row) -> None:
        query = f"UPDATE {table} SET {_assignments(row)} WHERE id = ?"
        self._db.execute(query, (*row.values(), number))

    def _current(self, table: str, row: Row) -> Row:
        """What has changed about a run or a sweep since its row was written."""
        if row["state"] != "running":
            return {}
        latest = self._latest(row["id"]) if table == "runs" else {}
        return {**latest, "state": current_state(row)}

    def _latest(self, run_id: int) -> Row:
        """How a run stands by its frames."""
        query = f"""
            SELECT {", ".join(RESULT_COLUMNS)},
                (SELECT sum(seconds) FROM frames WHERE run_id = :run) AS seconds
            FROM frames WHERE run_id = :run ORDER BY step DESC LIMIT 1
        """
        found: Row | None = self._db.execute(query, {"run": run_id}).fetchone()
        return found or {}

    def _mark_cut_off(self, table: str) -> None:
        """For tools that read the file without this package: this one looks each time."""
        query = f"SELECT id, state, host, pid FROM {table} WHERE state = 'running'"
        for row in self._db.execute(query).fetchall():
            if current_state(row) != "running":
                self._update(table, row["id"], self._current(table, row))


#: What words are looked for in.
_SEARCHED = ("name", "title", "kind", "activation", "task", "verdict", "state", "device")


def current_state(row: Mapping[str, Any]) -> str:
    """A run's or sweep's state; "cut off" where its process is gone without a word."""
    state: str = row["state"]
    if state != "running" or row["host"] != os.uname().nodename:
        return state
    try:
        os.kill(row["pid"], 0)
    except ProcessLookupError:
        return "cut off"
    except PermissionError:
        # Another user's: it is there.
        return state
    return state


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _occurs(word: str, row: Mapping[str, Any]) -> bool:
    return any(word.lower() in str(row.get(key) or "").lower() for key in _SEARCHED)


def _assignments(row: Row) -> str:
    return ", ".join(f"{column} = ?" for column in row)


def _begun() -> Row:
    """What is known of whoever begins something now."""
    return {
        "state": "running",
        "began": _now(),
        "host": os.uname().nodename,
        "pid": os.getpid(),
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
