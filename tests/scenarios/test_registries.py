"""What the engine learns, the schema and the error lines know at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.convolution import CONVOLUTIONS
from engine.initialisers import INITIALISERS
from engine.normalisation import NORMALISATIONS
from engine.optimizers import OPTIMIZERS
from engine.registry import Registry
from scenarios.errors import ScenarioError
from scenarios.scenario import load
from scenarios.schedules import SCHEDULES
from scenarios.schema import FIELDS, Field, choices_for, fields_for
from scenarios.tasks import TASKS

#: The registries whose entries fit every network, by the field that chooses from them.
PLAIN: dict[str, Registry[Any]] = {
    "network.activation": ACTIVATIONS,
    "network.norm": NORMALISATIONS,
    "network.convolution": CONVOLUTIONS,
    "training.optimizer": OPTIMIZERS,
    "training.schedule": SCHEDULES,
}


@pytest.fixture
def toys() -> Iterator[None]:
    """One more of everything."""
    named = {"name": "toy", "title": "Toy"}
    for registry in PLAIN.values():
        registry.register(cast(Any, SimpleNamespace(**named)))
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
    for registry in (*PLAIN.values(), INITIALISERS, TASKS, ARCHITECTURES):
        registry.unregister("toy")


@pytest.mark.usefixtures("toys")
def test_choices_grow() -> None:
    for key in (*PLAIN, "network.kind"):
        assert choices_for("mlp", key)[-1] == "toy"
        assert named(FIELDS[key])["toy"] == "Toy"
    assert "toy" in choices_for("indrnn", "init.scheme")
    assert "toy" not in choices_for("rnn", "init.scheme")
    assert choices_for("rnn", "task.name") == tuple(TASKS)[:-1]
    assert choices_for("indrnn", "task.name") == tuple(TASKS)
    assert choices_for("mlp", "task.name") == ("noise",)
    assert FIELDS["network.kernel_size"] in fields_for("toy")


def named(field: Field) -> Mapping[str, str]:
    assert field.choices is not None
    return field.choices()


def test_every_choice_says_what_it_is() -> None:
    for field in FIELDS.values():
        if field.choices is not None:
            assert all(named(field).values()), field.key


@pytest.mark.usefixtures("toys")
def test_scenarios_can_use_them() -> None:
    changes = {"network.activation": "toy", "training.optimizer": "toy", "init.scheme": "toy"}
    scenario = load("indrnn", changes | {"task.name": "toy"})
    assert scenario.network.activation == scenario.init.scheme == scenario.task.name == "toy"
    assert scenario.task.input_size is None
    assert load("cnn-relu").with_changes({"network.kind": "toy"}).network.kernel_size == 3


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
