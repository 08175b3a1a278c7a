"""The run store itself: what goes in and what comes out."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scenarios.changes import changes_between, original
from scenarios.events import run_id as identity_of
from scenarios.events import to_json
from scenarios.store.database import PATIENCE as PATIENCE
from scenarios.store.database import SEARCHED, Database, assignments, now
from scenarios.store.file import explaining
from scenarios.store.rows import (
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
#: What of a table does not belong to a deleted run.
_KEPT = {
    "runs": "deleted IS NULL",
    "frames": "run_id NOT IN (SELECT id FROM runs WHERE deleted IS NOT NULL)",
}
#: Values that one SQL statement takes, well within what any SQLite allows.
_MOST_MARKS = 900


class Store(Database):
    """What was run: put in by whoever runs it, taken out as it went in."""

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
            "changes": " ".join(changes_between(original(scenario), scenario)),
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
                    f"UPDATE frames SET {assignments(row)} WHERE run_id = ? AND step = ?",
                    (*row.values(), *place),
                )
            latest = self._latest(run_id)
            self._update("runs", run_id, {**latest, "state": state, "error": error, "ended": now()})

    def alike(
        self, scenario: Scenario, device: str | None, versions: Mapping[str, str]
    ) -> dict[int, dict[str, Any]]:
        """Runs that may have made the same training, by their number, each with its scenario as
        `Scenario.to_dict` has it: of this device and these versions, and alike in their columns.

        Raises StoreError.
        """
        query = """
            SELECT id, scenario FROM runs
            WHERE kind = ? AND task = ? AND seed = ? AND device = ? AND versions = ?
                AND deleted IS NULL
        """
        asked = (scenario.network.kind, scenario.task.name, scenario.run.seed, device)
        with explaining(self.path):
            rows = self._db.execute(query, (*asked, to_json(dict(versions)))).fetchall()
        return {row["id"]: json.loads(row["scenario"]) for row in rows}

    def training(self, runs: Sequence[int]) -> list[Row]:
        """How one training went, step by step, that these runs made in turn.

        Of a step that several made the latest counts. `diverged` is the layer where the forward
        pass left the dtype, the last one where the loss alone did, else None. Raises StoreError.
        """
        query = f"""
            SELECT frames.step, frames.loss, evaluation_loss, evaluation_accuracy, frames.seconds,
                coalesce(frames.overflow_layer, iif(frames.loss IS NULL, depth, NULL)) AS diverged,
                max(run_id) AS latest
            FROM frames JOIN runs ON runs.id = run_id
            WHERE run_id IN ({", ".join("?" * len(runs))})
            GROUP BY frames.step ORDER BY frames.step
        """
        with explaining(self.path):
            rows: list[Row] = self._db.execute(query, tuple(runs)).fetchall()
        for row in rows:
            del row["latest"]
        return rows

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
            self._update("sweeps", sweep_id, {"state": state, "error": error, "ended": now()})

    def runs(self, words: Sequence[str] = (), limit: int | None = None) -> list[Row]:
        """The runs, newest first, as rows of the table without its JSON texts. Raises StoreError.

        One that is under way stands as its latest frame does; one that is deleted is left out.
        Each of `words` must occur in a run's label, name, title, kind, activation, task, verdict,
        state, device or changes. One whose process is gone without an end has the state "cut off".
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

    def rows(self, table: str, belongs_to: int | None = None) -> Iterator[tuple[Any, ...]]:
        """Every row of a table of TABLES, as it was when the first was asked for.

        What belongs to a deleted run is left out.
        `belongs_to` picks the frames of one run, the cells of one sweep, or one run or sweep.
        """
        order = TABLES[table]
        owner = order.partition(",")[0]
        conditions, values = [_KEPT.get(table, "true")], tuple[int, ...]()
        if belongs_to is not None:
            conditions, values = [*conditions, f"{owner} = ?"], (belongs_to,)
        query = f"SELECT * FROM {table} WHERE {' AND '.join(conditions)} ORDER BY {order}"
        with explaining(self.path):
            for row in self._db.execute(query, values):
                if "state" in row:
                    row |= self._current(table, row)
                yield tuple(row.values())

    def _newest(self, table: str, more: str, words: Sequence[str], limit: int | None) -> list[Row]:
        names = [name for name, _ in self.columns(table) if name not in JSON_COLUMNS]
        kept: list[Row] = []
        with explaining(self.path):
            kept_only = _KEPT.get(table, "true")
            columns = f"{', '.join(names)}{more}"
            query = f"SELECT {columns} FROM {table} WHERE {kept_only} ORDER BY id DESC"
            for row in self._db.execute(query):
                if limit is not None and len(kept) == limit:
                    break
                row |= self._current(table, row)
                if all(_occurs(word, row) for word in words):
                    kept.append(row)
        return kept


def _occurs(word: str, row: Mapping[str, Any]) -> bool:
    return any(word.lower() in str(row.get(key) or "").lower() for key in SEARCHED)


def _begun() -> Row:
    """What is known of whoever begins something now."""
    return {
        "state": "running",
        "began": now(),
        "host": os.uname().nodename,
        "pid": os.getpid(),
    }
