"""The run store: what goes in comes out, whole files are kept whole, others are set aside."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.frame import Frame
from scenarios.cells import CellResult, failed_cell
from scenarios.events import frame_event, to_json
from scenarios.runner import Run
from scenarios.scenario import load
from scenarios.store import schema
from scenarios.store.errors import StoreError
from scenarios.store.place import default_path
from scenarios.store.recording import Recording
from scenarios.store.rows import keeps_arrays
from scenarios.store.store import TABLES, Store

SMALL = {"run.device": "cpu", "network.hidden_size": 8, "task.batch_size": 4, "training.steps": 3}
#: Bytes of one of SQLite's pages.
PAGE = 4096


def small_run(name: str = "rnn-tanh", **changes: object) -> Run:
    return Run(load(name, {**SMALL, **changes}))


def store_run(store: Store, run: Run) -> tuple[int, list[Frame]]:
    number = store.begin_run(run.scenario, run.device, run.versions)
    frames = list(run.frames())
    for frame in frames:
        store.add_frame(number, frame)
    store.end_run(number, frames[-1], "done")
    return number, frames


def plain(path: Path, query: str) -> list[tuple[object, ...]]:
    """As any tool would read it, without this package."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


def test_a_run_and_its_frames(path: Path) -> None:
    run = small_run()
    with Store.open(path) as store:
        number, frames = store_run(store, run)
    rows = plain(
        path,
        "SELECT step, loss, verdict, decades, seconds, log10_grad_h, log10_grad_params FROM frames",
    )
    for row, frame in zip(rows, frames, strict=True):
        event = frame_event(frame)
        assert row[:4] == tuple(event[key] for key in ("step", "loss", "verdict", "decades"))
        assert row[4] == frame.seconds
        assert json.loads(str(row[5])) == event["log10_grad_h"]
        assert json.loads(str(row[6])) == event["log10_grad_params"]
    events = plain(path, "SELECT step, event FROM frames WHERE event IS NOT NULL")
    assert events == [(k, to_json(frame_event(frames[k]))) for k in (0, 3)]
    (stored,) = plain(
        path,
        "SELECT id, name, state, step, verdict, decades, layer, seconds, scenario, versions"
        " FROM runs",
    )
    last = frame_event(frames[-1])
    assert stored[:7] == (
        *(number, "rnn-tanh", "done", 3, last["verdict"], last["decades"], last["layer"]),
    )
    assert stored[7] == pytest.approx(sum(frame.seconds for frame in frames))
    assert json.loads(str(stored[8])) == run.scenario.to_dict()
    assert json.loads(str(stored[9])) == run.versions


def test_a_run_is_there_while_it_runs(path: Path) -> None:
    """A reader sees every step as soon as it is stored; it needs no writer to be gone."""
    run = small_run()
    with Store.open(path) as store, Store.open(path, read_only=True) as reader:
        number = store.begin_run(run.scenario, run.device, run.versions)
        assert [row["step"] for row in reader.runs()] == [None]
        for frame in run.frames():
            store.add_frame(number, frame)
            (row,) = reader.runs()
            assert (row["step"], row["state"]) == (frame.step, "running")
            assert row["verdict"] == frame.verdict.name
            assert len(list(reader.rows("frames"))) == frame.step + 1


def test_zeros_and_overflows_are_null(path: Path) -> None:
    over = small_run("rnn-relu", **{"init.recurrent_scale": 1000.0, "training.steps": 0})
    dead = small_run("rnn-relu", **{"init.bias_scale": 0.0, "init.weight_scale": 0.0})
    with Store.open(path) as store:
        _, overflowed = store_run(store, over)
        _, died = store_run(store, dead)
    place, zero = overflowed[0].overflow, died[0].verdict.dead_at
    assert place is not None and zero is not None
    rows = plain(
        path,
        "SELECT verdict, loss, decades, overflow_layer, overflow_step, dead_layer, dead_step,"
        " log10_grad_h FROM frames WHERE step = 0 ORDER BY run_id",
    )
    assert rows[0][:7] == ("overflow", None, None, place.layer, place.step, None, None)
    assert rows[1][0] == "dead" and rows[1][3:7] == (None, None, *zero)
    assert [json.loads(str(row[7])) for row in rows] == [
        frame_event(frame)["log10_grad_h"] for frame in (overflowed[0], died[0])
    ]


