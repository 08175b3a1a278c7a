"""run --checkpoint: stop at any moment, go on later, and never lose what was kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands.support import environment, script
from tui.main import main

Capture = pytest.CaptureFixture[str]

RUN = ["run", "adding-rnn", "--no-store", "--device", "cpu"]
SMALL = ["--set", "task.time_steps=12", "--set", "network.hidden_size=6"]


def frames(out: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in out.splitlines()]
    return [{**e, "seconds": 0} for e in events if e["event"] == "frame"]


def test_going_on_from_the_shell(capsys: Capture, tmp_path: Path) -> None:
    path = str(tmp_path / "c.npz")
    options = [*RUN, *SMALL, "--json"]
    assert main([*options, "--steps", "9"]) == 0
    unbroken = frames(capsys.readouterr().out)
    assert main([*options, "--steps", "4", "--checkpoint", path]) == 0
    before = frames(capsys.readouterr().out)
    assert main([*options, "--steps", "9", "--checkpoint", path]) == 0
    after = frames(capsys.readouterr().out)
    assert [frame["step"] for frame in after] == [4, 5, 6, 7, 8, 9]
    assert before[:-1] + after == unbroken
    # What is finished shows how it stands, and trains no further.
    assert main([*options, "--steps", "9", "--checkpoint", path]) == 0
    assert frames(capsys.readouterr().out) == unbroken[-1:]


def test_words_for_going_on(capsys: Capture, tmp_path: Path) -> None:
    options = [*RUN, *SMALL, "--checkpoint", str(tmp_path / "c.npz")]
    assert main([*options, "--steps", "3"]) == 0
    assert "going on" not in capsys.readouterr().out
    assert main([*options, "--steps", "6"]) == 0
    shown = capsys.readouterr().out
    assert "going on from step 3\n" in shown
    assert " at step 3, " in shown and " at step 6 of 6\n" in shown
    assert main([*options, "--steps", "6"]) == 0
    shown = capsys.readouterr().out
    assert " at step 6 of 6, nothing was left to train\n" in shown and " at step 6, " not in shown


def test_what_does_not_fit_is_one_line_and_stays_as_it_is(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    options = [*RUN, *SMALL, "--steps", "3", "--checkpoint", str(path)]
    assert main(options) == 0
    capsys.readouterr()
    whole = path.read_bytes()
    assert main([*options, "--seed", "8"]) == 2
    shown = capsys.readouterr()
    other = "is of another scenario: run.seed is 0 there, 8 here"
    assert (shown.out, shown.err) == ("", f"--checkpoint: {path}: {other}\n")
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-40])
    assert main(options) == 2
    assert capsys.readouterr().err == f"--checkpoint: {path}: is no checkpoint, or a torn one\n"
    assert path.read_bytes() == whole[:-40]
    assert main([*options[:-1], str(tmp_path / "none" / "c.npz")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_a_full_disk_is_told_and_the_run_goes_on(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    path = tmp_path / "c.npz"
    assert main([*RUN, *SMALL, "--steps", "3", "--json", "--checkpoint", str(path)]) == 1
    shown = capsys.readouterr()
    assert len(frames(shown.out)) == 4
    assert shown.err == f"--checkpoint: {path}: not written: no space left on device\n"


def test_control_c_keeps_the_step_it_stopped_at(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    command = [script(), *RUN, *SMALL, "--steps", "1000000", "--json", "--checkpoint", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), cwd="/") as process:
        assert process.stdout is not None
        for _ in range(30):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        rest = process.stdout.read().decode()
    assert process.returncode == 130
    end = json.loads(rest.splitlines()[-1])
    meta = json.loads(str(np.load(path)["meta"]))
    assert end["interrupted"] is True and meta["step"] == end["step"] > 20
