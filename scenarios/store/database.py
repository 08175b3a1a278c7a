"""An open store's file, and what every way to use it needs: the connection, transactions, rows."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scenarios.store.file import explaining, open_file, read_file
from scenarios.store.place import default_path
from scenarios.store.rows import RESULT_COLUMNS, Row

#: Seconds to wait for another program that holds the store.
PATIENCE = 5.0
#: What words are looked for in.
SEARCHED = (
    *("label", "name", "title", "kind", "activation", "task", "verdict", "state", "device"),
    "changes",
)


class Database:
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
        check: bool = True,
    ) -> Self:
        """The store at `path`, by default the user's (`scenarios.store.place`).

        For writing, a store that is not there is made, and one of an older version brought up to
        date. `patience` is how many seconds to wait for a program that holds it. Without `check`,
        which reads the whole file, damage shows where it is met. Raises StoreError.
        """
        place = default_path() if path is None else Path(path)
        if path is None and not read_only:
            with explaining(place):
                place.parent.mkdir(parents=True, exist_ok=True)
        db, aside = (read_file if read_only else open_file)(place, patience, check=check)
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

    def columns(self, table: str) -> list[tuple[str, str]]:
        """Name and type, INTEGER, REAL or TEXT, of every column of a table of TABLES."""
        with explaining(self.path):
            found = self._db.execute("SELECT name, type FROM pragma_table_info(?)", (table,))
            return [(row["name"], row["type"]) for row in found]

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
        query = f"UPDATE {table} SET {assignments(row)} WHERE id = ?"
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


def assignments(row: Row) -> str:
    """The columns of a row as an UPDATE sets them."""
    return ", ".join(f"{column} = ?" for column in row)


def now() -> str:
    """This moment as the store writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
