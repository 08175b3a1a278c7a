"""Checkpoints: going on is as if one had never stopped, and what does not fit changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.checkpoint import CheckpointError, Keeper, restore, save
from scenarios.events import frame_event, to_json
from scenarios.runner import Run
from scenarios.scenario import Scenario, load
from tests.scenarios.spoilt import encrypt

SMALL = {
    "network.hidden_size": 6,
    "task.batch_size": 9,
    "training.steps": 12,
    "training.learning_rate": 0.02,
    "training.clip_norm": 1.0,
    "run.device": "cpu",
}


def scenario(name: str = "adding-rnn", **changes: object) -> Scenario:
    return load(name, {**SMALL, **{key.replace("__", "."): v for key, v in changes.items()}})


def lines(run: Run, until: int | None = None) -> list[str]:
    """The run's frames as JSON, wall-clock time aside, up to and including a step."""
    found = []
    for frame in run.frames():
        found.append(to_json({**frame_event(frame), "seconds": 0}))
        if frame.step == until:
            break
    return found


def interrupted(made: Scenario, at: int, path: Path) -> list[str]:
    run = Run(made)
    before = lines(run, at)
    save(run, path)
    return before


CASES: list[tuple[str, dict[str, object]]] = [
    *(
        ("adding-rnn", {"training__optimizer": optimizer, "task__time_steps": 15})
        for optimizer in ("sgd", "momentum", "rmsprop", "adam")
    ),
    ("rnn-relu", {"task__time_steps": 15}),
    ("cnn-relu-batch", {"network__depth": 3}),
    (
        "indrnn-deep",
        {"network__depth": 3, "network__recurrent_bound": 1.1, "task__time_steps": 15},
    ),
    ("lstm", {"task__name": "copy", "task__time_steps": 25, "training__evaluate_every": 3}),
    # 1,438 digits in batches of 500: the fourth step is in the next epoch.
    ("gru", {"task__name": "digits", "task__batch_size": 500, "training__evaluate_every": 4}),
    (
        "adding-indrnn",
        {
            "training__schedule": "plateau",
            "training__schedule_steps": 2,
            "training__learning_rate": 1.0,
            "task__time_steps": 15,
        },
    ),
    ("adding-indrnn", {"training__schedule": "cosine", "task__time_steps": 15}),
]


@pytest.mark.parametrize(
    ("name", "changes"), CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)]
)
def test_going_on_gives_the_frames_of_an_unbroken_run(
    tmp_path: Path, name: str, changes: dict[str, object]
) -> None:
    made, path = scenario(name, **changes), tmp_path / "c.npz"
    unbroken = lines(Run(made))
    assert len(unbroken) == 13
    before = interrupted(made, 5, path)
    for at in (5, 8):
        run = Run(made)
        restore(run, path)
        assert run.state.step == at
        after = lines(run, 8 if at == 5 else None)
        # The frame the checkpoint was written after is given once more.
        assert before[-1] == after[0]
        before += after[1:]
        save(run, path)
    assert before == unbroken


@pytest.mark.parametrize("at", [0, 12])
def test_at_either_end(tmp_path: Path, at: int) -> None:
    made, path = scenario(task__time_steps=15), tmp_path / "c.npz"
    before = interrupted(made, at, path)
    run = Run(made)
    restore(run, path)
    assert before[:-1] + lines(run) == lines(Run(made))


