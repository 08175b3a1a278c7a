"""The store from the command line: what `run` keeps, what `runs` and `export` tell of it."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import pytest

from scenarios.cells import CellResult, failed_cell
from scenarios.runner import Run
from scenarios.store.store import Store
from tests.commands.support import environment, nablascope, script
from tui.main import main

Capture = pytest.CaptureFixture[str]
SMALL = ("--device", "cpu", "--set", "network.hidden_size=8", "--set", "task.batch_size=4")
#: Kills in the loop below; NABLASCOPE_KILLS sets another number for a long one.
KILLS = int(os.environ.get("NABLASCOPE_KILLS", "6"))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the test's own, which commands use by themselves."""
    file = tmp_path / "runs.sqlite"
    monkeypatch.setenv("NABLASCOPE_STORE", str(file))
    return file


def said(capsys: Capture, *arguments: str, code: int = 0) -> tuple[str, str]:
    assert main(arguments) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def run(capsys: Capture, name: str, *arguments: str, code: int = 0) -> tuple[str, str]:
    return said(capsys, "run", name, *SMALL, "--quiet", *arguments, code=code)


def plain(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def test_run_stores_what_it_prints(capsys: Capture, path: Path) -> None:
    out, err = run(capsys, "rnn-relu", "--steps", "3", "--json")
    assert err == ""
    _, *frames, end = map(json.loads, out.splitlines())
    columns = ("step", "loss", "verdict", "decades", "decades_per_hop")
    assert plain(path, f"SELECT {', '.join(columns)} FROM frames ORDER BY step") == [
        tuple(frame[column] for column in columns) for frame in frames
    ]
    assert plain(path, "SELECT state, step, verdict FROM runs") == [("done", 3, end["verdict"])]


def test_store_and_no_store(capsys: Capture, path: Path, tmp_path: Path) -> None:
    run(capsys, "rnn-relu", "--steps", "0", "--no-store")
    assert not path.exists()
    other = tmp_path / "other.sqlite"
    run(capsys, "rnn-relu", "--steps", "0", "--store", str(other))
    assert not path.exists()
    assert plain(other, "SELECT name FROM runs") == [("rnn-relu",)]
    _, err = run(capsys, "rnn-relu", "--store", str(other), "--no-store", code=2)
    assert err == "nablascope run: --no-store: not allowed with argument --store\n"
    assert run(capsys, "rnn-relu", "--store", "", code=2)[1] == (
        '--store: "": must be the path of a file\n'
    )


def test_a_store_that_does_not_work_stops_only_who_asked_for_it(
    capsys: Capture, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "file" / "runs.sqlite"
    (tmp_path / "file").touch()
    line = f"{nowhere}: there is no folder {tmp_path / 'file'}"
    assert run(capsys, "rnn-relu", "--store", str(nowhere), code=2) == ("", f"{line}\n")
    monkeypatch.setenv("NABLASCOPE_STORE", str(nowhere))
    out, err = run(capsys, "rnn-relu", "--steps", "0", "--json")
    assert err.startswith(f"{nowhere}: ") and err.endswith("; nothing is stored\n")
    assert err.count("\n") == 1
    assert json.loads(out.splitlines()[-1])["event"] == "end"


def test_a_damaged_store_is_named(capsys: Capture, path: Path) -> None:
    path.write_text("garbage")
    _, err = run(capsys, "rnn-relu", "--steps", "0")
    assert err == f"{path}: damaged; set aside as {path}.damaged-1, and a new store begun\n"
    assert Path(f"{path}.damaged-1").read_text() == "garbage"
    assert plain(path, "SELECT name FROM runs") == [("rnn-relu",)]


def test_runs_that_fail_or_are_interrupted(
    capsys: Capture, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Run.frames

    def failing(self: Run) -> Any:
        yield next(original(self))
        raise MemoryError("cannot allocate 3 TiB")

    def interrupted(self: Run) -> Any:
        yield next(original(self))
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "frames", failing)
        run(capsys, "rnn-relu", code=1)
        patch.setattr(Run, "frames", interrupted)
        run(capsys, "rnn-relu", code=130)
    rows = plain(path, "SELECT state, error, step FROM runs")
    assert rows[0][0] == "failed" and rows[0][1].startswith("this machine ran out of memory")
    assert rows[1] == ("interrupted", None, 0)
    assert plain(path, "SELECT count(*), count(event) FROM frames") == [(2, 2)]


def test_the_layer_asked_for_is_the_layer_judged(capsys: Capture, path: Path) -> None:
    out, _ = run(capsys, "indrnn-deep", "--steps", "0", "--layer", "2", "--json")
    frame = json.loads(out.splitlines()[1])
    assert plain(path, "SELECT layer, decades FROM frames") == [(2, frame["decades"])]


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


@pytest.mark.parametrize("asked", [True, False])
def test_a_limit_on_file_sizes_costs_nothing_that_was_stored(path: Path, asked: bool) -> None:
    done = subprocess.run(
        [
            *(script(), "run", "rnn-relu", "--device", "cpu", "--steps", "300", "--json"),
            *(("--store", str(path)) if asked else ()),
        ],
        capture_output=True,
        text=True,
        env=environment(),
        preexec_fn=limited,
        timeout=60,
        check=False,
    )
    first, second = done.stderr.splitlines()
    (steps,) = plain(path, "SELECT count(*) FROM frames")[0]
    assert first.startswith(f"{path}: ")
    assert first.endswith(f"; from step {steps} on, frames wait in memory")
    assert second.endswith(f"; from step {steps} on, this run is not stored")
    assert 0 < steps < 300
    # The run itself is whole.
    assert len(done.stdout.splitlines()) == 303
    assert done.returncode == (1 if asked else 0)
    assert plain(path, "PRAGMA integrity_check") == [("ok",)]


def killed_run(out: Path, draw: random.Random) -> list[dict[str, Any]]:
    """The frames that a run printed before it was killed at some moment."""
    with out.open("wb") as file:
        # Into a file: into a pipe that nobody reads it would soon stand still.
        process = subprocess.Popen(
            [script(), "run", "chain-relu", "--device", "cpu", "--steps", "1000000", "--json"],
            stdout=file,
            env=environment(),
        )
    # Some die while they start.
    if draw.random() < 0.8:
        deadline = time.monotonic() + 30.0
        while not out.stat().st_size and time.monotonic() < deadline:
            time.sleep(0.005)
    time.sleep(draw.uniform(0.0, 0.3))
    process.kill()
    process.wait(timeout=60)
    text = out.read_bytes()
    whole = text[: text.rfind(b"\n") + 1].splitlines()
    return [event for event in map(json.loads, whole) if event["event"] == "frame"]


def test_kill_9_loses_no_printed_frame(path: Path, tmp_path: Path) -> None:
    """Killed at random, the store is whole and holds every frame that was ever printed."""
    draw = random.Random(0)
    printed: list[int] = []
    for _ in range(KILLS):
        frames = killed_run(tmp_path / "out.jsonl", draw)
        if path.exists():
            assert plain(path, "PRAGMA integrity_check") == [("ok",)]
        if frames:
            stored = plain(
                path,
                "SELECT step, loss, decades FROM frames "
                "WHERE run_id = (SELECT max(run_id) FROM frames) ORDER BY step",
            )
            expected = [(event["step"], event["loss"], event["decades"]) for event in frames]
            assert stored[: len(expected)] == expected
            # At most the one that was being printed is there besides.
            assert len(stored) - len(expected) in (0, 1)
            printed.append(len(stored))
            counts = plain(path, "SELECT count(*) FROM frames GROUP BY run_id ORDER BY run_id")
            # What earlier runs left is still there; one may have died between the two.
            assert [count for (count,) in counts if count > 1] == [n for n in printed if n > 1]
    assert len(set(printed)) > 1
    done = nablascope("runs", "cut off", "--json", "--limit", "0")
    assert len(json.loads(done.stdout)) >= len(printed)


# nablascope runs


def test_runs(capsys: Capture, path: Path) -> None:
    assert said(capsys, "runs") == ("no run is stored yet\n", "")
    assert said(capsys, "runs", "--json") == ("[]\n", "")
    assert not path.exists()
    for name in ("rnn-relu", "mlp-tanh", "lstm"):
        run(capsys, name, "--steps", "1")
    head, *rows = said(capsys, "runs")[0].splitlines()
    assert " ".join(head.split()) == "run began scenario path steps decades verdict state"
    assert [row.split()[0] for row in rows] == ["3", "2", "1"]
    assert [row.split()[3] for row in rows] == ["lstm", "mlp-tanh", "rnn-relu"]
    assert " 1/1 " in rows[0] and rows[0].endswith("done")
    assert " 100 layers " in rows[1] and " 100 steps " in rows[2]
    assert max(map(len, [head, *rows])) <= 80
    found = json.loads(said(capsys, "runs", "--json", "tanh", "mlp")[0])
    assert [entry["name"] for entry in found] == ["mlp-tanh"]
    assert not {"scenario", "versions"} & set(found[0])
    out, _ = said(capsys, "runs", "--limit", "2")
    assert out.splitlines()[-1] == "and older ones: --limit 4, or 0 for all"
    assert len(said(capsys, "runs", "--limit", "0")[0].splitlines()) == 4
    assert said(capsys, "runs", "nothing-like-it")[0] == "no run has all of these words\n"


def test_runs_in_a_narrow_terminal(
    capsys: Capture, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "adding-indrnn", "--steps", "1")
    for columns, missing in ((200, set()), (70, {"loss", "path"}), (40, {"loss", "path", "began"})):
        monkeypatch.setenv("COLUMNS", str(columns))
        head, row = said(capsys, "runs")[0].splitlines()
        assert {"loss", "path", "began"} - set(head.split()) == missing
        assert row.split()[0] == "1"


def test_sweeps(capsys: Capture, path: Path) -> None:
    assert said(capsys, "runs", "--sweeps") == ("no sweep is stored yet\n", "")
    with Store.open(path) as store:
        number = store.begin_sweep({"name": "scales"}, 3)
        done = CellResult("a" * 64, "healthy", -0.5, -0.005, 100, 0.25, 0, seconds=0.5)
        store.add_cells(
            number, [({"run.seed": 1}, done), ({"run.seed": 2}, failed_cell("b" * 64, "no room"))]
        )
        store.end_sweep(number, "interrupted")
    head, row = said(capsys, "runs", "--sweeps")[0].splitlines()
    assert head.split() == ["sweep", "began", "name", "cells", "failed", "state"]
    assert row.split()[0] == "1" and row.split()[3:] == ["scales", "2/3", "1", "interrupted"]
    (sweep,) = json.loads(said(capsys, "runs", "--sweeps", "--json")[0])
    assert (sweep["stored"], sweep["cells"], sweep["state"]) == (2, 3, "interrupted")
    out, _ = said(capsys, "export", "cells", "--sweep", "1", "--format", "jsonl")
    one, other = map(json.loads, out.splitlines())
    assert (one["axes"], one["decades"], one["error"]) == ({"run.seed": 1}, -0.5, None)
    assert (other["axes"], other["decades"], other["error"]) == ({"run.seed": 2}, None, "no room")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--limit", "x"), "--limit: x: must be a whole number from 0, which means all"),
        (("--limit", "-1"), "--limit: -1: must be a whole number from 0, which means all"),
        (("--limit", ""), '--limit: "": must be a whole number from 0, which means all'),
        (("--delete", "x"), "--delete: x: must be a run's number in the store"),
        (("--rename", "", "x"), '--rename: "": must be a run\'s number in the store'),
        (("rnn", "--undo"), "nablascope runs: changes runs by their numbers alone"),
        (
            ("--undo", "--store", "/tmp/no.sqlite"),
            "/tmp/no.sqlite: there is no such file, so no run is stored",
        ),
        (("--store", "/nowhere/x.sqlite"), "/nowhere/x.sqlite: there is no folder /nowhere"),
    ],
)
def test_runs_refuses(capsys: Capture, arguments: tuple[str, ...], line: str) -> None:
    assert said(capsys, "runs", *arguments, code=2) == ("", f"{line}\n")


