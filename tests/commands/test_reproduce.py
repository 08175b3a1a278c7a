"""nablascope reproduce, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.commands.support import environment, nablascope, script, with_full_disk
from tests.scenarios.paper_sets import written
from tests.scenarios.test_images import write_npz


def events(output: str) -> list[dict[str, Any]]:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in output.splitlines()]


def frames(store: Path, name: str) -> list[tuple[Any, ...]]:
    """The steps of every run of that name, each once, as they were stored."""
    columns = "step, frames.loss, evaluation_loss, log10_grad_h, log10_grad_params"
    with closing(sqlite3.connect(store)) as db:
        rows = db.execute(
            f"SELECT DISTINCT {columns.replace('step', 'frames.step')} FROM frames "
            "JOIN runs ON runs.id = run_id WHERE name = ? ORDER BY frames.step",
            (name,),
        )
        return rows.fetchall()


def test_the_table_the_curves_and_the_order(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    file = str(written(tmp_path))
    options = ("--store", str(store), "--device", "cpu", "--workers", "1")
    done = nablascope("reproduce", file, *options)
    lines = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert lines[2] == "small: 3 entries on cpu, 1 at a time"
    (head,) = (line for line in lines if "wall time" in line)
    assert head.split() == ["paper", "ours", "steps", "wall", "time"]
    place = lines.index(head)
    learns, still, other = lines[place + 1 : place + 4]
    assert learns.startswith("T=6  RNN that learns        0.05   ")
    assert still.startswith("T=6  RNN that stands still  fails  ")
    assert other.startswith("T=7  RNN that learns        -      ")
    assert all(line.split()[-3] == "40" for line in (learns, still, other))
    assert "a RNN that learns  b RNN that stands still  - always 1, 0.167" in lines
    assert "T=6: learns better than still: holds" in lines
    assert "paper, T=6: Table 9" in lines
    assert f"stored in {store}" in lines

    again = nablascope("reproduce", file, *options, env={"LANG": "C", "LC_ALL": "C"})
    assert again.returncode == 0 and again.stdout.isascii()
    assert again.stdout.count("stored before") == 3
    table = [line for line in again.stdout.splitlines() if line.startswith("T=6  RNN")]
    assert table == [learns, still]


def test_json_is_start_entries_end(tmp_path: Path) -> None:
    file = str(written(tmp_path, seeds="[0, 1]"))
    done = nablascope("reproduce", file, "--no-store", "--json", "--workers", "2")
    start, *entries, end = events(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert (start["event"], start["set"], start["measure"]) == ("start", "small", "loss")
    assert len(start["entries"]) == len(entries) == 6
    assert {entry["event"] for entry in entries} == {"entry"}
    for entry in entries:
        assert entry["finished"] and entry["step"] == 40 and entry["error"] is None
        assert [step for step, _ in entry["curve"]] == [0, 10, 20, 30, 40]
    learns, still, _ = end["results"]
    assert (learns["net"], learns["paper"], still["paper"]) == ("learns", 0.05, "fails")
    assert learns["ours"] == pytest.approx(sum(learns["seeds"]) / 2)
    assert learns["ours"] < still["ours"] and not end["interrupted"]
    assert end["order"] == [{"part": "T=6", "better": "learns", "worse": "still", "holds": True}]


def test_an_order_that_does_not_hold_is_exit_1(tmp_path: Path) -> None:
    file = str(written(tmp_path, order='["still > learns"]'))
    done = nablascope("reproduce", file, "--no-store", "--only", "T=6")

    assert (done.returncode, done.stderr) == (1, "")
    assert "T=6: still better than learns: does not hold" in done.stdout.splitlines()
    # Alone, neither is better than the other.
    assert nablascope("reproduce", file, "--no-store", "--only", "still").returncode == 0
    quiet = nablascope("reproduce", file, "--no-store", "--quiet", "--only", "T=6")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (1, "", "")


def test_an_entry_that_cannot_be_run_fails_alone(tmp_path: Path) -> None:
    text = (
        written(tmp_path)
        .read_text()
        .replace(
            "learning_rate = 0.0\n", "learning_rate = 0.0\n[nets.network]\nhidden_size = 65536\n"
        )
    )
    done = nablascope("reproduce", str(written(tmp_path, text)), "--no-store", "--json")
    entries = [event for event in events(done.stdout) if event["event"] == "entry"]

    assert done.returncode == 1
    (failed,) = (entry for entry in entries if entry["error"] is not None)
    assert failed["net"] == "still" and "\n" not in failed["error"]
    assert len(entries) == 3 and sum(entry["finished"] for entry in entries) == 2


def test_without_a_name_the_sets_are_listed() -> None:
    words = nablascope("reproduce")
    listed = json.loads(nablascope("reproduce", "--json").stdout)

    assert words.returncode == 0
    assert "li-2018-adding" in [entry["name"] for entry in listed]
    assert all(entry["title"] in words.stdout and entry["source"] for entry in listed)


def test_sequential_mnist_from_the_users_file(tmp_path: Path) -> None:
    small = ("network.hidden_size=2", "training.steps=1", "training.evaluate_every=1")
    changes = [f"--set={value}" for value in (f"task.file={write_npz(tmp_path)}", *small)]
    nets = ("--only", "irnn", "--only", "indrnn-6", "--only", "permuted")
    done = nablascope("reproduce", "li-2019-mnist", *nets, *changes, "--no-store", "--json")
    start, *entries, end = events(done.stdout)

    assert done.stderr == "" and done.returncode in (0, 1)
    assert [entry["scenario"]["task"]["time_steps"] for entry in start["entries"]] == [784, 784]
    assert all(0.0 <= entry["evaluation_accuracy"] <= 1.0 for entry in entries)
    assert [(result["net"], result["paper"]) for result in end["results"]] == [
        ("irnn", 82),
        ("indrnn-6", 96.0),
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("li-2018-ading",), "li-2018-ading: neither a set of the catalogue nor a file; did you"),
        (("li-2018-adding", "--only", "T=99"), "--only: T=99: not one of T=100, T=500, "),
        (("li-2018-adding", "--workers", "none"), "--workers: none: must be a whole number from 1"),
        (("li-2018-adding", "--set", "training.step=1"), "--set: training.step = 1: unknown key"),
        (("li-2018-adding", "--set", "training.steps=150"), "must be a multiple of training.eval"),
        (("li-2018-adding", "--set", "run.seed=-1"), "--set: run.seed = -1: must be a whole"),
        (("li-2018-adding", "--device", "gpu"), '--device: run.device = "gpu": not one of auto'),
        (("li-2018-adding", "--device", "cuda:77"), "--device cpu"),
        (("li-2019-mnist",), "task.file: is missing; give it as --set task.file=VALUE"),
        (("li-2019-mnist", "--set", "task.file=/none.gz"), "task.file: /none.gz: cannot be read"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], line: str) -> None:
    done = nablascope("reproduce", *arguments, "--no-store")

    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr and done.stderr.count("\n") == 1


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    file = str(written(tmp_path, steps="800", evaluate_every="100"))
    arguments = ["reproduce", file, "--only", "T=7", "--device", "cpu", "--json", "--store"]
    with subprocess.Popen(
        [script(), *arguments, str(store)], stdout=subprocess.PIPE, env=environment(), cwd="/"
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while len(frames(store, "small/T=7/learns")) < 20:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().decode()
    assert process.returncode == 130
    (end,) = (event for event in events(rest) if event["event"] == "end")
    assert end["interrupted"] and end["results"][0]["ours"] is None
    assert 20 <= len(frames(store, "small/T=7/learns")) < 801

    assert nablascope(*arguments, str(store)).returncode == 0
    whole = tmp_path / "whole.sqlite"
    assert nablascope(*arguments, str(whole)).returncode == 0
    assert frames(store, "small/T=7/learns") == frames(whole, "small/T=7/learns")
    with closing(sqlite3.connect(store)) as db:
        begun = db.execute("SELECT min(step) FROM frames GROUP BY run_id ORDER BY run_id")
        first, second = (step for (step,) in begun)
    assert first == 0 and second >= 19


def test_a_full_disk_under_stdout_leaves_the_entries(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    options = ("--only", "T=7", "--device", "cpu", "--workers", "1", "--store", str(store))
    done = with_full_disk("reproduce", str(written(tmp_path)), *options)

    line = "stdout: cannot be written: no space left on device\n"
    assert (done.returncode, done.stderr) == (1, line)
    assert len(frames(store, "small/T=7/learns")) == 41


#: Killed without a word after the frame of step 25, with a checkpoint every third frame or so.
_KILLED = """
import os, signal, sys
from scenarios import checkpoint
from scenarios.store.recording import Recording
checkpoint._SECONDS = checkpoint._SHARE = 0.0
keep = Recording.frame
def frame(self, one):
    keep(self, one)
    if one.step == 25:
        os.kill(os.getpid(), signal.SIGKILL)
Recording.frame = frame
from tui.main import main
main(sys.argv[1:])
"""


def test_killed_it_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    store, whole = tmp_path / "runs.sqlite", tmp_path / "whole.sqlite"
    file = str(written(tmp_path))
    arguments = ["reproduce", file, "--only", "T=7", "--device", "cpu", "--workers", "1", "--store"]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, *arguments, str(store)],
        env=environment(),
        capture_output=True,
        cwd=os.getcwd(),
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(frames(store, "small/T=7/learns")) == 26

    done = nablascope(*arguments, str(store))
    assert done.returncode == 0
    assert nablascope(*arguments, str(whole)).returncode == 0
    assert frames(store, "small/T=7/learns") == frames(whole, "small/T=7/learns")
    with closing(sqlite3.connect(store)) as db:
        begun = db.execute("SELECT min(step) FROM frames GROUP BY run_id ORDER BY run_id")
        assert begun.fetchall() == [(0,), (24,)]
