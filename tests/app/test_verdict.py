"""The Lab's verdict: what became of the gradient, who did it, and what goes first without room."""

from __future__ import annotations

import pytest

from engine.architectures import ARCHITECTURES
from tests.app.support import LabApp, finished
from tests.app.test_keys import text
from tui.lab.session import State
from tui.lab.verdict import VerdictBar, _wrapped
from tui.words import blame_wordings, wordings

RUNS = [
    pytest.param("chain-sigmoid", {}, id="mlp"),
    pytest.param("mlp-dead", {}, id="dead"),
    pytest.param("cnn-tanh", {"network.residual": True, "network.norm": "layer"}, id="residual"),
    pytest.param("rnn-tanh", {}, id="rnn"),
    pytest.param("indrnn-deep", {}, id="indrnn"),
    pytest.param("rnn-tanh", {"network.kind": "lstm"}, id="lstm"),
    pytest.param("rnn-tanh", {"network.kind": "gru"}, id="gru"),
]


def lines_of(bar: VerdictBar) -> list[str]:
    """What it says, as a person reads it."""
    return ["".join(segment.text for segment in strip).strip() for strip in bar._strips]


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 50)], ids=str)
@pytest.mark.parametrize(("name", "changes"), RUNS)
async def test_every_verdict_names_who_did_it(
    name: str, changes: dict[str, object], size: tuple[int, int]
) -> None:
    app = LabApp(name, {"training.steps": 0, **changes})
    async with app.run_test(size=size) as pilot:
        await finished(pilot)
        run = app.lab.session.live
        assert run is not None and run.frame is not None and run.frame.culprits is not None
        bar = app.lab.query_one(VerdictBar)
        lines = lines_of(bar)
        assert any(words in " ".join(lines[:2]) for words in wordings(run.frame.verdict))
        weights = ARCHITECTURES[run.scenario.network.kind].layer.hop_weight
        who = blame_wordings(run.frame.culprits, weights)
        if size != (60, 20) or len(who[-1]) <= bar.size.width:
            assert any(words in line for line in lines for words in who)
        assert not [line for line in lines if len(line.split()) == 1]


async def test_a_run_that_left_the_dtype_in_training_has_diverged() -> None:
    changes = {"training.learning_rate": 1000.0, "training.clip_norm": 0.0, "training.steps": 100}
    app = LabApp("rnn-relu-above", {"network.bias": True, **changes})
    async with app.run_test(size=(120, 40)) as pilot:
        await finished(pilot)
        assert app.lab.session.state is State.DIVERGED
        shown = text(app)
        assert "✗ diverged" in shown and "finished" not in shown
        # Another format would not have saved it.
        said = " ".join(lines_of(app.lab.query_one(VerdictBar)))
        assert "left float64 at layer 1, step" in said and "; lower the learning rate" in said
        app.lab.change("training.steps", 0)
        await finished(pilot)
        assert app.lab.session.state is State.FINISHED


@pytest.mark.parametrize("width", range(24, 80, 3))
def test_no_word_is_left_over(width: int) -> None:
    text = "the forward pass left float32 at layer 3, step 57; set precision to float64"
    lines = _wrapped(text, width, 9)
    assert " ".join(line.strip() for line in lines) == text
    assert len(lines) == 1 or len(lines[-1].split()) > 1
    assert all(len(line) <= width for line in lines)
