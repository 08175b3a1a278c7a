"""What the engine learns, the schema and the error lines know at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.initialisers import INITIALISERS
from engine.optimizers import OPTIMIZERS
from scenarios.errors import ScenarioError
from scenarios.scenario import load
from scenarios.schema import FIELDS, choices_for, fields_for
from scenarios.tasks import TASKS


@pytest.fixture
def toys() -> Iterator[None]:
    """One more of everything."""
    named = {"name": "toy", "title": "Toy"}
    ACTIVATIONS.register(cast(Any, SimpleNamespace(**named)))
    OPTIMIZERS.register(cast(Any, SimpleNamespace(**named)))
    INITIALISERS.register(cast(Any, SimpleNamespace(**named, roles=frozenset({"vector"}))))
    TASKS.register(
        cast(
            Any,
            SimpleNamespace(
                **named,
                decides={"task.input_size": "which has one input"},
                reads=frozenset(),
                limits=lambda values: {},
                needs="an IndRNN",
                fits=lambda architecture: architecture.name == "indrnn",
            ),
        )
    )
    ARCHITECTURES.register(replace(ARCHITECTURES["cnn"], name="toy", title="Toy"))
    yield
    for registry in (ACTIVATIONS, OPTIMIZERS, INITIALISERS, TASKS, ARCHITECTURES):
        registry.unregister("toy")


@pytest.mark.usefixtures("toys")
def test_choices_grow() -> None:
    for key in ("network.activation", "training.optimizer", "network.kind"):
        assert choices_for("mlp", key)[-1] == "toy"
    assert "toy" in choices_for("indrnn", "init.scheme")
    assert "toy" not in choices_for("rnn", "init.scheme")
    assert choices_for("rnn", "task.name") == tuple(TASKS)[:-1]
    assert choices_for("indrnn", "task.name") == tuple(TASKS)
    assert choices_for("mlp", "task.name") == ("noise",)
    assert FIELDS["network.kernel_size"] in fields_for("toy")


@pytest.mark.usefixtures("toys")
def test_scenarios_can_use_them() -> None:
    changes = {"network.activation": "toy", "training.optimizer": "toy", "init.scheme": "toy"}
    scenario = load("indrnn", changes | {"task.name": "toy"})
    assert scenario.network.activation == scenario.init.scheme == scenario.task.name == "toy"
    assert scenario.task.input_size is None
    assert load("cnn-relu").with_kind("toy").network.kernel_size == 3


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"network.activation": "tiy"}, 'linear, toy; did you mean "toy"?'),
        (
            {"network.kind": "to"},
            'not one of mlp, cnn, rnn, irnn, indrnn, lstm, gru, toy; did you mean "toy"?',
        ),
        ({"network.kernel_size": 3}, "does not fit network.kind rnn; only cnn and toy have it"),
        (
            {"task.name": "toy"},
            "does not fit network.kind rnn, it needs an IndRNN; "
            "what fits: noise, adding, copy, digits, text",
        ),
        (
            {"network.kind": "indrnn", "task.name": "toy", "task.input_size": 3},
            "does not fit task.name toy, which has one input",
        ),
    ],
)
def test_error_lines_know_them(changes: dict[str, object], line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load("rnn-relu", changes)
    assert str(caught.value).endswith(line)


def test_they_are_forgotten_again() -> None:
    with pytest.raises(ScenarioError):
        load("indrnn", {"network.activation": "toy"})
