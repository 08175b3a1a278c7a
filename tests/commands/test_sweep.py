"""nablascope sweep, in a process of its own."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from tests.commands.support import environment, nablascope, script, with_full_disk

#: How often a sweep is killed; the long test asks for hundreds.
KILLS = int(os.environ.get("NABLASCOPE_KILLS", "6"))

#: 12 cells that take no time.
SMALL = (
    *("--set", "network.hidden_size=4", "--set", "task.batch_size=2", "--set", "task.input_size=3"),
    *("--set", "task.time_steps=[5,8]", "--set", "init.recurrent_scale=[0.5,1,2]"),
    *("--set", "run.seed=[0,1]", "--device", "cpu", "--workers", "1"),
)


def events(output: str) -> list[dict[str, Any]]:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in output.splitlines()]


def test_json_streams_every_cell_and_ends_with_the_diagram(tmp_path: Path) -> None:
    done = nablascope("sweep", "rnn-tanh-time", *SMALL, "--json", "--no-store")
    start, *cells, end = events(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert start["event"] == "start" and start["cells"] == 12
    assert {cell["event"] for cell in cells} == {"cell"}
    assert sorted(cell["index"] for cell in cells) == list(range(12))
    assert all(cell["verdict"] and cell["error"] is None for cell in cells)
    diagram = end["diagram"]
    assert (end["cells"], end["failed"], end["interrupted"]) == (12, 0, False)
    assert diagram["x"] == {"field": "init.recurrent_scale", "values": [0.5, 1.0, 2.0]}
    assert diagram["y"] == {"field": "task.time_steps", "values": [5, 8]}
    (panel,) = diagram["panels"]
    assert [len(row) for row in panel["decades"]] == [3, 3]
    of_first = [
        cell["decades"]
        for cell in cells
        if cell["values"]["task.time_steps"] == 5 and cell["values"]["init.recurrent_scale"] == 0.5
    ]
    assert panel["decades"][0][0] == pytest.approx(sum(of_first) / 2, abs=1e-5)
    assert [len(scales) for scales in panel["theory"]["scales"]] == [1, 1]


def test_the_diagram_in_a_plain_shell(tmp_path: Path) -> None:
    store = str(tmp_path / "runs.sqlite")
    done = nablascope("sweep", "rnn-tanh-time", *SMALL, "--store", store)
    lines = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert any(line.strip() == "recurrent scale" for line in lines)
    top, bottom = (next(line for line in lines if line.startswith(f"{steps} ")) for steps in (8, 5))
    assert lines.index(top) < lines.index(bottom)
    # Shorter sequences lose less, and every cell is there.
    assert set(bottom[2:]) <= set("=-│") and "│" in bottom and len(bottom) == 2 + 3 * 6
    assert any(line.startswith("12 of 12 cells: 12 run") for line in lines)
    assert f"stored in {store}" in lines
    ascii_only = nablascope(
        "sweep", "rnn-tanh-time", *SMALL, "--store", store, env={"LC_ALL": "C", "LANG": "C"}
    )
    assert ascii_only.stdout.isascii()
    assert "12 were stored before" in ascii_only.stdout


@pytest.mark.parametrize("store", [True, False])
def test_export_writes_every_cell(tmp_path: Path, store: bool) -> None:
    target = tmp_path / "cells.jsonl"
    keep = ("--store", str(tmp_path / "runs.sqlite")) if store else ("--no-store",)
    done = nablascope("sweep", "rnn-tanh-time", *SMALL, *keep, "--quiet", "--export", str(target))
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(rows) == 12 and all(row["verdict"] for row in rows)
    assert (tmp_path / "runs.sqlite").exists() == store


def test_without_a_name_the_sweeps_are_listed() -> None:
    words = nablascope("sweep")
    listed = json.loads(nablascope("sweep", "--json").stdout)

    assert words.returncode == 0
    assert "mlp-tanh-depth" in [entry["name"] for entry in listed]
    assert all(entry["title"] in words.stdout for entry in listed)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("rnn-tahn-time",), "rnn-tahn-time: neither a sweep of the catalogue nor a file; did"),
        (("qqqq",), "qqqq: neither a sweep of the catalogue nor a file; see nablascope sweep"),
        (
            ("rnn-tanh-time", "--set", "network.kind=mlp"),
            'rnn-tanh-time: axes[1].field = "task.time_steps": does not fit network.kind mlp;',
        ),
        (("rnn-tanh-time", "--workers", "0"), "--workers: 0: must be a whole number from 1"),
        (("rnn-tanh-time", "--set", "init.scale=1"), "--set: init.scale = 1: unknown key"),
        (("rnn-tanh-time", "--device", "gpu"), 'run.device = "gpu": not one of auto, cpu, cuda'),
        (
            ("rnn-tanh-time", "--export", "x.xls"),
            "--export: x.xls: must end in .csv, .json, .jsonl or",
        ),
        (
            ("rnn-tanh-time", "--set", "init.bias_scale=[0,1]"),
            "--set: init.bias_scale = [0, 1]: takes one value: it is no axis of this sweep, whose "
            "axes are task.time_steps, init.recurrent_scale, run.seed",
        ),
        (("rnn-tanh-time", "--set", "run.seed=[]"), "list = []: must be an array of one"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], line: str) -> None:
    done = nablascope("sweep", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr and done.stderr.count("\n") == 1


def test_far_too_much_says_how_much_and_asks(tmp_path: Path) -> None:
    seeds = f"run.seed={list(range(40))}"
    many = nablascope("sweep", "rnn-tanh-time", "--set", "training.steps=100000", "--set", seeds)

    assert (many.returncode, many.stdout) == (2, "")
    assert "6,960 cells, about " in many.stderr and "add --yes" in many.stderr


def test_a_cell_that_fails_is_shown_and_the_exit_code_says_so(tmp_path: Path) -> None:
    file = tmp_path / "ranges.toml"
    file.write_text(
        'base = "indrnn"\n[network]\nhidden_size = 3\n[task]\ntime_steps = 4\n[training]\n'
        'steps = 0\n[[axes]]\nfield = "init.recurrent_lower"\nlist = [0.1, 0.9]\n'
        '[[axes]]\nfield = "init.recurrent_upper"\nlist = [0.5, 2.0]\n',
        encoding="utf-8",
    )
    done = nablascope("sweep", str(file), "--no-store", "--workers", "1")

    assert (done.returncode, done.stderr) == (1, "")
    assert "1 cell failed: " in done.stdout and "must not be above" in done.stdout
    assert "4 of 4 cells" in done.stdout


def test_where_no_cell_could_be_run_nothing_is_said_to_be_stored(tmp_path: Path) -> None:
    file = tmp_path / "ranges.toml"
    file.write_text(
        'base = "indrnn"\n[[axes]]\nfield = "init.recurrent_lower"\nlist = [0.9]\n'
        '[[axes]]\nfield = "init.recurrent_upper"\nlist = [0.5]\n',
        encoding="utf-8",
    )
    done = nablascope("sweep", str(file), "--store", str(tmp_path / "runs.sqlite"))

    assert (done.returncode, done.stderr) == (1, "")
    assert "1 cell failed: " in done.stdout and "stored in" not in done.stdout


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    arguments = [
        *("sweep", "rnn-tanh-time", "--store", str(store), "--device", "cpu", "--workers", "2"),
        *("--set", "network.hidden_size=8", "--set", "training.steps=30", "--json"),
    ]
    process = subprocess.Popen(
        [script(), *arguments], stdout=subprocess.PIPE, env=environment(), cwd="/", text=True
    )
    assert process.stdout is not None
    read = [process.stdout.readline() for _ in range(5)]
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    process.wait(timeout=60)
    done = events("".join(read) + rest)

    assert process.returncode == 130
    assert done[-1]["interrupted"] is True
    with sqlite3.connect(store) as db:
        (stored,) = db.execute("SELECT count(*) FROM cells").fetchone()
    assert stored == done[-1]["cells"] == len(done) - 2 < done[0]["cells"]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk_under_stdout_leaves_the_cells(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    store, file = tmp_path / "runs.sqlite", tmp_path / "cells.csv"
    kept = ("--store", str(store), "--export", str(file))
    done = with_full_disk("sweep", "rnn-tanh-time", *SMALL, *kept, *options)

    line = "stdout: cannot be written: no space left on device\n"
    assert (done.returncode, done.stderr) == (1, line)
    assert len(file.read_text(encoding="utf-8").splitlines()) == 13
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("SELECT count(*) FROM cells").fetchone() == (12,)


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def many(store: Path) -> list[str]:
    """A sweep of 174 small cells over up to 200 time steps."""
    return [
        *("sweep", "rnn-tanh-time", "--store", str(store), "--device", "cpu", "--workers", "1"),
        *("--set", "network.hidden_size=4", "--set", "run.seed=0", "--json"),
    ]


def test_a_full_disk_stops_a_sweep_that_then_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    stopped = subprocess.run(
        [script(), *many(store)],
        capture_output=True,
        text=True,
        env=environment(),
        preexec_fn=limited,
        timeout=60,
        check=False,
    )
    kept = stored_axes(store)
    shown = [event for event in events(stopped.stdout) if event["event"] == "cell"]

    assert stopped.returncode == 1 and stopped.stderr.count("\n") == 1
    assert stopped.stderr.startswith(f"{store}: ")
    assert f"{len(kept)} of 174 cells are kept, and the same command goes on" in stopped.stderr
    assert 0 < len(kept) < 174
    assert {json.dumps(one["values"], separators=(",", ":")) for one in shown} == kept

    _, *cells, end = events(nablascope(*many(store)).stdout)
    assert (end["cells"], end["failed"]) == (174, 0)
    assert sum(cell["stored"] for cell in cells) == len(kept)


@pytest.mark.parametrize(
    ("pragma", "code", "line"),
    [
        ("PRAGMA user_version = 99", 2, "is of version 99, written by a newer nablascope"),
        ("BEGIN EXCLUSIVE", 1, "locked by another program"),
    ],
)
def test_a_store_that_cannot_be_used_is_one_line(
    tmp_path: Path, pragma: str, code: int, line: str
) -> None:
    store = tmp_path / "runs.sqlite"
    nablascope("sweep", "rnn-tanh-time", *SMALL, "--store", str(store), "--quiet")
    kept = stored_axes(store)
    with closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute(pragma)
        done = nablascope("sweep", "rnn-tanh-time", *SMALL, "--store", str(store), "--fresh")

    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert done.stderr.startswith(f"{store}: ") and line in done.stderr
    assert stored_axes(store) == kept


def test_a_progress_bar_counts_cells_and_tells_the_rate_and_what_is_left(tmp_path: Path) -> None:
    arguments = ["sweep", "rnn-tanh-time", "--no-store", "--workers", "1", "--device", "cpu"]
    small = ["--set", "network.hidden_size=16", "--set", "training.steps=20"]
    terminal = pexpect.spawn(
        script(), [*arguments, *small], env=environment(), dimensions=(24, 80), encoding="utf-8"
    )
    terminal.expect(r"cells *\x1b?.*?\d+/870", timeout=60)
    terminal.expect(r"[\d.e+]+ cells/s, [\d.]+ (s|min) left", timeout=60)
    terminal.sendintr()
    terminal.expect("interrupted at [0-9]+ of 870 cells", timeout=60)
    terminal.expect(pexpect.EOF, timeout=60)
    terminal.close()

    assert terminal.exitstatus == 130


def stored_axes(path: Path) -> set[str]:
    """What the store holds of the sweep, after a look at whether it is whole."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not db.execute("SELECT name FROM sqlite_master WHERE name = 'cells'").fetchall():
            return set()
        rows = [axes for (axes,) in db.execute("SELECT axes FROM cells")]
    assert len(rows) == len(set(rows))
    return set(rows)