def test_long_runs_keep_every_scalar_and_ever_fewer_arrays(path: Path) -> None:
    kept = [step for step in range(30_000) if keeps_arrays(step)]
    assert kept[:1000] == list(range(1000))
    assert kept[1000:1900] == list(range(1000, 10_000, 10))
    assert kept[1900:] == list(range(10_000, 30_000, 100))
    run = small_run("chain-relu", **{"training.steps": 1005})
    with Store.open(path) as store:
        store_run(store, run)
    assert plain(path, "SELECT count(*), count(loss), count(decades) FROM frames") == [
        (1006, 1006, 1006)
    ]
    without = plain(path, "SELECT step FROM frames WHERE log10_grad_h IS NULL")
    # The last one is kept whole.
    assert without == [(step,) for step in range(1001, 1005)]


def test_a_step_added_twice_counts_once(path: Path) -> None:
    run = small_run()
    with Store.open(path) as store:
        number = store.begin_run(run.scenario, run.device, run.versions)
        frame = next(run.frames())
        store.add_frame(number, frame)
        store.add_frame(number, frame)
    assert plain(path, "SELECT seconds FROM frames") == [(frame.seconds,)]


def test_runs_newest_first_by_words(path: Path) -> None:
    with Store.open(path) as store:
        for name in ("rnn-tanh", "mlp-relu", "rnn-relu"):
            store_run(store, small_run(name, **{"training.steps": 0}))

        def names(*words: str, limit: int | None = None) -> list[str]:
            return [run["name"] for run in store.runs(words, limit)]

        assert names() == ["rnn-relu", "mlp-relu", "rnn-tanh"]
        assert names("RELU") == ["rnn-relu", "mlp-relu"]
        assert names("relu", "rnn") == ["rnn-relu"]
        assert names("rnn", limit=1) == ["rnn-relu"]
        assert names("%") == []


def test_a_run_whose_process_is_gone_was_cut_off(path: Path) -> None:
    code = (
        "import os\n"
        "from scenarios.runner import Run\nfrom scenarios.scenario import load\n"
        "from scenarios.store.store import Store\n"
        f"run = Run(load('chain-relu', {SMALL!r}))\n"
        f"number = (store := Store.open({str(path)!r})).begin_run("
        "run.scenario, run.device, run.versions)\n"
        "store.add_frame(number, next(run.frames()))\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert plain(path, "SELECT state FROM runs") == [("running",)]
    with Store.open(path, read_only=True) as reader:
        assert [(run["state"], run["step"]) for run in reader.runs()] == [("cut off", 0)]
        names = [name for name, _ in reader.columns("runs")]
        assert [row[names.index("state")] for row in reader.rows("runs")] == ["cut off"]
    run = small_run()
    with Store.open(path) as store:
        store.begin_run(run.scenario, run.device, run.versions)
    assert plain(path, "SELECT state, step FROM runs") == [("cut off", 0), ("running", None)]
    # On another machine nobody here can tell.
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE runs SET state = 'running', host = 'elsewhere', pid = 1")
        db.commit()
    assert os.uname().nodename != "elsewhere"
    with Store.open(path, read_only=True) as reader:
        assert {run["state"] for run in reader.runs()} == {"running"}


def write_many(path: str, count: int) -> None:
    run = small_run("chain-relu", **{"training.steps": count - 1})
    with Store.open(path) as store:
        store_run(store, run)


def test_writers_and_a_reader_at_once(path: Path) -> None:
    """Three processes that begin together make one store and lose no step to each other."""
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=write_many, args=(str(path), 40), daemon=True) for _ in range(3)
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            with Store.open(path, read_only=True) as reader:
                for run in reader.runs():
                    steps = [row[1] for row in reader.rows("frames", run["id"])]
                    assert steps == list(range(len(steps)))
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert plain(path, "SELECT run_id, count(*) FROM frames GROUP BY run_id") == [
        (number, 40) for number in (1, 2, 3)
    ]
    assert plain(path, "PRAGMA integrity_check") == [("ok",)]


