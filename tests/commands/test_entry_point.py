"""Every command through the installed console script."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pexpect
import pytest

from scenarios import catalogue
from tests.commands.support import environment, in_a_shell, nablascope, script, with_full_disk

QUICK = ("--device", "cpu", "--steps", "2")


def test_list() -> None:
    done = nablascope("list")
    assert (done.returncode, done.stderr) == (0, "")
    for name in catalogue.names():
        assert f"  {name} " in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_show() -> None:
    done = nablascope("show", "chain-sigmoid", "--set", "network.depth=3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "depth = 3" in done.stdout


def test_run() -> None:
    done = nablascope("run", "chain-sigmoid", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nvanishing: x0.226 per layer, 10^-5.8 over 9 layers\n" in done.stdout
    assert "layer 1 (farthest)" in done.stdout
    assert "(next to the loss) layer 10" in done.stdout
    assert "⠤" in done.stdout and "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_doctor() -> None:
    done = nablascope("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("devices", "cpu", "versions", "textual", "BLAS", "terminal"):
        assert word in done.stdout


def test_theory() -> None:
    done = nablascope("theory", "mlp-tanh")
    assert (done.returncode, done.stderr) == (0, "")
    assert "theory: mean field of wide layers" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_learn() -> None:
    done = nablascope("learn", "sigmoid")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.25^10" in done.stdout


def test_what_run_and_sweep_store_is_listed_and_exported(tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "runs.sqlite"))
    axes = ("--set", "network.depth=[2,3]", "--set", "init.weight_scale=[1,2]")
    swept = nablascope("sweep", "mlp-tanh-depth", *axes, *store, "--workers", "1", "--json")
    assert (swept.returncode, swept.stderr) == (0, "")
    # 2 depths, 2 scales, 3 seeds, between start and end.
    assert swept.stdout.count("\n") == 14
    ran = nablascope("run", "chain-sigmoid", *QUICK, *store)
    assert ran.returncode == 0
    listed = nablascope("runs", *store)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "chain-sigmoid" in listed.stdout
    for table, rows in (("runs", 1), ("frames", 3), ("sweeps", 1), ("cells", 12)):
        done = nablascope("export", table, "--format", "jsonl", *store)
        assert (done.returncode, done.stderr) == (0, "")
        assert len([json.loads(line) for line in done.stdout.splitlines()]) == rows


def test_help_names_every_command() -> None:
    done = nablascope("--help")
    assert done.returncode == 0
    for command in ("list", "show", "run", "doctor", "SCENARIO"):
        assert command in done.stdout
    assert nablascope("--version").stdout.startswith("nablascope 0.")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("lisst",),
            "lisst: neither a command, nor a scenario of the catalogue, nor a file; "
            "did you mean list?",
        ),
        (
            ("qqqq",),
            "qqqq: neither a command, nor a scenario of the catalogue, nor a file; "
            "see nablascope --help and nablascope list",
        ),
        (("rnn-tanh-time",), "rnn-tanh-time: is a sweep; nablascope sweep rnn-tanh-time runs it"),
        (
            ("run", "rnn-rleu"),
            "rnn-rleu: neither a scenario of the catalogue nor a file; did you mean rnn-relu?",
        ),
        (
            ("list", "--jsn"),
            "nablascope list: unrecognized arguments: --jsn; did you mean --json?",
        ),
        (
            ("rnn-relu",),
            "nablascope: the app needs a terminal; in a script, use nablascope run SCENARIO",
        ),
    ],
)
def test_bad_input_is_one_line_and_two(arguments: tuple[str, ...], line: str) -> None:
    done = nablascope(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{line}\n")


def test_modules_in_the_current_folder_are_not_taken(tmp_path: Path) -> None:
    for name in ("tui", "engine", "scenarios", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the current folder')")
    assert nablascope("list", cwd=tmp_path).returncode == 0


def test_without_utf8_everything_is_ascii() -> None:
    for env in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}):
        done = nablascope("run", "chain-sigmoid", *QUICK, env=env)
        assert done.returncode == 0
        assert done.stdout.isascii()
        assert "10^-5.8" in done.stdout and "***" in done.stdout


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    dump = tmp_path / "x.npz"
    command = [script(), "run", "chain-relu", "--device", "cpu", "--json", "--dump", str(dump)]
    text = [script(), "run", "chain-relu", "--device", "cpu", "--steps", "2"]
    for arguments in ([script(), "list"], text, command):
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0
        process.stderr.close()
    # What was asked for beside the output is done all the same.
    with np.load(dump) as arrays:
        assert json.loads(str(arrays["meta"]))["step"] == 100


@pytest.mark.parametrize("command", ["list", "show chain-relu", "run chain-relu --device cpu"])
def test_a_full_disk_under_stdout_is_one_line(command: str) -> None:
    done = with_full_disk(*command.split())
    assert done.returncode == 1
    assert done.stderr == "stdout: cannot be written: no space left on device\n"


@pytest.mark.parametrize(
    "command",
    ["list", "run chain-sigmoid --no-store", "run chain-sigmoid --no-store --json", "export runs"],
)
def test_a_closed_stdout_is_one_line(tmp_path: Path, command: str) -> None:
    env = {"NABLASCOPE_STORE": str(tmp_path / "runs.sqlite")}
    nablascope("run", "chain-sigmoid", "--quiet", env=env)
    done = in_a_shell(f"{command} >&-", env)
    line = "stdout: cannot be written: bad file descriptor\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("run chain-sigmoid --steps 1 --no-store", 0),
        ("sweep rnn-tanh-time --set run.seed=0 --set task.time_steps=[5,8] --no-store", 0),
        ("run no-such-thing", 2),
    ],
)
def test_a_closed_stderr_is_no_error(command: str, code: int) -> None:
    done = in_a_shell(f"{command} 2>&- <&-")
    assert done.returncode == code
    assert "no-such-thing" not in done.stdout


def test_interrupted_runs_report_what_was_computed(tmp_path: Path) -> None:
    dump = tmp_path / "x.npz"
    endless = ["--steps", "10000000", "--json", "--dump", str(dump)]
    process = subprocess.Popen(
        [script(), "run", "chain-relu", "--device", "cpu", *endless],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None and process.stderr is not None
    head = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    rest, errors = process.stdout.read(), process.stderr.read()
    assert (process.wait(timeout=60), errors) == (130, "")
    process.stdout.close()
    process.stderr.close()
    lines = [json.loads(line) for line in [*head, *rest.splitlines()]]
    assert [line["event"] for line in lines] == ["start", *["frame"] * (len(lines) - 2), "end"]
    end = lines[-1]
    assert end["interrupted"] is True
    assert end["step"] == lines[-2]["step"] == len(lines) - 3
    with np.load(dump) as arrays:
        assert json.loads(str(arrays["meta"]))["step"] == end["step"]


@pytest.mark.parametrize(
    ("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_and_motion_in_a_terminal(env: dict[str, str], coloured: bool) -> None:
    output, code = pexpect.run(
        f"{script()} run chain-sigmoid --device cpu --steps 2",
        env=environment(env),
        withexitstatus=True,
        timeout=60,
    )
    text = output.decode()
    assert code == 0
    assert "vanishing" in text and "per layer" in text
    assert ("\x1b[1;34mvanishing\x1b[0m" in text) is coloured
    # The progress bar is motion: it redraws its line.
    assert ("\x1b[2K" in text) is coloured
    assert ("\x1b" in text) is coloured