def test_runs_renames_deletes_and_undoes(capsys: Capture, path: Path) -> None:
    for name in ("rnn-relu", "mlp-tanh", "lstm"):
        run(capsys, name, "--steps", "0")
    out, _ = said(capsys, "runs", "--rename", "2", "for the talk")
    assert out == "run 2 is called for the talk\n"
    assert "for the talk" in said(capsys, "runs", "talk")[0]
    said(capsys, "runs", "--rename", "2", "for the talk " * 4)
    line = said(capsys, "runs", "talk")[0].splitlines()[1]
    assert "for the talk" in line and "…" in line and line.endswith("done") and len(line) <= 80
    out, _ = said(capsys, "runs", "--delete", "1", "3")
    assert out == "deleted 2 runs: --undo has them back\n"
    assert [row["id"] for row in json.loads(said(capsys, "runs", "--json")[0])] == [2]
    out, err = said(capsys, "runs", "--delete", "1", code=2)
    assert (out, err) == ("", f"{path}: holds no run 1\n")
    assert said(capsys, "export", "frames", "--run", "1", code=2)[0] == ""
    assert said(capsys, "runs", "--undo")[0] == "back again: 1, 3\n"
    assert len(json.loads(said(capsys, "runs", "--json")[0])) == 3
    assert said(capsys, "runs", "--undo")[0] == "nothing is deleted that could come back\n"
    out, _ = said(capsys, "runs", "--rename", "2", "")
    assert out == "run 2 is called as its scenario\n"


