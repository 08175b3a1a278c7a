"""Sets of papers' results: what their files may say, what is run, and whether the order holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scenarios
from scenarios.errors import ScenarioError
from scenarios.papers import catalogue
from scenarios.papers.attempt import attempt, checkpoint_path, past_steps
from scenarios.papers.definition import PaperSet, load_set
from scenarios.papers.results import comparisons, results_of
from scenarios.papers.run import SetRun
from scenarios.papers.tally import Step, Tally, tally_of
from scenarios.scenario import load
from scenarios.store.store import Store
from tests.scenarios.paper_sets import SMALL, written


def warn(line: str) -> None:
    raise AssertionError(line)


def test_entries_are_parts_by_nets_by_seeds(tmp_path: Path) -> None:
    found = load_set(written(tmp_path, seeds="[3, 5]"))
    assert [(e.part, e.net, e.seed) for e in found.entries] == [
        ("T=6", "learns", 3),
        ("T=6", "learns", 5),
        ("T=6", "still", 3),
        ("T=6", "still", 5),
        ("T=7", "learns", 3),
        ("T=7", "learns", 5),
    ]
    first, last = found.entries[0], found.entries[-1]
    assert (first.paper, last.paper, found.entries[2].paper) == (0.05, None, "fails")
    assert first.scenario.name == "small/T=6/learns"
    assert first.scenario.source_text == "Table 9"
    assert last.scenario.source_text == "no paper at all"
    assert first.scenario.task.time_steps == 6 and last.scenario.task.time_steps == 7
    assert [part.paper_source for part in found.parts] == ["Table 9", "no paper at all"]


def test_only_keeps_parts_and_nets(tmp_path: Path) -> None:
    file = written(tmp_path)

    def kept(*only: str) -> list[tuple[str, str]]:
        return [(entry.part, entry.net) for entry in load_set(file, only=only).entries]

    assert kept("T=7") == [("T=7", "learns")]
    assert kept("learns") == [("T=6", "learns"), ("T=7", "learns")]
    assert kept("T=6", "still", "learns") == [("T=6", "learns"), ("T=6", "still")]
    assert [part.name for part in load_set(file, only=["still"]).parts] == ["T=6"]
    with pytest.raises(ScenarioError, match="--only: T=9: not one of T=6, T=7, learns, still"):
        kept("T=9")
    with pytest.raises(ScenarioError, match="leaves nothing"):
        kept("T=7", "still")


def test_overrides_reach_every_entry(tmp_path: Path) -> None:
    found = load_set(written(tmp_path), {"network.hidden_size": 3, "run.seed": [7, 8]})
    assert {entry.scenario.network.hidden_size for entry in found.entries} == {3}
    assert [entry.seed for entry in found.entries[:2]] == [7, 8]
    for seeds in (range(7, 9), np.array([7, 8])):
        assert load_set(written(tmp_path), {"network.hidden_size": 3, "run.seed": seeds}) == found


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"measure": '"speed"'}, 'measure = "speed": not one of steps, loss, accuracy'),
        ({"measure": '"steps"'}, "solved_below: is missing: the loss to get below"),
        ({"solved_below": "0"}, "solved_below = 0: must be a number above 0"),
        ({"stop_when_solved": "1"}, "stop_when_solved = 1: must be true or false"),
        ({"stop_when_solved": "true"}, "stop_when_solved = true: needs solved_below"),
        ({"seeds": "[1, 1]"}, "seeds = [1, 1]: must be different seeds"),
        ({"seeds": "[-1]"}, "run.seed = -1: must be a whole number from 0"),
        ({"asks_for": '"task.flie"'}, 'must be a scenario\'s key; did you mean task.file?'),
        ({"asks_for": '"task.file"'}, "task.file: is missing; give it as --set task.file=VALUE"),
        ({"order": '["learns > stil"]'}, '"stil" is no net of this part; did you mean still?'),
        ({"order": '["learns"]'}, 'parts[1].order = "learns": must be an array of texts such as'),
        ({"order": "3"}, "parts[1].order = 3: must be an array of texts such as"),
        ({"nets": '["lerns"]'}, 'parts[2].nets = "lerns": not one of learns, still; did you mean'),
        ({"still": "true"}, "parts[1].paper.still = true: must be a number, or at most 40"),
        ({"paper_source": "7"}, "parts[1].paper_source = 7: must be text"),
        ({"evaluate_every": "0"}, "training.evaluate_every = 0: must be 1 or more"),
        ({"steps": "45"}, "training.steps = 45: must be a multiple of training.evaluate_every"),
        ({"speed": "3"}, "speed = 3: unknown key"),
        ({"kind": '"rrn"'}, 'network.kind = "rrn": not one of'),
    ],
)  # fmt: skip
def test_what_no_set_can_have_is_one_line(
    tmp_path: Path, change: dict[str, str], line: str
) -> None:
    file = written(tmp_path, **change)
    with pytest.raises(ScenarioError) as caught:
        load_set(file)
    text = str(caught.value)
    assert text.startswith(str(file)) and "\n" not in text
    assert line in text


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ('name = "still"', 'name = "learns"', 'nets[2].name = "learns": is there twice'),
        ('name = "T=7"', 'name = "T=6"', 'parts[2].name = "T=6": is there twice'),
        ('name = "still"\n', "", "nets[2].name: is missing"),
        ("[[parts]]", "[[prats]]", "prats = an array: unknown key; did you mean parts?"),
        ('still = "fails"', 'stil = "fails"', "parts[1].paper.stil: no such net in this part"),
        ("[parts.task]", "[parts.taks]", "parts[2].taks: unknown key; did you mean task?"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_table_names_the_table(
    tmp_path: Path, before: str, after: str, line: str
) -> None:
    file = written(tmp_path, SMALL.replace(before, after))
    with pytest.raises(ScenarioError) as caught:
        load_set(file)
    assert line in str(caught.value)


def test_a_task_that_holds_nothing_out_is_refused(tmp_path: Path) -> None:
    text = SMALL.replace('name = "adding"', 'name = "noise"')
    with pytest.raises(ScenarioError, match="evaluate_every"):
        load_set(written(tmp_path, text))


@pytest.mark.parametrize("name", catalogue.names())
def test_every_set_that_comes_along_is_whole(name: str, tmp_path: Path) -> None:
    asked = {"task.file": "mnist.npz"} if "mnist" in name else {}
    found = load_set(name, asked)
    assert found.source_text and found.question and found.title
    assert all(part.order for part in found.parts)
    for entry in found.entries:
        assert entry.scenario.source_text and len(entry.scenario.name) < 60
        assert load(entry.scenario.name, {**asked, "run.seed": entry.seed}) == entry.scenario


def test_an_entry_is_a_scenario_of_its_own() -> None:
    found = load("li-2018-adding/T=500/lstm", {"training.steps": 7})
    assert (found.network.kind, found.task.time_steps, found.training.steps) == ("lstm", 500, 7)
    assert found.source_text == "Li et al. 2018, Figure 2(b)" and found.question
    for name, line in {
        "li-2018-adding/T=50/lstm": "no such entry; li-2018-adding has T=100/indrnn, T=100/",
        "li-2018-adding/T=100": "did you mean li-2018-adding/T=100/",
        "li-2018-ading/T=100/lstm": "no such file",
        "li-2019-mnist/plain/irnn": "task.file: is missing; give it as --set task.file=VALUE",
    }.items():
        with pytest.raises(ScenarioError) as caught:
            load(name)
        assert str(caught.value).startswith(name) and line in str(caught.value)


def steps(*losses: float, diverged: int | None = None) -> list[Step]:
    """A look at every tenth step."""
    return [
        Step(10 * i, loss, loss, 1.0 - loss, diverged if i == len(losses) - 1 else None, 0.5)
        for i, loss in enumerate(losses)
    ]


def judged(found: PaperSet, *runs: Sequence[Step]) -> tuple[list[Any], list[bool | None]]:
    tallies = [tally_of(found, e, run) for e, run in zip(found.entries, runs, strict=True)]
    results = results_of(found, tallies)
    return [r.value for r in results], [one.holds for one in comparisons(found, results)]


WHOLE, WORSE, SHORT = (1.0, 0.5, 0.2, 0.1, 0.05), (1.0, 0.9, 0.8, 0.7, 0.6), (1.0, 0.5)


def test_the_order_by_loss(tmp_path: Path) -> None:
    found = load_set(written(tmp_path), only=["T=6"])
    assert judged(found, steps(*WHOLE), steps(*WORSE)) == ([0.05, 0.6], [True])
    assert judged(found, steps(*WORSE), steps(*WHOLE)) == ([0.6, 0.05], [False])
    assert judged(found, steps(*WHOLE), steps(*WHOLE)) == ([0.05, 0.05], [False])
    assert judged(found, steps(*WHOLE), steps(*SHORT)) == ([0.05, None], [None])
    assert judged(found, steps(*WHOLE), steps(*SHORT, diverged=1)) == ([0.05, math.inf], [True])


def test_the_order_by_accuracy_is_of_means(tmp_path: Path) -> None:
    file = written(tmp_path, measure='"accuracy"', seeds="[0, 1]")
    found = load_set(file, only=["T=6"])
    values, order = judged(found, steps(*WHOLE), steps(*WORSE), steps(*WORSE), steps(*WORSE))
    assert values == [pytest.approx(0.675), pytest.approx(0.4)] and order == [True]


def test_the_order_by_steps_until_solved(tmp_path: Path) -> None:
    file = written(tmp_path, measure='"steps"', solved_below="0.3", stop_when_solved="true")
    found = load_set(file, only=["T=6"])
    soon = steps(1.0, 0.2)
    assert judged(found, soon, steps(*WORSE)) == ([10, math.inf], [True])
    assert judged(found, soon, steps(1.0, 0.9, 0.2)) == ([10, 20], [True])
    assert judged(found, steps(*WORSE), steps(*WORSE)) == ([math.inf, math.inf], [False])
    assert tally_of(found, found.entries[0], soon).finished
    file = written(tmp_path, measure='"steps"', solved_below="0.3")
    found = load_set(file, only=["T=6"])
    assert not tally_of(found, found.entries[0], soon).finished


def unbroken(found: PaperSet, folder: Path) -> list[dict[str, Any]]:
    with Store.open(folder / "unbroken.sqlite") as store:
        with closing(attempt(found, found.entries[0], store, warn)) as tallies:
            last = list(tallies)[-1]
        assert last.finished and last.step == 40
        return frames(store)


def frames(store: Store) -> list[dict[str, Any]]:
    """Every stored step once, the latest of it, without its time and its run."""
    names = [name for name, _ in store.columns("frames")]
    rows = {}
    for row in store.rows("frames"):
        named = dict(zip(names, row, strict=True))
        rows[named["step"]] = {
            key: value for key, value in named.items() if key not in ("run_id", "seconds", "event")
        }
    return [rows[step] for step in sorted(rows)]


def test_what_was_stopped_goes_on_with_the_same_frames(tmp_path: Path) -> None:
    found = load_set(written(tmp_path))
    entry = found.entries[0]
    with Store.open(tmp_path / "runs.sqlite") as store:
        with closing(attempt(found, entry, store, warn)) as tallies:
            for tally in tallies:
                if tally.step == 13:
                    break
        path = checkpoint_path(entry.scenario, store)
        assert path.exists() and len(past_steps(entry.scenario, store)) == 14
        seen = [tally.step for tally in attempt(found, entry, store, warn)]
        assert seen == list(range(13, 41))
        assert frames(store) == unbroken(found, tmp_path)
        assert [run["state"] for run in store.runs()] == ["done", "interrupted"]
        # What is finished is read, not run.
        again = list(attempt(found, entry, store, warn))
        assert len(again) == 1 and again[0].finished and len(store.runs()) == 2
        assert [step for step, _ in again[0].curve] == [0, 10, 20, 30, 40]
        assert len(list(attempt(found, entry, store, warn, fresh=True))) == 41


def test_more_steps_go_on_where_fewer_ended(tmp_path: Path) -> None:
    file = written(tmp_path)
    few, many = load_set(file, {"training.steps": 20}), load_set(file)
    with Store.open(tmp_path / "runs.sqlite") as store:
        assert len(list(attempt(few, few.entries[0], store, warn))) == 21
        seen = [tally.step for tally in attempt(many, many.entries[0], store, warn)]
        assert seen == list(range(20, 41))
        assert frames(store) == unbroken(many, tmp_path)
        (tally,) = attempt(few, few.entries[0], store, warn)
        assert tally.step == 20 and [step for step, _ in tally.curve] == [0, 10, 20]
        # A schedule that depends on their number is another training.
        changes = {"training.schedule": "cosine"}
        for_20 = load_set(file, {**changes, "training.steps": 20})
        for_40 = load_set(file, changes)
        assert len(list(attempt(for_20, for_20.entries[0], store, warn))) == 21
        assert len(list(attempt(for_40, for_40.entries[0], store, warn))) == 41


def test_a_torn_checkpoint_fails_its_entry_alone_and_stays(tmp_path: Path) -> None:
    found = load_set(written(tmp_path), only=["T=6"])
    with Store.open(tmp_path / "runs.sqlite") as store:
        with closing(attempt(found, found.entries[0], store, warn)) as tallies:
            for tally in tallies:
                if tally.step == 5:
                    break
        path = checkpoint_path(found.entries[0].scenario, store)
        torn = path.read_bytes()[:-30]
        path.write_bytes(torn)
        run = SetRun(found, store, warn)
        assert list(run.progress())
        first, second = run.tallies
        assert first.error is not None and second.finished
        assert first.error.startswith(f"{path}: is no checkpoint, or a torn one")
        assert "\n" not in first.error and path.read_bytes() == torn
        path.unlink()
        assert list(attempt(found, found.entries[0], store, warn))[-1].finished


def test_a_checkpoint_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    found = load_set(written(tmp_path))
    told: list[str] = []
    with Store.open(tmp_path / "runs.sqlite") as store:
        last = list(attempt(found, found.entries[0], store, told.append))[-1]
        path = checkpoint_path(found.entries[0].scenario, store)
    assert last.finished and last.error is None
    assert told == [f"{path}: not written: no space left on device"]


def test_a_net_that_diverges_has_a_result(tmp_path: Path) -> None:
    changes = {"network.activation": "relu", "init.recurrent_scale": 1e6, "task.time_steps": 20}
    found = load_set(written(tmp_path), changes, only=["T=6"])
    with Store.open(tmp_path / "runs.sqlite") as store:
        run = SetRun(found, store, warn)
        list(run.progress())
        assert [tally.diverged for tally in run.tallies] == [1, 1]
        assert all(tally.finished for tally in run.tallies)
        again = SetRun(found, store, warn)
        list(again.progress())
        assert again.stored == [True, True]
        assert again.tallies == run.tallies


def test_beside_each_other_comes_to_the_same(tmp_path: Path) -> None:
    found = load_set(written(tmp_path))

    def ends(workers: int, store: Store | None) -> list[Tally]:
        run = SetRun(found, store, warn, workers=workers)
        assert set(run.progress()) == {0, 1, 2}
        return run.tallies

    with Store.open(tmp_path / "runs.sqlite") as store:
        beside = ends(3, store)
        assert len(store.runs()) == 3
    here = ends(1, None)
    for one, other in zip(beside, here, strict=True):
        assert one.curve == other.curve and one.finished and one.error is None


#: A worker that is killed by the net that stands still.
_DEADLY = """
import os, signal, sys
from multiprocessing.connection import Connection
import scenarios.papers.attempt as module
attempt = module.attempt
def deadly(found, entry, *rest, **options):
    if entry.net == "still":
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt(found, entry, *rest, **options)
module.attempt = deadly
from scenarios.papers.worker import serve
serve(Connection(int(sys.argv[1])))
"""


def test_a_process_that_dies_fails_its_entry_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scenarios.papers.worker._WORKER", _DEADLY)
    run = SetRun(load_set(written(tmp_path)), None, warn, workers=2)
    list(run.progress())
    learns, still, other = run.tallies
    assert learns.finished and other.finished and not still.finished
    assert still.error == "its process was ended by SIGKILL (out of memory?)"


def test_from_python(tmp_path: Path) -> None:
    file = written(tmp_path)
    with Store.open(tmp_path / "runs.sqlite") as store:
        found = list(scenarios.reproduce(file, {"run.seed": 3}, only=["T=6"], store=store))
        # Entries come as they end, which of two processes' comes first is chance.
        assert sorted((entry.net, entry.seed, tally.step) for entry, tally in found) == [
            ("learns", 3, 40),
            ("still", 3, 40),
        ]
    with pytest.raises(ScenarioError, match="neither a set of the catalogue nor a file"):
        scenarios.reproduce("li-2018-ading")