# Sweeps

DEFINITION = {"name": "scales", "axes": [{"field": "init.weight_scale", "values": [0.5, 1.0, 1.5]}]}
CELLS = [
    (
        {"init.weight_scale": 0.5},
        CellResult("a" * 64, "vanishing", -7.25, -0.0725, 100, 0.5, 3, seconds=0.25),
    ),
    (
        {"init.weight_scale": 1.0},
        CellResult(
            "b" * 64, "dead", None, None, 2, 0.5, 3, None, (1, 40), (None, -2.5, -1.0), 0.125
        ),
    ),
    (
        {"init.weight_scale": 1.5},
        CellResult("c" * 64, "overflow", hops=100, step=0, overflow=(1, 7), seconds=0.5),
    ),
    ({"init.weight_scale": 9.0}, failed_cell("d" * 64, "this machine ran out of memory")),
]


def test_cells_come_back_by_key(path: Path) -> None:
    with Store.open(path) as store, Store.open(path, read_only=True) as reader:
        number = store.begin_sweep(DEFINITION, 5)
        store.add_cells(number, CELLS[:2])
        assert set(reader.finished([cell.key for _, cell in CELLS])) == {"a" * 64, "b" * 64}
        store.add_cells(number, CELLS[2:])
        keys = [cell.key for _, cell in CELLS] + [f"{k:064}" for k in range(2000)]
        # One that failed is not finished.
        assert reader.finished(keys) == {cell.key: cell for _, cell in CELLS[:3]}
        assert reader.finished([]) == {}
        (sweep,) = reader.sweeps()
        assert [sweep[name] for name in ("name", "cells", "stored", "failed", "state")] == [
            *("scales", 5, 4, 1, "running"),
        ]
        store.end_sweep(number, "done")
        assert [sweep["state"] for sweep in reader.sweeps()] == ["done"]
    assert plain(path, "SELECT axes, error FROM cells WHERE key LIKE 'd%'") == [
        ('{"init.weight_scale":9.0}', "this machine ran out of memory")
    ]
    assert plain(path, "SELECT dead_layer, dead_step, final_log10_grad FROM cells")[1] == (
        *(1, 40, "[null,-2.5,-1.0]"),
    )


def test_a_sweep_begun_again_is_gone_on_with(path: Path) -> None:
    with Store.open(path) as store:
        number = store.begin_sweep(DEFINITION, 4)
        store.add_cells(number, CELLS)
        store.end_sweep(number, "interrupted")
        other = store.begin_sweep({**DEFINITION, "name": "others"}, 4)
        assert store.begin_sweep(DEFINITION, 4) == number != other
        assert [sweep["state"] for sweep in store.sweeps(["scales"])] == ["running"]
        # The cell that failed is tried again; one result takes the place of the other.
        better = CellResult("d" * 64, "healthy", 0.5, 0.005, 100, 0.5, 3, seconds=0.25)
        store.add_cells(number, [(CELLS[3][0], better)])
        # The same cell in another sweep is that sweep's too.
        store.add_cells(other, CELLS[:1])
        assert store.finished(["d" * 64]) == {"d" * 64: better}
        counts = {sweep["name"]: (sweep["stored"], sweep["failed"]) for sweep in store.sweeps()}
        assert counts == {"scales": (4, 0), "others": (1, 0)}
        assert len(list(store.rows("cells", other))) == 1