# nablascope export


@pytest.fixture
def stored(capsys: Capture, path: Path) -> Path:
    run(capsys, "rnn-relu", "--steps", "2")
    run(capsys, "mlp-tanh", "--steps", "1")
    return path


def test_export_csv(capsys: Capture, stored: Path) -> None:
    out, _ = said(capsys, "export", "frames")
    head, *rows = csv.reader(io.StringIO(out))
    expected = plain(stored, "SELECT run_id, step, loss, log10_grad_h FROM frames")
    kept = [head.index(name) for name in ("run_id", "step", "loss", "log10_grad_h")]
    assert [[row[k] for k in kept] for row in rows] == [
        [str(value) for value in row] for row in expected
    ]
    assert {row[head.index("dead_step")] for row in rows} == {""}


def test_export_json_lines(capsys: Capture, stored: Path, tmp_path: Path) -> None:
    file = tmp_path / "frames.jsonl"
    assert said(capsys, "export", "frames", "--run", "1", "--output", str(file)) == ("", "")

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    rows = [json.loads(line, parse_constant=refuse) for line in file.read_text().splitlines()]
    assert [(row["run_id"], row["step"]) for row in rows] == [(1, 0), (1, 1), (1, 2)]
    assert len(rows[0]["log10_grad_h"][0]) == 100
    assert rows[0]["event"]["event"] == "frame" and rows[1]["event"] is None
    (one,) = map(
        json.loads,
        said(capsys, "export", "runs", "--run", "2", "--format", "jsonl")[0].splitlines(),
    )
    assert one["scenario"]["network"]["kind"] == "mlp"


