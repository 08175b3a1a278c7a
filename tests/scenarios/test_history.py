"""Runs listed in pages, renamed, deleted and had back; frames as they come out of the store."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.culprits import culprits
from engine.frame import Frame
from scenarios.events import frame_event
from scenarios.store.errors import StoreError
from scenarios.store.export import export
from scenarios.store.frames import frame_of
from scenarios.store.history import KEPT_FOR, LONGEST_LABEL, ORDERS, History
from scenarios.store.store import Store
from tests.scenarios.test_store import plain, small_run, store_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    """Three runs and a bit: one that was cut off, and one that is under way."""
    with Store.open(path) as store:
        for name in ("rnn-tanh", "rnn-relu-above", "chain-relu"):
            store_run(store, small_run(name))
    with History.open(path) as history:
        yield history


def begun(path: Path, frames: int = 2) -> int:
    """A run under way in this process."""
    run = small_run("rnn-relu")
    with Store.open(path) as store:
        number = store.begin_run(run.scenario, run.device, run.versions)
        for frame, _ in zip(run.frames(), range(frames), strict=False):
            store.add_frame(number, frame)
    return number


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def test_pages(history: History) -> None:
    assert ids(history.page()) == [3, 2, 1]
    assert ids(history.page(limit=2)) == [3, 2] and ids(history.page(limit=2, offset=2)) == [1]
    assert history.count() == 3
    (newest,) = history.page(limit=1)
    assert newest["name"] == "chain-relu" and "scenario" not in newest


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_orders(history: History, path: Path, order: str, descending: bool) -> None:
    begun(path)
    rows = history.page(order=order, descending=descending)
    assert len(rows) == 4
    # The one under way has no result in its row yet, so it comes last.
    finished = [row for row in rows if row["id"] != 4]
    values = [row[order] for row in finished]
    assert values == sorted(values, reverse=descending)
    if order in ("step", "loss", "decades", "verdict"):
        assert rows[-1]["id"] == 4 and rows[-1]["step"] == 1


def test_every_order_uses_an_index(history: History) -> None:
    for order, column in ORDERS.items():
        for way in ("ASC", "DESC"):
            plan = plain(
                history.path,
                f"EXPLAIN QUERY PLAN SELECT id, name FROM runs WHERE deleted IS NULL"
                f" ORDER BY {column} {way} NULLS LAST, id {way} LIMIT 50",
            )
            assert not any("TEMP B-TREE" in str(line) for line in plan), (order, plan)


def test_words(history: History) -> None:
    history.rename(2, "100% too_large")
    assert ids(history.page(["RNN"])) == [2, 1]
    assert ids(history.page(["relu", "rnn"])) == [2]
    assert ids(history.page(["exploding"])) == [2]
    assert ids(history.page(["100%"])) == [2] and ids(history.page(["too_l"])) == [2]
    assert ids(history.page(["1%0"])) == [] == ids(history.page(["r_n-tanh"]))
    assert history.count(["rnn"]) == 2 and history.count(["nothing"]) == 0


def test_what_a_writer_adds_is_noticed(history: History, path: Path) -> None:
    before = history.version()
    assert history.version() == before
    begun(path)
    assert history.version() != before
    (newest,) = history.page(limit=1)
    assert (newest["state"], newest["step"]) == ("running", 1)


def test_a_label(history: History, path: Path) -> None:
    history.rename(1, "  the one \n for  the talk ")
    assert plain(path, "SELECT name, label FROM runs WHERE id = 1") == [
        ("rnn-tanh", "the one for the talk")
    ]
    history.rename(1, " ")
    assert plain(path, "SELECT label FROM runs WHERE id = 1") == [(None,)]
    with pytest.raises(StoreError, match=f"at most {LONGEST_LABEL} characters"):
        history.rename(1, "x" * (LONGEST_LABEL + 1))
    with pytest.raises(StoreError, match="no control characters"):
        history.rename(1, "x\x1b[2J")
    with pytest.raises(StoreError, match="holds no run 9"):
        history.rename(9, "x")


def test_deleted_runs_are_nowhere_and_come_back_whole(history: History, path: Path) -> None:
    with Store.open(path, read_only=True) as store:
        before = {table: list(store.rows(table)) for table in ("runs", "frames")}
        history.delete([1])
        history.delete([3, 2])
        assert history.page() == [] and history.count() == 0 and store.runs() == []
        assert list(store.rows("runs")) == [] == list(store.rows("frames", 1))
        assert ids(history.restore()) == [2, 3]
        assert [frame[0] for frame in store.rows("frames")] == [2] * 4 + [3] * 4
        assert ids(history.restore()) == [1]
        assert history.restore() == []
        assert {table: list(store.rows(table)) for table in before} == before


def test_an_export_leaves_out_what_is_deleted(history: History, tmp_path: Path) -> None:
    history.delete([2])
    with Store.open(history.path, read_only=True) as store, (tmp_path / "x").open("wb") as file:
        export(store, "runs", "csv", file)
    assert (tmp_path / "x").read_text().count("\n") == 3


def test_deleting_is_all_or_nothing(history: History, path: Path) -> None:
    number = begun(path)
    with pytest.raises(StoreError, match=f"run {number} is still running"):
        history.delete([1, number])
    with pytest.raises(StoreError, match="holds no run 9"):
        history.delete([1, 9])
    assert ids(history.page()) == [4, 3, 2, 1]


def test_a_kill_after_deleting_can_be_undone(history: History, path: Path) -> None:
    frames = plain(path, "SELECT * FROM frames")
    code = (
        "import sys, time; from scenarios.store.history import History\n"
        "history = History.open(sys.argv[1]); history.delete([2]); print('deleted', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "deleted\n"
        process.send_signal(signal.SIGKILL)
    assert ids(history.page()) == [3, 1]
    assert plain(path, "SELECT * FROM frames") == frames
    with History.open(path) as other:
        assert ids(other.restore()) == [2]
    assert ids(history.page()) == [3, 2, 1]


def test_what_was_deleted_long_ago_goes_for_good(history: History, path: Path) -> None:
    history.delete([1])
    history.delete([2])
    old = (datetime.now(UTC) - KEPT_FOR - timedelta(hours=1)).isoformat(timespec="microseconds")
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE runs SET deleted = ? WHERE id = 1", (old,))
        db.commit()
    history.tidy()
    assert plain(path, "SELECT id FROM runs") == [(2,), (3,)]
    assert plain(path, "SELECT DISTINCT run_id FROM frames") == [(2,), (3,)]
    assert ids(history.restore()) == [2]


def test_a_run_whose_process_is_gone_is_marked(history: History, path: Path) -> None:
    begun(path)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE runs SET pid = ? WHERE id = 4", (child.pid,))
        db.commit()
    history.tidy()
    assert ids(history.page(["cut off"])) == [4]
    history.delete([4])


def test_a_store_of_an_older_version_is_brought_up_to_date(path: Path) -> None:
    with Store.open(path) as store:
        store_run(store, small_run("rnn-relu", **{"init.recurrent_scale": 0.75}))
    with closing(sqlite3.connect(path)) as db:
        indexes = "SELECT name FROM sqlite_master WHERE name LIKE 'runs\\_%' ESCAPE '\\'"
        for (index,) in db.execute(indexes).fetchall():
            db.execute(f"DROP INDEX {index}")
        for column in ("label", "deleted", "changes"):
            db.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 2")
        db.commit()
    with History.open(path) as history:
        (row,) = history.page()
        assert (row["label"], row["deleted"]) == (None, None)
        assert "recurrent_scale=0.75" in row["changes"]
        assert ids(history.page(["scale=0.75"])) == [1]
        history.rename(1, "mine")
        assert ids(history.page(["mine"])) == [1]


# Frames


def same(one: Frame, other: Frame) -> None:
    before, after = frame_event(one), frame_event(other)
    # Computed from rounded numbers, once more.
    who, again = before.pop("culprits"), after.pop("culprits")
    assert {**before, "seconds": 0} == {**after, "seconds": 0}
    assert (who is None) == (again is None)
    if who is not None:
        assert who["killed"] == again["killed"]
        assert who["total"] == pytest.approx(again["total"], abs=1e-3)
    assert np.array_equal(one.log10_grad_h.round(6), other.log10_grad_h, equal_nan=True)
    assert (one.overflow, one.verdict.dead_at) == (other.overflow, other.verdict.dead_at)


FRAMES = [
    ("rnn-tanh", {}),
    ("lstm", {}),
    ("cnn-resnet", {"network.depth": 4}),
    ("rnn-relu", {"init.recurrent_scale": 1000.0, "training.steps": 0}),
    ("rnn-relu", {"init.weight_scale": 0.0, "init.bias_scale": 0.0}),
]


@pytest.mark.parametrize(("name", "changes"), FRAMES)
def test_a_frame_comes_out_as_it_went_in(name: str, changes: dict[str, object]) -> None:
    for frame in small_run(name, **changes).frames():
        same(frame, frame_of(frame_event(frame)))


def test_both_ends_of_a_run(history: History, path: Path) -> None:
    frames = list(small_run("rnn-tanh").frames())
    first, last = history.ends(1)
    same(frames[0], first)
    same(frames[-1], last)
    with Store.open(path) as store:
        store_run(store, small_run("rnn-tanh", **{"training.steps": 0}))
    (only,) = history.ends(4)
    assert only.step == 0
    assert history.ends(99) == []


def test_the_end_of_a_run_that_was_cut_off(history: History, path: Path) -> None:
    number = begun(path, frames=3)
    frames = [frame for frame, _ in zip(small_run("rnn-relu").frames(), range(3), strict=False)]
    first, last = history.ends(number)
    same(frames[0], first)
    assert last.step == 2 and culprits(last) is None
    assert np.array_equal(frames[2].log10_grad_h.round(6), last.log10_grad_h)
    assert last.verdict == frame_of(frame_event(frames[2])).verdict


def test_the_scenario(history: History) -> None:
    assert '"name":"rnn-tanh"' in history.scenario_text(1)
    history.delete([1])
    with pytest.raises(StoreError, match="holds no run 1"):
        history.scenario_text(1)


def test_a_locked_store_says_so(history: History) -> None:
    with closing(sqlite3.connect(history.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        history.be_patient(0.0)
        with pytest.raises(StoreError, match="locked by another program"):
            history.delete([1])
        assert ids(history.page()) == [3, 2, 1]