def test_two_cells_of_one_key_keep_their_own_axes(path: Path) -> None:
    """Axes may give the same scenario twice."""
    result = CELLS[0][1]
    with Store.open(path) as store:
        number = store.begin_sweep(DEFINITION, 2)
        store.add_cells(number, [({"seed": 1}, result), ({"seed": 2}, result)])
    assert plain(path, "SELECT axes FROM cells") == [('{"seed":1}',), ('{"seed":2}',)]


# Versions


#: Version 1 as it was first written, with one run of one frame.
VERSION_1 = """
CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, name TEXT NOT NULL,
    title TEXT NOT NULL, kind TEXT NOT NULL, activation TEXT, depth INTEGER NOT NULL,
    hidden_size INTEGER NOT NULL, time_steps INTEGER, task TEXT NOT NULL, seed INTEGER NOT NULL,
    dtype TEXT NOT NULL, device TEXT NOT NULL, state TEXT NOT NULL, error TEXT,
    began TEXT NOT NULL, ended TEXT, host TEXT NOT NULL, pid INTEGER NOT NULL,
    steps INTEGER NOT NULL, seconds REAL NOT NULL, step INTEGER, loss REAL, verdict TEXT,
    decades REAL, decades_per_hop REAL, hops INTEGER, axis TEXT, layer INTEGER,
    dead_layer INTEGER, dead_step INTEGER, overflow_layer INTEGER, overflow_step INTEGER,
    scenario TEXT NOT NULL, device_info TEXT NOT NULL, versions TEXT NOT NULL);
CREATE TABLE frames (run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL, loss REAL, verdict TEXT NOT NULL, decades REAL, decades_per_hop REAL,
    hops INTEGER NOT NULL, axis TEXT NOT NULL, layer INTEGER NOT NULL, dead_layer INTEGER,
    dead_step INTEGER, overflow_layer INTEGER, overflow_step INTEGER, seconds REAL NOT NULL,
    log10_grad_h TEXT, log10_grad_params TEXT, event TEXT, PRIMARY KEY (run_id, step));
CREATE TABLE sweeps (id INTEGER PRIMARY KEY AUTOINCREMENT, sweep TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, state TEXT NOT NULL, error TEXT, began TEXT NOT NULL, ended TEXT,
    host TEXT NOT NULL, pid INTEGER NOT NULL, cells INTEGER NOT NULL, definition TEXT NOT NULL);
CREATE TABLE cells (sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    axes TEXT NOT NULL, key TEXT NOT NULL, verdict TEXT, decades REAL, decades_per_hop REAL,
    hops INTEGER, step INTEGER, loss REAL, dead_layer INTEGER, dead_step INTEGER,
    overflow_layer INTEGER, overflow_step INTEGER, seconds REAL NOT NULL, error TEXT,
    final_log10_grad TEXT, PRIMARY KEY (sweep_id, axes));
CREATE INDEX cells_by_key ON cells (key);
INSERT INTO runs VALUES (7, 'abcdef012345', 'old', 'An old one', 'rnn', 'tanh', 1, 8, 100,
    'noise', 0, 'float32', 'cpu', 'done', NULL, '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z',
    'elsewhere', 1, 0, 0.5, 0, 0.9, 'healthy', -1.5, -0.015, 99, 'time', 1, NULL, NULL, NULL,
    NULL, '{}', '{}', '{}');
INSERT INTO frames VALUES (7, 0, 0.9, 'healthy', -1.5, -0.015, 99, 'time', 1, NULL, NULL, NULL,
    NULL, 0.5, '[[-1.5,0.0]]', '{}', NULL);
PRAGMA application_id = 1851875948;
PRAGMA user_version = 1;
"""


def write_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1)


