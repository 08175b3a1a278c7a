"""One file and one registration add an architecture: everything else learns of it by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.architectures import ARCHITECTURES
from engine.spec import InitSpec, NetworkSpec
from scenarios.scenario import load
from scenarios.schema import choices_for, fields_for
from tests.app.support import LabApp, ScriptedWorker, drawn
from tests.engine.support import build, directional_difference, problem
from tests.toy.diagonal import ARCHITECTURE
from tui.lab.choices import ChoiceScreen
from tui.main import main

FILE = """
[network]
kind = "diagonal"
activation = "sigmoid"
depth = 12
hidden_size = 8
[init]
weight_scale = 1.0
[task]
input_size = 8
[training]
steps = 2
[run]
device = "cpu"
"""


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """The one registration."""
    ARCHITECTURES.register(ARCHITECTURE)
    yield
    ARCHITECTURES.unregister("diagonal")


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "toy.toml"
    file.write_text(FILE)
    return str(file)


def test_its_gradient_is_exact() -> None:
    spec = NetworkSpec("diagonal", "tanh", 4, 5, 3, (5,), dtype="float64")
    network = build(spec, InitSpec(bias_scale=0.3))
    x, target = problem(spec)
    network.evaluate(x, target)
    rng = np.random.default_rng(3)
    direction = {n: rng.standard_normal(p.shape) for n, p in network.parameters.items()}
    slope = sum((network.gradient(name) * v).sum() for name, v in direction.items())
    measured = directional_difference(network, x, target, direction)[0]
    assert slope == pytest.approx(measured, rel=1e-6)


def test_the_schema_knows_it() -> None:
    assert "diagonal" in choices_for("mlp", "network.kind")
    keys = [field.key for field in fields_for("diagonal")]
    assert "task.input_size" in keys
    assert "task.time_steps" not in keys
    assert choices_for("diagonal", "init.scheme") == choices_for("indrnn", "init.scheme")


def test_the_command_line_runs_it(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", path, "--json"]) == 0
    *_, last, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(last["log10_grad_h"]) == 12
    assert "layer12.w" in last["log10_grad_params"]
    assert end["decades"] < -3.0 and end["verdict"] == "vanishing"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("network.kind=diagonl", 'gru, diagonal; did you mean "diagonal"?'),
        ("network.kernel_size=3", "does not fit network.kind diagonal; only cnn has it"),
        ("init.scheme=orthogonal", "does not fit network.kind diagonal; what fits: gaussian, "),
    ],
)
def test_error_lines_know_it(
    path: str, change: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", path, "--set", change]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert line in captured.err
    assert captured.err.count("\n") == 1


async def test_the_picker_of_the_app_offers_it_and_runs_it() -> None:
    app = LabApp(worker=ScriptedWorker(frames=1))
    async with app.run_test() as pilot:
        await drawn(pilot)
        await pilot.press("tab", "home", "enter")
        assert isinstance(app.screen, ChoiceScreen)
        await pilot.press("end", "enter")
        await drawn(pilot)
        await pilot.pause()
        assert app.lab.session.scenario.network.kind == "diagonal"
        live = app.lab.session.live
        assert live is not None and live.scenario.network.kind == "diagonal"


def test_a_scenario_of_another_kind_can_become_one() -> None:
    scenario = load("mlp-sigmoid").with_changes({"network.kind": "diagonal"})
    assert (scenario.network.kind, scenario.network.depth) == ("diagonal", 100)
