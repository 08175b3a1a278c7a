"""The store's tables, as the SQL that made them, step by step.

A released step is never changed: what is to be different comes as a further step. Columns are
plain, for tools that know nothing of this package: numbers as REAL and INTEGER, times as ISO 8601
in UTC, arrays and records as JSON text. NULL stands where the JSON events have null.
"""

from __future__ import annotations

import sqlite3

#: "nabl" in ASCII, in the file's header: this SQLite file is a run store.
APPLICATION_ID = 0x6E61626C

#: The TEXT columns that hold JSON.
JSON_COLUMNS = frozenset(
    {
        *("scenario", "device_info", "versions", "definition", "axes"),
        *("log10_grad_h", "log10_grad_params", "event", "final_log10_grad"),
    }
)

#: What makes version k of version k - 1, version 0 being an empty file.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # run: equal for equal scenarios and devices; seconds to overflow_step: when it ended.
        """
        CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL,
            name TEXT NOT NULL,
            title TEXT NOT NULL,
            kind TEXT NOT NULL,
            activation TEXT,
            depth INTEGER NOT NULL,
            hidden_size INTEGER NOT NULL,
            time_steps INTEGER,
            task TEXT NOT NULL,
            seed INTEGER NOT NULL,
            dtype TEXT NOT NULL,
            device TEXT NOT NULL,
            state TEXT NOT NULL,
            error TEXT,
            began TEXT NOT NULL,
            ended TEXT,
            host TEXT NOT NULL,
            pid INTEGER NOT NULL,
            steps INTEGER NOT NULL,
            seconds REAL NOT NULL,
            step INTEGER,
            loss REAL,
            verdict TEXT,
            decades REAL,
            decades_per_hop REAL,
            hops INTEGER,
            axis TEXT,
            layer INTEGER,
            dead_layer INTEGER,
            dead_step INTEGER,
            overflow_layer INTEGER,
            overflow_step INTEGER,
            scenario TEXT NOT NULL,
            device_info TEXT NOT NULL,
            versions TEXT NOT NULL
        )
        """,
        # event: the whole frame as `run --json` prints it, for a run's first and last frame.
        """
        CREATE TABLE frames (
            run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            step INTEGER NOT NULL,
            loss REAL,
            verdict TEXT NOT NULL,
            decades REAL,
            decades_per_hop REAL,
            hops INTEGER NOT NULL,
            axis TEXT NOT NULL,
            layer INTEGER NOT NULL,
            dead_layer INTEGER,
            dead_step INTEGER,
            overflow_layer INTEGER,
            overflow_step INTEGER,
            seconds REAL NOT NULL,
            log10_grad_h TEXT,
            log10_grad_params TEXT,
            event TEXT,
            PRIMARY KEY (run_id, step)
        )
        """,
        # sweep: equal for equal definitions; such a sweep is gone on with, not begun again.
        """
        CREATE TABLE sweeps (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sweep TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            state TEXT NOT NULL,
            error TEXT,
            began TEXT NOT NULL,
            ended TEXT,
            host TEXT NOT NULL,
            pid INTEGER NOT NULL,
            cells INTEGER NOT NULL,
            definition TEXT NOT NULL
        )
        """,
        # axes: what the sweep set, by dotted key; key: `scenarios.cells.cell_key` of the result.
        """
        CREATE TABLE cells (
            sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
            axes TEXT NOT NULL,
            key TEXT NOT NULL,
            verdict TEXT,
            decades REAL,
            decades_per_hop REAL,
            hops INTEGER,
            step INTEGER,
            loss REAL,
            dead_layer INTEGER,
            dead_step INTEGER,
            overflow_layer INTEGER,
            overflow_step INTEGER,
            seconds REAL NOT NULL,
            error TEXT,
            final_log10_grad TEXT,
            PRIMARY KEY (sweep_id, axes)
        )
        """,
        "CREATE INDEX cells_by_key ON cells (key)",
    ),
    (
        # evaluation: on what is never trained on, at the steps where somebody looked.
        "ALTER TABLE frames ADD COLUMN accuracy REAL",
        "ALTER TABLE frames ADD COLUMN evaluation_loss REAL",
        "ALTER TABLE frames ADD COLUMN evaluation_accuracy REAL",
        "ALTER TABLE frames ADD COLUMN learning_rate REAL",
    ),
    (
        # label: the name its user gave it; deleted: when, for as long as it can be undone.
        "ALTER TABLE runs ADD COLUMN label TEXT",
        "ALTER TABLE runs ADD COLUMN deleted TEXT",
        # For lists of any length, in any order and narrowed by words: `scenarios.store.history`
        # writes its expressions as they stand here.
        "CREATE INDEX runs_kept ON runs (id) WHERE deleted IS NULL",
        """
        CREATE INDEX runs_by_words ON runs (
            coalesce(label, '') || char(10) || name || char(10) || title || char(10) || kind
            || char(10) || coalesce(activation, '') || char(10) || task || char(10)
            || coalesce(verdict, '') || char(10) || state || char(10) || device
        ) WHERE deleted IS NULL
        """,
        "CREATE INDEX runs_by_name ON runs (coalesce(label, name)) WHERE deleted IS NULL",
        "CREATE INDEX runs_by_state ON runs (state) WHERE deleted IS NULL",
        "CREATE INDEX runs_by_step ON runs (step) WHERE deleted IS NULL",
        "CREATE INDEX runs_by_loss ON runs (loss) WHERE deleted IS NULL",
        "CREATE INDEX runs_by_decades ON runs (decades) WHERE deleted IS NULL",
        "CREATE INDEX runs_by_verdict ON runs (verdict) WHERE deleted IS NULL",
        "CREATE INDEX runs_by_seconds ON runs (seconds) WHERE deleted IS NULL",
        "CREATE INDEX runs_by_deletion ON runs (deleted) WHERE deleted IS NOT NULL",
    ),
    (
        # changes: what is otherwise than in the catalogue's scenario of that name, as key=value.
        "ALTER TABLE runs ADD COLUMN changes TEXT",
        "UPDATE runs SET changes = changes_in(scenario)",
        "DROP INDEX runs_by_words",
        """
        CREATE INDEX runs_by_words ON runs (
            coalesce(label, '') || char(10) || name || char(10) || title || char(10) || kind
            || char(10) || coalesce(activation, '') || char(10) || task || char(10)
            || coalesce(verdict, '') || char(10) || state || char(10) || device || char(10)
            || coalesce(changes, '')
        ) WHERE deleted IS NULL
        """,
    ),
)


def latest() -> int:
    """The version this package writes."""
    return len(MIGRATIONS)


def version_of(db: sqlite3.Connection) -> int:
    """The version of the file's tables, 0 where there are none."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def migrate(db: sqlite3.Connection) -> None:
    """Bring the tables up to date, or leave them exactly as they were."""
    from scenarios.changes import changes_in_texts

    db.create_function("changes_in", 1, changes_in_texts())
    db.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(db)
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            for statement in statements:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