def test_export_json(capsys: Capture, stored: Path, tmp_path: Path) -> None:
    file = tmp_path / "frames.json"
    said(capsys, "export", "frames", "--output", str(file))
    lines = said(capsys, "export", "frames", "--format", "jsonl")[0].splitlines()
    assert json.loads(file.read_text()) == [json.loads(line) for line in lines]
    assert json.loads(said(capsys, "export", "sweeps", "--format", "json")[0]) == []


def test_export_parquet(capsys: Capture, stored: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "frames.parquet"
    assert said(capsys, "export", "frames", "--output", str(file)) == ("", "")
    table = parquet.read_table(file)
    names = ("run_id", "step", "loss", "verdict", "log10_grad_h", "dead_step")
    assert list(zip(*(table[name].to_pylist() for name in names), strict=True)) == plain(
        stored, f"SELECT {', '.join(names)} FROM frames"
    )
    # An empty table still has its columns.
    assert said(capsys, "export", "cells", "--output", str(file)) == ("", "")
    assert parquet.read_table(file).schema.field("decades").type == "double"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run",), "TABLE: run: must be runs, frames, sweeps or cells; did you mean runs?"),
        (("runs", "--format", "xlsx"), "--format: xlsx: must be csv, json, jsonl or parquet"),
        (("runs", "--run", "x"), "--run: x: must be a run's number in the store"),
        (("cells", "--run", "1"), "--run: 1: does not fit cells"),
        (("runs", "--run", "7"), "--run: 7: {path} holds no such run"),
        (
            ("runs", "--output", "x.foo"),
            "--output: x.foo: must end in .csv, .json, .jsonl or .parquet, or name a --format",
        ),
        (
            ("runs", "--output", "/nowhere/x.csv"),
            "--output: /nowhere/x.csv: there is no folder /nowhere",
        ),
    ],
)
def test_export_refuses(
    capsys: Capture, stored: Path, arguments: tuple[str, ...], line: str
) -> None:
    expected = line.format(path=stored)
    assert said(capsys, "export", *arguments, code=2) == ("", f"{expected}\n")


