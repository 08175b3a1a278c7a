"""Text as a task: windows of the user's own file, or of the sonnets that come along."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from scenarios.errors import ScenarioError
from scenarios.predictions import foretell, predict
from scenarios.runner import Run
from scenarios.scenario import Scenario, load
from scenarios.tasks import TASKS
from scenarios.tasks.text import _SONNETS

TEXT = TASKS["text"]


def scenario(file: Path | str = "", **changes: object) -> Scenario:
    given = {key.replace("__", "."): value for key, value in changes.items()}
    small = {"network.hidden_size": 8, "task.time_steps": 20, "training.steps": 3}
    own = {"task.name": "text", "task.file": str(file), "run.device": "cpu"}
    return load("adding-rnn", {**small, **own, **given})


def read(rows: np.ndarray, alphabet: str) -> list[str]:
    """One-hot rows (T, B, V) as one string an example."""
    return ["".join(alphabet[n] for n in column) for column in rows.argmax(axis=-1).T]


@pytest.mark.parametrize("own", [False, True])
def test_every_step_is_to_name_the_next_character(tmp_path: Path, own: bool) -> None:
    file = tmp_path / "mine.txt"
    text = _SONNETS.read_text(encoding="utf-8")
    if own:
        text = "naïve Ærø – " * 60 + "the end 🙂 of it all. " * 20
        file.write_text(text, encoding="utf-8")
    made = scenario(file if own else "")
    alphabet = "".join(sorted(set(text)))
    trained, held_out = text[: len(text) - len(text) // 10], text[-(len(text) // 10) :]
    assert TEXT.input_shape(made) == (len(alphabet),) and TEXT.outputs(made) == len(alphabet)
    for inputs, target in islice(TEXT.batches(made), 20):
        assert inputs.shape == target.shape == (20, 32, len(alphabet))
        for shown, wanted in zip(read(inputs, alphabet), read(target, alphabet), strict=True):
            assert shown[1:] == wanted[:-1] and shown + wanted[-1] in trained
    seen = ""
    for (inputs, target), examples in TEXT.held_out(made):
        windows = zip(read(inputs, alphabet), read(target, alphabet), strict=True)
        for shown, wanted in list(windows)[:examples]:
            assert shown[1:] == wanted[:-1]
            seen += shown
    # All of it but what does not fill a window.
    assert held_out.startswith(seen) and len(held_out) - len(seen) <= 20


def test_a_text_is_trained_on_and_evaluated() -> None:
    *_, last = Run(
        scenario(
            network__kind="indrnn",
            network__activation="relu",
            network__hidden_size=64,
            init__scheme="recurrent_range",
            init__weight_scale=0.3,
            training__steps=150,
            training__learning_rate=0.01,
            training__evaluate_every=150,
        )
    ).frames()
    letters = TEXT.outputs(scenario())
    assert last.evaluation_loss is not None and last.evaluation_accuracy is not None
    assert last.evaluation_loss < math.log(letters) - 1.0
    assert last.evaluation_accuracy > 0.2
    assert last.log10_grad_h.shape == (1, 20) or last.log10_grad_h.shape == (2, 20)


def test_a_single_step_is_a_single_target() -> None:
    made = scenario(task__time_steps=1)
    inputs, target = next(TEXT.batches(made))
    assert inputs.shape == (1, 32, TEXT.outputs(made)) and target.shape == inputs.shape[1:]
    assert [frame.step for frame in Run(made).frames()] == [0, 1, 2, 3]


def test_a_text_that_is_gone_leaves_theory_with_a_reason(tmp_path: Path) -> None:
    made = scenario(tmp_path / "gone.txt")
    with pytest.raises(ScenarioError, match=r"gone\.txt: cannot be read") as caught:
        predict(made)
    prediction = foretell(made)
    assert (prediction.kind, prediction.activation) == ("rnn", "tanh")
    assert set(prediction.reasons.values()) == {str(caught.value)}
    assert foretell(scenario()) == predict(scenario())


def test_texts_that_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"

    def refusal(content: bytes | None) -> str:
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ScenarioError) as caught:
            Run(scenario(file))
        start = f"adding-rnn: task.file: {file}: "
        assert str(caught.value).startswith(start)
        return str(caught.value).removeprefix(start)

    assert refusal(None) == "cannot be read: no such file or directory"
    assert refusal(b"\xff\xfe" * 500) == "is not UTF-8 text: see byte 0"
    assert refusal(b"a" * 100 + b"\x80" + b"a" * 900) == "is not UTF-8 text: see byte 100"
    short = "is too short for windows of 21 characters: 90 to train on, 10 held out"
    assert refusal(b"abcdefghij" * 10) == short
    assert "0 to train on, 0 held out" in refusal(b"")
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 600)))
    allowed = "has 600 different characters, more than the 512 there may be"
    assert refusal(many.encode()) == allowed
    with pytest.raises(ScenarioError, match="the built-in sonnets: is too short for windows of 50"):
        Run(scenario(task__time_steps=500))