def tables(path: Path) -> dict[str, list[tuple[object, ...]]]:
    return {table: plain(path, f"PRAGMA table_info({table})") for table in TABLES}


def test_a_store_of_version_1_is_brought_up_to_date(path: Path, tmp_path: Path) -> None:
    write_version_1(path)
    with Store.open(tmp_path / "new.sqlite"):
        pass
    with Store.open(path) as store:
        store_run(store, small_run())
        assert [run["name"] for run in store.runs()] == ["rnn-tanh", "old"]
    assert plain(path, "PRAGMA user_version") == [(len(schema.MIGRATIONS),)]
    assert plain(path, "PRAGMA journal_mode") == [("wal",)]
    assert tables(path) == tables(tmp_path / "new.sqlite")


@pytest.mark.parametrize("read_only", [False, True])
def test_later_steps_are_added_to_what_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    write_version_1(path)
    later = (("ALTER TABLE runs ADD COLUMN loud TEXT", "UPDATE runs SET loud = upper(name)"),)
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS + later)
    with Store.open(path, read_only=read_only) as store:
        assert [run["loud"] for run in store.runs()] == ["OLD"]
    assert plain(path, "PRAGMA user_version") == [(len(schema.MIGRATIONS),)]


def test_a_step_that_fails_leaves_the_store_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_version_1(path)
    before = tables(path)
    later = (("ALTER TABLE runs ADD COLUMN label TEXT", "DROP TABLE missing"),)
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1] + later)
    with pytest.raises(StoreError, match="no such table: missing"):
        Store.open(path)
    assert tables(path) == before
    assert plain(path, "PRAGMA user_version") == [(1,)]