def test_export_with_nothing_stored(capsys: Capture, path: Path) -> None:
    assert said(capsys, "export", "runs", code=2)[1] == "nablascope export: no run is stored yet\n"


def test_parquet_without_pyarrow(
    capsys: Capture, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    assert said(capsys, "export", "runs", "--format", "parquet", code=2)[1] == (
        "--format: parquet: needs pyarrow, which is not installed; "
        "the extra is nablascope[parquet]\n"
    )


# Other tools, with nothing of this package


def test_pandas_reads_the_store_as_it_is(stored: Path) -> None:
    pandas = pytest.importorskip("pandas")
    with closing(sqlite3.connect(stored)) as db:
        frames = pandas.read_sql("SELECT * FROM frames", db)
    assert frames["loss"].dtype == "float64"
    assert frames.groupby("run_id")["step"].max().to_dict() == {1: 2, 2: 1}


def test_duckdb_reads_the_store_as_it_is(stored: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    # Elsewhere ATTACH fetches the extension by itself.
    scanner = pytest.importorskip("duckdb_extension_sqlite_scanner")
    (extension,) = Path(scanner.__file__).parent.rglob("*.duckdb_extension")
    with duckdb.connect() as db:
        db.execute(f"LOAD '{extension}'")
        db.execute(f"ATTACH '{stored}' AS lab (TYPE sqlite, READ_ONLY)")
        found = db.execute(
            "SELECT name, count(*), avg(f.decades), max(json_array_length(log10_grad_h))"
            " FROM lab.runs r JOIN lab.frames f ON f.run_id = r.id GROUP BY name ORDER BY name"
        ).fetchall()
    assert [(row[0], row[1], row[3]) for row in found] == [("mlp-tanh", 2, 100), ("rnn-relu", 3, 1)]
    assert all(isinstance(row[2], float) for row in found)


def test_loss_and_accuracy_on_what_is_held_out_are_stored(capsys: Capture, path: Path) -> None:
    changes = ("task.name=copy", "task.time_steps=25", "training.evaluate_every=2")
    options = [part for change in changes for part in ("--set", change)]
    out, _ = run(capsys, "adding-indrnn", "--json", "--steps", "4", *options)
    _, *told, _ = map(json.loads, out.splitlines())
    columns = ("step", "accuracy", "evaluation_loss", "evaluation_accuracy", "learning_rate")
    rows = plain(path, f"SELECT {', '.join(columns)} FROM frames ORDER BY step")
    assert rows == [tuple(frame[name] for name in columns) for frame in told]
    assert [row[2] is None for row in rows] == [False, True, False, True, False]


def test_a_run_that_diverges_is_called_so(capsys: Capture, path: Path) -> None:
    wild = ("--set", "training.learning_rate=1000", "--set", "training.clip_norm=0")
    out, _ = run(capsys, "rnn-relu", "--json", "--steps", "50", *wild)
    end = json.loads(out.splitlines()[-1])
    found = plain(path, "SELECT state, step, overflow_layer, overflow_step FROM runs")
    place = end["diverged"]
    assert found == [("diverged", place["step"], place["layer"], place["time_step"])]
