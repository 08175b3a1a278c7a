"""The store as its user's history: a page of it in any order, and renaming, deleting, undoing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from scenarios.store.database import SEARCHED, Database, current_state
from scenarios.store.errors import StoreError
from scenarios.store.file import explaining
from scenarios.store.frames import stored_frame
from scenarios.store.rows import Row
from scenarios.store.schema import JSON_COLUMNS

if TYPE_CHECKING:
    from engine.frame import Frame

#: What a page can be ordered by; each has an index, so that no order has to read every run.
ORDERS = {
    "id": "id",
    "name": "coalesce(label, name)",
    "state": "state",
    "step": "step",
    "loss": "loss",
    "decades": "decades",
    "verdict": "verdict",
    "seconds": "seconds",
}
#: What words are looked for in: the columns of SEARCHED in one text, a line each.
_NULLABLE = ("label", "activation", "verdict", "changes")
_WORDS = " || char(10) || ".join(
    f"coalesce({column}, '')" if column in _NULLABLE else column for column in SEARCHED
)
#: How long a deleted run can be had back before it is gone for good.
KEPT_FOR = timedelta(days=7)
#: Characters that a label may have.
LONGEST_LABEL = 60


class History(Database):
    """An open run store to look through and to tidy up."""

    def page(
        self,
        words: Sequence[str] = (),
        *,
        order: str = "id",
        descending: bool = True,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Row]:
        """Some runs, as `Store.runs` has them, in an order of ORDERS; nulls come last.

        A run under way has its place in the order, and among the words, by how it began, and stands
        in its row as it is now. Raises StoreError.
        """
        names = [name for name, _ in self.columns("runs") if name not in JSON_COLUMNS]
        matching, values = _matching(words)
        way = "DESC" if descending else "ASC"
        # A bare id would have SQLite look up every match and sort, instead of following an order.
        chosen = f"+id IN (SELECT id {matching})" if words else "true"
        order_by = f"{ORDERS[order]} {way} NULLS LAST, id {way}"
        query = f"""
            SELECT {", ".join(names)} FROM runs WHERE id IN (
                SELECT id FROM runs WHERE deleted IS NULL AND {chosen}
                ORDER BY {order_by} LIMIT ? OFFSET ?
            ) ORDER BY {order_by}
        """
        with explaining(self.path):
            found = self._db.execute(query, (*values, limit, offset)).fetchall()
            return [row | self._current("runs", row) for row in found]

    def count(self, words: Sequence[str] = ()) -> int:
        """How many runs have these words. Raises StoreError."""
        matching, values = _matching(words)
        with explaining(self.path):
            found = self._db.execute(f"SELECT count(*) AS count {matching}", values).fetchone()
            count: int = found["count"]
            return count

    def version(self) -> int:
        """A number that is another one after anybody else has written. Raises StoreError."""
        with explaining(self.path):
            number: int = self._db.execute("PRAGMA data_version").fetchone()["data_version"]
            return number

    def scenario_text(self, run_id: int) -> str:
        """A run's resolved scenario, as JSON. Raises StoreError, also if there is no such run."""
        with explaining(self.path):
            query = "SELECT scenario FROM runs WHERE id = ? AND deleted IS NULL"
            found = self._db.execute(query, (run_id,)).fetchone()
        if found is None:
            raise StoreError(self.path, f"holds no run {run_id}")
        text: str = found["scenario"]
        return text

    def ends(self, run_id: int) -> list[Frame]:
        """A run's first frame, and the last whose arrays are kept; empty where there is none.

        What an end of the run did not come to keep is missing: log10_grad_a and the paths are empty
        in the last frame of a run that was cut off. Raises StoreError.
        """
        query = """
            SELECT * FROM frames WHERE run_id = ? AND log10_grad_h IS NOT NULL
            ORDER BY step {} LIMIT 1
        """
        with explaining(self.path):
            rows = [
                self._db.execute(query.format(way), (run_id,)).fetchone() for way in ("", "DESC")
            ]
        frames = [stored_frame(row) for row in rows if row is not None]
        return frames[:1] if len({frame.step for frame in frames}) == 1 else frames

    def rename(self, run_id: int, label: str | None) -> None:
        """Call a run something else than its scenario's name, or that again. Raises StoreError."""
        label = " ".join((label or "").split()) or None
        if label is not None and len(label) > LONGEST_LABEL:
            raise StoreError(self.path, f"a run's name has at most {LONGEST_LABEL} characters")
        if label is not None and not label.isprintable():
            raise StoreError(self.path, "a run's name has no control characters")
        with self._transaction():
            self._kept(run_id)
            self._update("runs", run_id, {"label": label})

    def delete(self, run_ids: Iterable[int]) -> None:
        """Take runs out of every list, together. `restore` has them back.

        Nothing else changes until KEPT_FOR has passed, whatever becomes of this process. Raises
        StoreError for a run that is not there or still runs; then none is deleted.
        """
        deleted = datetime.now(UTC).isoformat(timespec="microseconds")
        with self._transaction():
            for run_id in run_ids:
                if current_state(self._kept(run_id)) == "running":
                    raise StoreError(self.path, f"run {run_id} is still running")
                self._update("runs", run_id, {"deleted": deleted})

    def restore(self) -> list[Row]:
        """Have back what was deleted last, as rows; none where nothing is. Raises StoreError."""
        last = "SELECT max(deleted) FROM runs WHERE deleted IS NOT NULL"
        with self._transaction():
            query = f"SELECT id, name, label FROM runs WHERE deleted = ({last}) ORDER BY id"
            found: list[Row] = self._db.execute(query).fetchall()
            for row in found:
                self._update("runs", row["id"], {"deleted": None})
        return found

    def tidy(self) -> None:
        """Let go for good of what was deleted long ago, and mark runs whose process is gone.

        Raises StoreError.
        """
        limit = (datetime.now(UTC) - KEPT_FOR).isoformat(timespec="microseconds")
        with self._transaction():
            self._db.execute("DELETE FROM runs WHERE deleted < ?", (limit,))
            self._mark_cut_off("runs")

    def _kept(self, run_id: int) -> Row:
        query = "SELECT state, host, pid FROM runs WHERE id = ? AND deleted IS NULL"
        row: Row | None = self._db.execute(query, (run_id,)).fetchone()
        if row is None:
            raise StoreError(self.path, f"holds no run {run_id}")
        return row


def _matching(words: Sequence[str]) -> tuple[str, list[str]]:
    """What selects the runs that are not deleted and have every word, and its values."""
    patterns = []
    for word in words:
        plain = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        patterns.append(f"%{plain}%")
    conditions = ["deleted IS NULL", *[f"{_WORDS} LIKE ? ESCAPE '\\'"] * len(words)]
    index = "runs_by_words" if words else "runs_kept"
    return f"FROM runs INDEXED BY {index} WHERE {' AND '.join(conditions)}", patterns