def test_a_newer_store_is_left_alone(path: Path) -> None:
    write_version_1(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(StoreError, match="is of version 99, written by a newer nablascope"):
            Store.open(path, read_only=read_only)
    assert path.read_bytes() == before


# Files that are no whole store


def filled(path: Path) -> bytes:
    with Store.open(path) as store:
        for _ in range(3):
            store_run(store, small_run("indrnn-deep", **{"training.steps": 2}))
    return path.read_bytes()


def damage_header(whole: bytes) -> bytes:
    return b"x" * 100 + whole[100:]


def damage_middle(whole: bytes) -> bytes:
    return whole[: 2 * PAGE] + os.urandom(2 * PAGE) + whole[4 * PAGE :]


def truncate(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    "damage", [damage_header, damage_middle, truncate], ids=lambda damage: damage.__name__
)
def test_a_damaged_store_is_set_aside(path: Path, damage: object, read_only: bool) -> None:
    assert callable(damage)
    broken = damage(filled(path))
    for number in (1, 2):
        path.write_bytes(broken)
        aside = path.with_name(f"runs.sqlite.damaged-{number}")
        with Store.open(path, read_only=read_only) as store:
            assert store.set_aside == aside
            assert store.runs() == []
        assert aside.read_bytes() == broken
    with Store.open(path) as store:
        assert store.set_aside is None
        store_run(store, small_run())


def store_and_die(path: str) -> None:
    """Leaves a WAL that holds the run."""
    store_run(Store.open(path), small_run())
    os._exit(0)


def test_a_damaged_stores_wal_does_not_reach_its_successor(path: Path) -> None:
    filled(path)
    process = multiprocessing.get_context("spawn").Process(target=store_and_die, args=(str(path),))
    process.start()
    process.join()
    assert path.with_name("runs.sqlite-wal").stat().st_size > 0
    whole = path.read_bytes()
    # Pages that the WAL holds are mended from there.
    path.write_bytes(whole[:PAGE] + os.urandom(len(whole) - PAGE))
    with Store.open(path) as store:
        assert store.set_aside is not None
        store_run(store, small_run("mlp-relu"))
    assert plain(path, "SELECT name FROM runs") == [("mlp-relu",)]
    assert plain(path, "PRAGMA integrity_check") == [("ok",)]


def test_other_files_are_refused_and_stay(path: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a store at all\n" * 100)
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE mine (a)")
    folder = tmp_path / "folder.sqlite"
    folder.mkdir()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for file, why in {
        notes: "is not a run store; a new one is named like x.sqlite",
        other: "is another program's SQLite database, not a run store",
        folder: "is a folder, not a file",
        fifo: "is not a regular file",
        tmp_path / "nowhere" / "x.sqlite": f"there is no folder {tmp_path / 'nowhere'}",
    }.items():
        for read_only in (False, True):
            with pytest.raises(StoreError) as caught:
                Store.open(file, read_only=read_only)
            assert str(caught.value) == f"{file}: {why}"
    assert notes.read_text() == "not a store at all\n" * 100
    assert plain(other, "SELECT name FROM sqlite_master") == [("mine",)]
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        *("fifo", "folder.sqlite", "notes.txt", "other.sqlite"),
    ]
    with pytest.raises(StoreError, match="there is no such file"):
        Store.open(path, read_only=True)


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with Store.open(path) as store:
        store_run(store, small_run())
        assert store.set_aside is None


# Stores that take nothing for now


def lock(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    return db


def test_a_locked_store_is_one_line(path: Path) -> None:
    filled(path)
    run = small_run()
    with closing(lock(path)), Store.open(path, patience=0.05) as store:
        with pytest.raises(StoreError) as caught:
            store.begin_run(run.scenario, run.device, run.versions)
        assert str(caught.value) == f"{path}: locked by another program"
        assert len(store.runs()) == 3


def test_frames_wait_while_the_store_is_locked(path: Path) -> None:
    lines: list[str] = []
    run = small_run("rnn-tanh", **{"training.steps": 5})
    with Store.open(path, patience=0.05) as store:
        recording = Recording(store, run, lines.append)
        holder = None
        for frame in run.frames():
            if frame.step == 2:
                holder = lock(path)
            recording.frame(frame)
            if frame.step == 4:
                assert holder is not None
                holder.close()
        recording.end(frame, "done")
    assert lines == [
        f"{path}: locked by another program; from step 2 on, frames wait in memory",
    ]
    assert recording.complete
    assert plain(path, "SELECT step FROM frames") == [(step,) for step in range(6)]
    assert plain(path, "SELECT state, step FROM runs") == [("done", 5)]


def test_a_store_locked_from_the_beginning_gets_it_all_at_the_end(path: Path) -> None:
    filled(path)
    lines: list[str] = []
    run = small_run()
    with Store.open(path, patience=0.05) as store:
        holder = lock(path)
        with pytest.raises(StoreError):
            Recording(store, run, lines.append, must=True)
        recording = Recording(store, run, lines.append)
        expected = []
        for frame in run.frames():
            recording.frame(frame)
            expected.append((frame.step, json.dumps(frame_event(frame)["log10_grad_h"])))
        assert plain(path, "SELECT max(id) FROM runs") == [(3,)]
        holder.close()
        recording.end(frame, "done")
    assert lines == [f"{path}: locked by another program; from step 0 on, frames wait in memory"]
    found = plain(path, "SELECT step, log10_grad_h FROM frames WHERE run_id = 4")
    assert [(step, json.dumps(json.loads(str(text)))) for step, text in found] == expected


def test_a_full_disk_costs_nothing_that_was_stored(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    run = small_run("indrnn-deep", **{"training.steps": 12})
    # Room for two frames of this size.
    room = 2 * (2048 + next(run.frames()).nbytes)
    monkeypatch.setattr("scenarios.store.recording._MOST_WAITING", room)
    run = small_run("indrnn-deep", **{"training.steps": 12})
    with Store.open(path) as store:
        recording = Recording(store, run, lines.append)
        for frame in run.frames():
            if frame.step == 3:
                # No page more than there are: what SQLite says of a full disk.
                pages = store._db.execute("PRAGMA page_count").fetchone()["page_count"]
                store._db.execute(f"PRAGMA max_page_count = {pages}")
            recording.frame(frame)
        recording.end(frame, "done")
    full = f"{path}: the disk is full; what was stored before is kept"
    (steps,) = plain(path, "SELECT count(*) FROM frames")[0]
    assert lines == [
        f"{full}; from step {steps} on, frames wait in memory",
        f"{full}; from step {steps} on, this run is not stored",
    ]
    assert not recording.complete
    assert 3 <= steps < 10
    assert plain(path, "PRAGMA integrity_check") == [("ok",)]


# Stores that nobody may write to

#: An ordinary user's number, for tests that root runs.
NOBODY = 65534


def tell(path: Path) -> Iterator[str]:
    """What a user meets at `path`: a line each for reading and for writing."""
    for read_only in (True, False):
        try:
            with Store.open(path, read_only=read_only, patience=0.05) as store:
                if not read_only:
                    store.begin_sweep(DEFINITION, 1)
                yield f"{len(store.runs())} runs"
        except StoreError as error:
            yield str(error).replace(str(path), "PATH")


def as_an_ordinary_user(path: Path) -> list[str]:
    if os.getuid() != 0:
        return list(tell(path))
    # Forked: this Python and its packages may lie where only root can read.
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, "\n".join(tell(path)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as file:
        return file.read().splitlines()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder where an ordinary user may read, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)
        os.chmod(folder, 0o755)


WRITE_PROTECTED = "PATH: write-protected, or its folder is; name another --store FILE"


def test_a_write_protected_store_can_be_read(public: Path) -> None:
    path = public / "runs.sqlite"
    filled(path)
    path.chmod(0o444)
    public.chmod(0o555)
    assert as_an_ordinary_user(path) == ["3 runs", WRITE_PROTECTED]
    # A folder that can be written to is no help.
    public.chmod(0o777)
    assert as_an_ordinary_user(path) == ["3 runs", WRITE_PROTECTED]


def test_a_store_in_a_write_protected_folder_can_be_read(public: Path) -> None:
    path = public / "runs.sqlite"
    filled(path)
    path.chmod(0o666)
    public.chmod(0o555)
    assert as_an_ordinary_user(path) == ["3 runs", WRITE_PROTECTED]


def test_a_damaged_store_that_cannot_be_moved_stays(public: Path) -> None:
    path = public / "runs.sqlite"
    broken = damage_header(filled(path))
    path.write_bytes(broken)
    public.chmod(0o555)
    line = "PATH: damaged (file is not a database) and cannot be set aside: permission denied"
    assert as_an_ordinary_user(path) == [line, line]
    assert path.read_bytes() == broken


# Places


def test_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_path({"NABLASCOPE_STORE": "~/x.db"}) == Path.home() / "x.db"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert default_path({}) == tmp_path / "nablascope" / "runs.sqlite"
    assert default_path({"NABLASCOPE_STORE": ""}) == default_path({})


@pytest.mark.parametrize(
    "name", ["a b.sqlite", "100%25?mode=ro#x.sqlite", "größe.sqlite", "//x.db"]
)
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    with Store.open(f"{tmp_path}/{name}") as store:
        store_run(store, small_run())
    assert plain(tmp_path / name.strip("/"), "SELECT name FROM runs") == [("rnn-tanh",)]


def test_a_relative_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open("runs.sqlite") as store:
        store_run(store, small_run())
    assert plain(tmp_path / "runs.sqlite", "SELECT name FROM runs") == [("rnn-tanh",)]


def test_the_users_store_comes_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NABLASCOPE_STORE", str(tmp_path / "a" / "b" / "runs.sqlite"))
    with Store.open() as store:
        store_run(store, small_run())
    assert (tmp_path / "a" / "b" / "runs.sqlite").exists()
