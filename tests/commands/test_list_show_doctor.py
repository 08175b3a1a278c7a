"""What list, show and doctor print, and what they refuse."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from engine.devices import DeviceStatus
from engine.errors import DeviceError
from scenarios import catalogue
from scenarios.scenario import load
from tui.main import main

Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, *arguments: str) -> str:
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys: Capture, *arguments: str) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.rstrip("\n")


def test_list_json(capsys: Capture) -> None:
    found = json.loads(printed(capsys, "list", "--json"))
    assert [entry["name"] for entry in found] == catalogue.names()
    for entry in found:
        assert set(entry) == {"name", "title", "kind", "question"}
        scenario = load(entry["name"])
        assert entry["question"] == scenario.question
        assert entry["kind"] == scenario.network.kind


def test_list_groups_by_architecture(capsys: Capture) -> None:
    text = printed(capsys, "list")
    order = [text.index(head) for head in ("mlp\n", "cnn\n", "rnn\n", "indrnn\n")]
    assert order == sorted(order)
    assert text.index("  cnn-relu") < text.index("  rnn-relu") < text.index("  indrnn-deep")


def test_show_is_a_scenario_file(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    path.write_text(printed(capsys, "show", "indrnn-deep"))
    assert load(path) == load("indrnn-deep")
    assert printed(capsys, "show", str(path)) == path.read_text()


def test_show_json_is_the_same(capsys: Capture) -> None:
    as_toml = tomllib.loads(printed(capsys, "show", "adding-rnn", "--seed", "7"))
    as_json = json.loads(printed(capsys, "show", "adding-rnn", "--seed", "7", "--json"))
    assert as_toml == as_json
    assert as_json["run"]["seed"] == 7


def test_options_and_assignments_change_it(capsys: Capture) -> None:
    changes = ["--set", "network.depth=3", "--set", "network.depth=4", "--set", "network.bias=true"]
    options = ["--steps", "0", "--device", "cpu", "--dtype", "float64", "--seed", "1"]
    shown = tomllib.loads(printed(capsys, "show", "chain-sigmoid", *changes, *options))
    assert (shown["network"]["depth"], shown["network"]["bias"]) == (4, True)
    assert shown["training"]["steps"] == 0
    assert shown["run"] == {"seed": 1, "dtype": "float64", "device": "cpu"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--set", "network.depth"],
            "--set: network.depth: must be KEY=VALUE, for example network.depth=50",
        ),
        (["--set", "depth=5"], "--set: depth = 5: unknown key; did you mean network.depth?"),
        (
            ["--set", "network.depth=0"],
            "--set: network.depth = 0: must be a whole number from 1 to 10000",
        ),
        (
            ["--seed", "x"],
            '--seed: run.seed = "x": must be a whole number from 0 to 4294967295',
        ),
        (
            ["--steps", "1.5"],
            "--steps: training.steps = 1.5: must be a whole number from 0 to 10000000",
        ),
        (
            ["--dtype", "float16"],
            '--dtype: run.dtype = "float16": not one of float32, float64; did you mean "float64"?',
        ),
        (
            ["--device", "gpu"],
            '--device: run.device = "gpu": not one of auto, cpu, cuda, cuda:N; did you mean "cpu"?',
        ),
        (["--sed", "1"], "nablascope show: unrecognized arguments: --sed 1; did you mean --seed?"),
        (["--seed"], "nablascope show: --seed: expected one argument"),
        (["--json=1"], "nablascope show: --json: ignored explicit argument '1'"),
        (["\x1b[2J"], "nablascope show: unrecognized arguments: \\x1b[2J"),
    ],
)
def test_show_refuses(capsys: Capture, arguments: list[str], line: str) -> None:
    assert refused(capsys, "show", "chain-sigmoid", *arguments) == line


def test_a_scenario_is_needed(capsys: Capture) -> None:
    assert refused(capsys, "show") == (
        "nablascope show: the following arguments are required: SCENARIO"
    )
    assert refused(capsys, "--set", "network.depth=3") == (
        "nablascope: options that change a scenario need a SCENARIO"
    )
    assert refused(capsys, "--device", "tpu").startswith('--device: run.device = "tpu": not one of')


def test_doctor_json(capsys: Capture) -> None:
    found = json.loads(printed(capsys, "doctor", "--json"))
    assert set(found) == {"devices", "versions", "blas", "store", "terminal"}
    cpu = found["devices"][0]
    assert cpu["device"] == "cpu" and cpu["name"] and cpu["cores"] >= 1
    assert 0 < cpu["available_bytes"] <= cpu["memory_bytes"]
    assert set(found["versions"]) >= {"python", "numpy", "cupy", "textual", "plotext"}
    assert found["blas"]["name"]
    assert found["terminal"]["attached"] is False and found["terminal"]["size"] is None


def test_doctor_tells_where_the_store_is(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "runs.sqlite"
    monkeypatch.setenv("NABLASCOPE_STORE", str(path))
    assert f"\nstore\n  {path}, not there yet\n" in printed(capsys, "doctor")
    path.write_bytes(b"0" * 3 * 2**20)
    assert f"\nstore\n  {path}, 3.0 MiB\n" in printed(capsys, "doctor")
    assert json.loads(printed(capsys, "doctor", "--json"))["store"]["bytes"] == 3 * 2**20
    # Looked at, not touched.
    assert path.read_bytes() == b"0" * 3 * 2**20


@pytest.mark.parametrize("how", ["a file in the way", "write-protected"])
def test_doctor_tells_why_nothing_can_be_stored(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    place = tmp_path / "data"
    if how == "write-protected":
        if os.geteuid() == 0:
            pytest.skip("root writes everywhere")
        place.mkdir(0o500)
        line = f"cannot be written: {place} is write-protected"
    else:
        place.touch()
        line = f"cannot be written: {place} is not a folder"
    path = place / "nablascope" / "runs.sqlite"
    monkeypatch.setenv("NABLASCOPE_STORE", str(path))
    assert f"\nstore\n  {path}, not there yet, {line}\n" in printed(capsys, "doctor")
    assert json.loads(printed(capsys, "doctor", "--json"))["store"]["problem"] == line


def test_doctor_tells_why_there_is_no_gpu(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise DeviceError("CuPy 14.0 finds no working GPU driver: driver too old; use --device cpu")

    monkeypatch.setattr("engine.devices._import_cupy", absent)
    text = printed(capsys, "doctor")
    assert "no GPU: CuPy 14.0 finds no working GPU driver: driver too old\n" in text


def test_doctor_shows_every_gpu(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = DeviceStatus("cpu", "CPU", 2**33, None)
    gpus = [DeviceStatus(f"cuda:{i}", "Some GPU", 2**34, None, (None, 2**33)[i]) for i in range(2)]
    monkeypatch.setattr("engine.devices.probe_devices", lambda: [cpu, *gpus])
    text = printed(capsys, "doctor")
    assert "  cuda:0   Some GPU, 16.0 GiB memory\n" in text
    assert "  cuda:1   Some GPU, 16.0 GiB memory, at most 8.0 GiB taken\n" in text


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"TERM": "xterm"}, 16),
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, 2**24),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 0),
        ({"TERM": "dumb"}, 0),
        ({}, 0),
    ],
)
def test_colours(env: dict[str, str], expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.commands.doctor import colours

    for name in ("TERM", "COLORTERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert colours() == expected