def kill(process: subprocess.Popen[bytes], draw: random.Random) -> None:
    """Kill -9 one worker, or the writer, or both with all workers."""
    victims = ["writer", "group"]
    if workers := psutil.Process(process.pid).children():
        victims.append("worker")
    victim = draw.choice(victims)
    if victim == "worker":
        draw.choice(workers).kill()
        # The sweep goes on; this one is ended by Ctrl+C.
        time.sleep(draw.uniform(0.0, 0.3))
        process.send_signal(signal.SIGINT)
    elif victim == "writer":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


def test_killed_at_any_moment_no_finished_cell_is_lost_or_run_twice(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    # Enough cells that some are left to the last kill.
    seeds = max(2, KILLS // 3)
    arguments = [
        *("sweep", "rnn-tanh-time", "--store", str(store), "--device", "cpu", "--workers", "2"),
        *("--set", "network.hidden_size=8", "--set", "training.steps=5", "--yes", "--json"),
        *("--set", f"run.seed={list(range(seeds))}"),
    ]
    before: set[str] = set()
    draw = random.Random(1)
    for _ in range(KILLS):
        process = subprocess.Popen(
            [script(), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
            cwd="/",
            start_new_session=True,
        )
        time.sleep(draw.uniform(0.2, 1.5))
        if process.poll() is None:
            kill(process, draw)
        process.wait(timeout=60)
        after = stored_axes(store)
        assert before <= after
        before = after
    _, *cells, end = events(nablascope(*arguments, timeout=600).stdout)
    total = 6 * 29 * seeds

    assert end["cells"] == total and {cell["index"] for cell in cells} == set(range(total))
    assert end["failed"] == 0
    kept = {json.dumps(cell["values"], separators=(",", ":")) for cell in cells if cell["stored"]}
    assert kept == before
    assert len(stored_axes(store)) == total