def test_more_steps_can_be_asked_for_later(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    before = interrupted(scenario(task__time_steps=15), 12, path)
    longer = scenario(task__time_steps=15, training__steps=20)
    run = Run(longer)
    restore(run, path)
    assert before[:-1] + lines(run) == lines(Run(longer))


def refusal(made: Scenario, path: Path) -> str:
    run = Run(made)
    drawn = {name: np.array(array) for name, array in run.network.training_arrays().items()}
    state, content = run.state, path.read_bytes() if path.is_file() else b""
    with pytest.raises(CheckpointError) as caught:
        restore(run, path)
    for name, array in run.network.training_arrays().items():
        np.testing.assert_array_equal(array, drawn[name])
    assert run.state is state and run.network.updates == 0
    assert not path.is_file() or path.read_bytes() == content
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    return line


def test_checkpoints_of_another_scenario(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    interrupted(scenario(task__time_steps=15), 5, path)
    for changes, line in (
        ({"network__depth": 2}, "network.depth is 1 there, 2 here"),
        ({"run__seed": 3}, "run.seed is 0 there, 3 here"),
        ({"training__optimizer": "sgd"}, 'training.optimizer is "adam" there, "sgd" here'),
        (
            {"training__schedule": "step"},
            'training.schedule is "constant" there, "step" here',
        ),
        ({"network__kind": "lstm"}, 'network.kind is "rnn" there, "lstm" here'),
    ):
        made = scenario(**{"task__time_steps": 15, **changes})
        assert refusal(made, path) == f"is of another scenario: {line}"
    fewer = scenario(task__time_steps=15, training__steps=3)
    assert refusal(fewer, path) == "is at step 5, beyond the 3 that are to be made"
    cosine = scenario(task__time_steps=15, training__schedule="cosine")
    interrupted(cosine, 5, path)
    other = cosine.with_changes({"training.steps": 30})
    assert refusal(other, path) == "is of another scenario: training.steps is 12 there, 30 here"


def rewritten(path: Path, **changes: Any) -> None:
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    arrays |= {key.replace("__", "/"): value for key, value in changes.items()}
    with path.open("wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    made, path = scenario(task__time_steps=15), tmp_path / "c.npz"
    interrupted(made, 5, path)
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(content)
        assert refusal(made, path) == "is no checkpoint, or a torn one"
    path.write_bytes(whole[:200] + b"spoilt!" + whole[207:])
    assert refusal(made, path).startswith("is damaged: ")
    path.write_bytes(whole)
    encrypt(path)
    assert "is encrypted" in refusal(made, path)
    np.savez(path, x=np.zeros(3))
    assert refusal(made, path) == "is no checkpoint"
    path.write_bytes(whole)
    meta = json.loads(str(np.load(path)["meta"]))
    rewritten(path, meta=np.array(json.dumps({**meta, "nablascope_checkpoint": 9})))
    assert refusal(made, path) == "was written by another version of nablascope (9)"
    rewritten(path, meta=np.array(json.dumps({**meta, "step": "many"})))
    assert refusal(made, path) == "is damaged: it does not say where training stood"
    unlike = "is damaged: its arrays are not those of its scenario"
    rewritten(path, meta=np.array(json.dumps(meta)), param__layer1=np.zeros(2))
    assert refusal(made, path) == unlike
    path.write_bytes(whole)
    rewritten(path, memory=np.zeros(2))
    assert refusal(made, path) == unlike
    rewritten(path, memory=np.array([{}], dtype=object))
    assert "pickle" in refusal(made, path)
    assert refusal(made, tmp_path / "none.npz").startswith("cannot be read: no such file")


def test_a_failing_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, path = scenario(task__time_steps=15), tmp_path / "c.npz"
    run = Run(made)
    keeper = Keeper(run, path)
    frames = run.frames()
    next(frames)
    keeper.save()
    kept = path.read_bytes()

    def full(file: Any, **_: object) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", full)
        next(frames)
        keeper.save()
    assert keeper.trouble == "not written: no space left on device"
    assert path.read_bytes() == kept and list(tmp_path.iterdir()) == [path]
    keeper.save()
    assert keeper.trouble is None and path.read_bytes() != kept


def test_a_keeper_writes_when_it_is_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("scenarios.checkpoint.time.monotonic", lambda: now[0])
    path = tmp_path / "c.npz"
    run = Run(scenario(task__time_steps=15))
    keeper = Keeper(run, path)
    for step, _ in enumerate(run.frames()):
        now[0] += 4.0
        keeper.frame()
        assert path.exists() == (step >= 3)
    again = Run(scenario(task__time_steps=15))
    restore(again, path)
    assert again.state.step == 11
