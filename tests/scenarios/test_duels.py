"""The duels that come along, and what a file of one can get wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.duels.catalogue import DUELS
from scenarios.duels.definition import load_duel
from scenarios.errors import ScenarioError
from scenarios.runner import Run

PANEL = '[[panels]]\nscenario = "rnn-tanh"\n'


@pytest.mark.parametrize("name", DUELS.names())
def test_every_duel_is_about_as_many_hops(name: str) -> None:
    duel = load_duel(name)
    assert duel.name == name and duel.question and duel.source
    assert len({panel.title for panel in duel.panels}) == len(duel.panels)
    frames = [
        next(Run(panel.scenario.with_changes({"run.device": "cpu"})).frames())
        for panel in duel.panels
    ]
    assert len({frame.verdict.hops for frame in frames}) == 1
    # Something is to be seen: not all of them fare the same, or training has still to tell.
    verdicts = {frame.verdict.name for frame in frames}
    assert len(verdicts) > 1 or name == "recurrent-relu"


def test_a_panel_sets_values(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(PANEL + 'set = { "task.time_steps" = 7 }\n' + PANEL + 'title = "other"\n')
    duel = load_duel(file)
    assert duel.name == "mine"
    one, other = duel.panels
    assert one.scenario.task.time_steps == 7 and one.title == one.scenario.title
    assert other.scenario.task.time_steps == 100 and other.title == "other"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "panels: must be 2 to 4 tables, each under [[panels]]"),
        (PANEL, "panels: must be 2 to 4 tables, each under [[panels]]"),
        (PANEL * 5, "panels: must be 2 to 4 tables, each under [[panels]]"),
        ('panel = "x"\n' + PANEL * 2, "panel: unknown key; did you mean panels?"),
        ("title = 3\n" + PANEL * 2, "title = 3: must be text"),
        ("panels = [1, 2]\n", "panels 1 = 1: must be a table"),
        (PANEL + "[[panels]]\n", "panels 2.scenario: must name a scenario"),
        (PANEL * 2 + "sets = {}\n", "panels 2.sets: unknown key; did you mean set?"),
        (PANEL * 2 + "set = 3\n", "panels 2.set = 3: must be a table"),
    ],
)
def test_what_a_file_can_get_wrong(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_duel(file)
    assert str(caught.value) == f"{file}: {line}"


def test_a_value_of_a_panel_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(PANEL * 2 + 'set = { "network.depth" = 0 }\n')
    with pytest.raises(ScenarioError, match=r"panels 2.set: network.depth = 0: must be"):
        load_duel(file)
    with pytest.raises(ScenarioError, match="neither a duel of the catalogue nor a file"):
        load_duel("nothing")
