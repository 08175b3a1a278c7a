"""--dump holds what another framework needs, appears whole or not at all, and asks first."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.scenario import load
from tui.main import main

Capture = pytest.CaptureFixture[str]
Arrays = dict[str, Any]


def dumped(folder: Path, name: str, *arguments: str) -> Arrays:
    path = folder / "run.npz"
    small = ["--set", "network.depth=2", "--set", "network.hidden_size=5"]
    options = ["--device", "cpu", "--dtype", "float64", "--quiet", "--dump", str(path)]
    assert main(["run", name, *options, *small, *arguments]) == 0
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def loss_of_mlp(d: Arrays) -> float:
    h = d["input"]
    for layer in (1, 2):
        h = np.tanh(h @ d[f"param/layer{layer}.W"] + d[f"param/layer{layer}.b"])
    return mean_square(d, h)


def loss_of_residual_mlp(d: Arrays) -> float:
    h = d["input"]
    for layer in (1, 2):
        p = h @ d[f"param/layer{layer}.W"]
        n = (p - p.mean(axis=0)) / np.sqrt(p.var(axis=0) + 1e-5)
        a = n * d[f"param/layer{layer}.gain"] + d[f"param/layer{layer}.b"]
        h = np.tanh(a) + (h if h.shape == a.shape else 0.0)
    return mean_square(d, h)


def loss_of_rnn(d: Arrays) -> float:
    sequence = d["input"]
    for layer in (1, 2):
        w, u, b = (d[f"param/layer{layer}.{name}"] for name in "WUb")
        h = np.zeros((sequence.shape[1], u.shape[0]))
        states = []
        for x in sequence:
            h = np.maximum(x @ w + h @ u + b, 0.0)
            states.append(h)
        sequence = np.stack(states)
    return mean_square(d, sequence[-1])


def mean_square(d: Arrays, h: Any) -> float:
    y = h @ d["param/readout.W"] + d["param/readout.b"]
    return float(np.mean((y - d["target"]) ** 2))


@pytest.mark.parametrize(
    ("name", "loss", "changes"),
    [
        ("mlp-tanh", loss_of_mlp, ["--steps", "3", "--set", "training.learning_rate=0.1"]),
        (
            "mlp-tanh",
            loss_of_residual_mlp,
            ["--steps", "3", "--set", "network.residual=true", "--set", "network.norm=batch"],
        ),
        ("rnn-relu", loss_of_rnn, ["--steps", "2", "--set", "task.time_steps=4"]),
    ],
)
def test_another_program_can_repeat_the_run(
    tmp_path: Path, name: str, loss: Any, changes: list[str]
) -> None:
    d = dumped(tmp_path, name, *changes)
    assert loss(d) == pytest.approx(float(d["loss"]), rel=1e-12)
    for key in [key for key in d if key.startswith("param/")]:
        gradient = d[f"grad/{key.removeprefix('param/')}"]
        assert gradient.shape == d[key].shape
        index = tuple(n // 2 for n in gradient.shape)
        original = d[key][index]
        ends = []
        for step in (1e-6, -1e-6):
            d[key][index] = original + step
            ends.append(loss(d))
        d[key][index] = original
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(gradient[index], rel=1e-5, abs=1e-9)


def test_contents(tmp_path: Path) -> None:
    d = dumped(tmp_path, "cnn-relu", "--steps", "1")
    assert d["input"].shape == (16, 8, 8, 3)
    assert d["target"].shape == (16, 1)
    assert d["log10_grad_h"].shape == d["log10_grad_a"].shape == (2, 1)
    assert d["loss"].shape == d["meta"].shape == ()
    meta = json.loads(str(d["meta"]))
    changes = {"network.depth": 2, "network.hidden_size": 5, "training.steps": 1}
    settings = {"run.device": "cpu", "run.dtype": "float64"}
    assert meta["scenario"] == load("cnn-relu", {**changes, **settings}).to_dict()
    assert meta["step"] == 1
    assert meta["input_axes"] == ["batch", "height", "width", "channels"]
    assert meta["layout"]["layer1.W"] == {
        "shape": [3, 3, 3, 5],
        "axes": ["kernel_height", "kernel_width", "input_channels", "output_channels"],
    }
    assert meta["layout"]["readout.W"] == {"shape": [5, 1], "axes": ["inputs", "outputs"]}
    parameters = {key.removeprefix("param/") for key in d if key.startswith("param/")}
    gradients = {key.removeprefix("grad/") for key in d if key.startswith("grad/")}
    assert parameters == gradients == set(meta["layout"])
    assert {array.dtype.kind for array in d.values()} <= {"f", "U"}


def test_gradients_below_the_dtype_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    assert (
        main(["run", "mlp-sigmoid", "--device=cpu", "--steps=0", "--quiet", f"--dump={path}"]) == 0
    )
    with np.load(path) as d:
        gradient = d["grad/layer1.W"]
        rms = np.log10(np.sqrt(np.mean(gradient**2)))
    assert gradient.dtype == np.float64
    assert -75 < rms < -55


def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    def written() -> bytes:
        dumped(tmp_path, "adding-indrnn", "--steps", "2")
        return (tmp_path / "run.npz").read_bytes()

    assert written() == written()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "must be the path of a file"),
        ("{folder}", "is a directory, not a file to write"),
        ("{folder}/none/x.npz", "there is no folder {folder}/none"),
        ("/dev/null", "is not a regular file"),
        ("{folder}/" + "x" * 300, "cannot be written: file name too long"),
        ("/proc/x.npz", "cannot be written: no such file or directory"),
    ],
)
def test_a_dump_that_cannot_be_written_stops_the_run_before_it_starts(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str, problem: str
) -> None:
    monkeypatch.setattr("scenarios.runner.Run", None)
    place, problem = path.format(folder=tmp_path), problem.format(folder=tmp_path)
    assert main(["run", "chain-relu", "--dump", place]) == 2
    shown = place or '""'
    assert capsys.readouterr().err == f"--dump: {shown}: {problem}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_write_protection_is_respected(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_text("keep me")
    path.chmod(0o444)
    assert main(["run", "chain-relu", "--dump", str(path)]) == 2
    assert capsys.readouterr().err == f"--dump: {path}: exists and is write-protected\n"


def test_a_failing_disk_leaves_the_old_file(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "x.npz"
    path.write_text("keep me")

    def full(file: Any, **_: object) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    options = ["--device", "cpu", "--steps", "0", "--quiet", "--dump", str(path)]
    assert main(["run", "chain-relu", *options]) == 1
    line = f"--dump: {path}: not written: no space left on device\n"
    assert capsys.readouterr().err == line
    assert path.read_text() == "keep me"
    assert list(tmp_path.iterdir()) == [path]


def test_links_and_permissions_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.npz", tmp_path / "link.npz"
    real.touch()
    real.chmod(0o640)
    link.symlink_to(real)
    options = ["--device", "cpu", "--steps", "0", "--quiet", "--dump", str(link)]
    assert main(["run", "chain-relu", *options]) == 0
    assert link.is_symlink() and real.stat().st_size > 0
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    umask = os.umask(0o022)
    try:
        options[-1] = str(tmp_path / "new.npz")
        assert main(["run", "chain-relu", *options]) == 0
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new.npz").stat().st_mode) == 0o644


def test_singular_values_of_the_jacobian(tmp_path: Path) -> None:
    d = dumped(tmp_path, "mlp-tanh", "--steps", "2")
    jacobian, h = np.eye(d["input"].shape[1]), d["input"][0]
    for layer in (1, 2):
        h = np.tanh(h @ d[f"param/layer{layer}.W"] + d[f"param/layer{layer}.b"])
        jacobian = jacobian @ d[f"param/layer{layer}.W"] * (1.0 - h**2)
    true = np.log10(np.linalg.svd(jacobian, compute_uv=False))
    np.testing.assert_allclose(d["jacobian_log10_singular_values"], true, atol=1e-9)
    np.testing.assert_array_equal(d["jacobian_weights"], 1.0)
    about = json.loads(str(d["meta"]))["jacobian"]
    assert (about["of"], about["method"]) == ("d h_2 / d x", "exact")
    assert (about["outputs"], about["inputs"], about["zeros"]) == (5, 64, 0.0)
    assert about["log10_condition"] == pytest.approx(true[0] - true[-1], abs=1e-5)


def test_a_dump_says_why_it_has_no_singular_values(tmp_path: Path) -> None:
    huge = {"init.weight_scale": "1e6", "network.activation": "linear", "network.depth": "100"}
    changes = [f"--set={key}={value}" for key, value in huge.items()]
    d = dumped(tmp_path, "mlp-tanh", "--steps", "0", *changes)
    assert "jacobian_weights" not in d
    reason = json.loads(str(d["meta"]))["jacobian"]["reason"]
    assert reason.startswith("the forward pass overflows at layer 5")
