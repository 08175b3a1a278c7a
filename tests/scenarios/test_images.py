"""MNIST as users have it: files are read as they are, and refused in one line."""

from __future__ import annotations

import gzip
import struct
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.errors import ScenarioError
from scenarios.runner import Run
from scenarios.scenario import Scenario, load
from scenarios.tasks import TASKS
from tests.scenarios.spoilt import encrypt

TRAIN, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    images = rng.integers(256, size=(count, 28, 28), dtype=np.uint8)
    return images, rng.integers(10, size=count, dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def write_idx(folder: Path, *, test: bool = False, packed: bool = False) -> Path:
    suffix = ".gz" if packed else ""
    for part, count in (("train", 60), *([("t10k", 20)] if test else [])):
        for kind, array in zip(("images-idx3", "labels-idx1"), pictures(count), strict=True):
            content = idx(array)
            path = folder / f"{part}-{kind}-ubyte{suffix}"
            path.write_bytes(gzip.compress(content) if packed else content)
    return folder / f"{TRAIN}{suffix}"


def write_npz(folder: Path, **changes: Any) -> Path:
    (x_train, y_train), (x_test, y_test) = pictures(60), pictures(20, seed=1)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    path = folder / "mnist.npz"
    kept = {name: array for name, array in {**arrays, **changes}.items() if array is not None}
    np.savez(path, **kept)
    return path


def mnist(path: Path | str, **changes: object) -> Scenario:
    given = {key.replace("__", "."): value for key, value in changes.items()}
    small = {"network.hidden_size": 4, "training.steps": 1, "run.device": "cpu"}
    return load("adding-rnn", {**small, "task.name": "digits", "task.file": str(path), **given})


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("test", [False, True])
def test_idx_files(tmp_path: Path, packed: bool, test: bool) -> None:
    made = mnist(write_idx(tmp_path, test=test, packed=packed), task__batch_size=10)
    assert made.task.time_steps == 784
    images, labels = pictures(60)
    if not test:
        images, labels = images[:50], labels[:50]
    known = {
        (image / np.float32(255)).tobytes(): n for image, n in zip(images, labels, strict=True)
    }
    seen = 0
    for inputs, target in islice(TASKS["digits"].batches(made), len(images) // 10):
        assert inputs.shape == (784, 10, 1)
        for column, label in zip(np.ascontiguousarray(inputs[:, :, 0].T), target, strict=True):
            assert known.pop(column.tobytes()) == label.argmax()
            seen += 1
    assert seen == len(images) and not known
    assert sum(n for _, n in TASKS["digits"].held_out(made)) == (20 if test else 10)
    variance = float(np.mean((images / 255.0) ** 2))
    assert TASKS["digits"].input_variance(made) == pytest.approx(variance, rel=1e-4)


def test_npz_files_run_and_are_evaluated(tmp_path: Path) -> None:
    frames = list(Run(mnist(write_npz(tmp_path), training__evaluate_every=1)).frames())
    assert [frame.step for frame in frames] == [0, 1]
    for frame in frames:
        assert frame.evaluation_accuracy is not None
        # Twenty examples are held out, though a batch has 32.
        assert (20 * frame.evaluation_accuracy) % 1 == pytest.approx(0.0, abs=1e-9)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write_npz(tmp_path)
    before = TASKS["digits"].input_variance(mnist(path))
    write_npz(tmp_path, x_train=np.zeros((70, 28, 28), np.uint8), y_train=np.zeros(70, np.uint8))
    assert TASKS["digits"].input_variance(mnist(path)) == 0.0 < before


def refusal(path: Path | str) -> str:
    with pytest.raises(ScenarioError) as caught:
        Run(mnist(path))
    line = str(caught.value)
    start = f"adding-rnn: task.file: {path}: "
    assert len(line.splitlines()) == 1 and line.startswith(start)
    return line.removeprefix(start)


def spoil_head(path: Path) -> None:
    path.write_bytes(b"\0\0\x0d\x03" + path.read_bytes()[4:])


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-1]),
         f"{TRAIN} is truncated: 47040 bytes announced, 47039 found"),
        (lambda p: p.write_bytes(p.read_bytes()[:9]),
         f"{TRAIN} is truncated: it ends within its header"),
        (lambda p: p.write_bytes(b""), f"{TRAIN} is no IDX file of bytes, not IDX images"),
        (lambda p: p.write_bytes(p.read_bytes() + b"x"),
         f"{TRAIN} is longer than its header says: 47040 bytes announced, 47041 found"),
        (spoil_head, f"{TRAIN} is no IDX file of bytes, not IDX images"),
        (lambda p: p.write_bytes((p.parent / LABELS).read_bytes()),
         f"{TRAIN} is IDX labels, not IDX images"),
        (lambda p: p.write_bytes(gzip.compress(p.read_bytes())[:-300]),
         f"{TRAIN} is truncated or damaged: compressed file ended before "
         "the end-of-stream marker was reached"),
        (lambda p: p.write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 28, 28)),
         f"{TRAIN} claims more than 1 GiB"),
        (lambda p: p.write_bytes(idx(np.zeros((3, 32, 28), np.uint8))),
         f"{TRAIN} has images of 32 x 28, not 28 x 28"),
        (lambda p: (p.parent / LABELS).unlink(),
         f"there are no labels beside {TRAIN}: {LABELS} is missing"),
        (lambda p: (p.parent / LABELS).write_bytes(idx(np.full(60, 11, np.uint8))),
         f"{LABELS} has the label 11; digits are 0 to 9"),
        (lambda p: (p.parent / LABELS).write_bytes(idx(np.zeros(59, np.uint8))),
         f"{LABELS} has 59 labels for 60 images"),
        (lambda p: p.unlink(), "cannot be read: no such file or directory"),
    ],
)  # fmt: skip
def test_idx_files_that_are_refused(tmp_path: Path, spoil: Any, line: str) -> None:
    path = write_idx(tmp_path)
    spoil(path)
    assert refusal(path) == line


def test_other_files_that_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "is a folder; name a file of images in it, or an npz"
    path = write_idx(tmp_path)
    other = path.rename(tmp_path / "digits.bin")
    expected = "digits.bin needs images in its name, so that its labels can be found"
    assert refusal(other) == expected
    images, _ = pictures(60)
    for changes, line in (
        ({"x_test": None}, "has no x_test; an npz needs x_train, y_train, x_test, y_test"),
        ({"x_train": images[:, :5]}, "x_train has images of 5 x 28, not 28 x 28"),
        ({"y_train": np.zeros(3, np.uint8)}, "y_train has 3 labels for 60 images"),
        ({"y_test": np.full(20, 12)}, "y_test has the label 12; digits are 0 to 9"),
        ({"y_test": np.zeros(20)}, "y_test must hold whole numbers, one an image"),
        (
            {"x_train": images.astype(float)},
            "x_train must hold bytes, images x 28 x 28, not float64 of shape (60, 28, 28)",
        ),
    ):
        assert refusal(write_npz(tmp_path, **changes)) == line
    pickled = write_npz(tmp_path, x_train=np.array([{}], dtype=object))
    assert "pickle" in refusal(pickled)
    whole = write_npz(tmp_path).read_bytes()
    torn = tmp_path / "torn.npz"
    torn.write_bytes(whole[: len(whole) // 2])
    assert refusal(torn).startswith("torn.npz is no IDX file")
    torn.write_bytes(whole[:2000] + b"spoilt" + whole[2006:])
    assert refusal(torn).startswith("is damaged: ")
    locked = write_npz(tmp_path)
    encrypt(locked)
    assert "is encrypted" in refusal(locked)
