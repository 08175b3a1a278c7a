"""A set: nets, what they are given part by part, and what the paper says became of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scenarios import reader
from scenarios.errors import ScenarioError, nearest_of
from scenarios.papers import catalogue
from scenarios.papers.layout import Layout, NetTable, PartTable
from scenarios.plain import SEVERAL, plain
from scenarios.reader import TEXTS
from scenarios.scenario import Scenario, scenario_of
from scenarios.tasks import TASKS

if TYPE_CHECKING:
    from pathlib import Path

    from scenarios.scenario import Origins

_EVALUATE, _SEED = "training.evaluate_every", "run.seed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One net in one part, with one seed.

    Attributes:
        part, net: their names.
        title: what the net is called on the screen.
        paper: the paper's result, a number or a word or two; None where it has none.
        scenario: what is run; its run.seed is the entry's.
    """

    part: str
    net: str
    title: str
    paper: float | str | None
    scenario: Scenario

    @property
    def seed(self) -> int:
        """Tells apart the entries of one net and part."""
        return self.scenario.run.seed


@dataclass(frozen=True, slots=True)
class Part:
    """What all nets are given alike, as one panel of a figure.

    Attributes:
        name: what --only takes.
        paper_source: where the paper's results are from.
        order: chains of nets, each better than the one behind it.
    """

    name: str
    paper_source: str
    order: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class PaperSet:
    """A paper's result in which everything is checked.

    Attributes:
        name, title, question, source_text: as a scenario's.
        measure: one of `scenarios.papers.layout.MEASURES`.
        solved_below: the loss on what is held out from which on a net has solved the task; None
            where none is.
        stop_when_solved: whether an entry ends there.
        parts: in the file's order, those that have entries.
        entries: part by part, net by net, seed by seed.
        origin: the file it came from, or its name.
    """

    name: str
    title: str
    question: str
    source_text: str
    measure: str
    solved_below: float | None
    stop_when_solved: bool
    parts: tuple[Part, ...]
    entries: tuple[Entry, ...]
    origin: str = ""


def load_set(
    source: str | Path,
    overrides: Mapping[str, object] | None = None,
    only: Sequence[str] = (),
    *,
    overrides_source: str = "overrides",
    origins: Origins | None = None,
) -> PaperSet:
    """The set called `source` in the catalogue, or in the TOML file at that path.

    `overrides` change every entry's scenario by dotted key; several values for run.seed, a
    sequence or an array, are the seeds. `only` names parts and nets: of each, where any is named,
    just those are kept. Raises ScenarioError.
    """
    shown = str(source)
    layout, texts = _read(source)
    changes = dict(overrides or {})
    _check_asked(layout, changes, shown)
    written_in = {_SEED: overrides_source if _SEED in changes else shown, **(origins or {})}
    seeds = _seeds(changes.pop(_SEED, layout.seeds), written_in[_SEED])

    def entries() -> Iterator[Entry]:
        for part, net, seed in _chosen(layout, only, seeds):
            scenario = _scenario(layout, texts, part, net, shown).with_changes(
                {**changes, _SEED: seed}, source=overrides_source, origins=written_in
            )
            _check(scenario, f"{shown}: {part.name} {net.name}")
            yield Entry(part.name, net.name, net.title, part.paper.get(net.name), scenario)

    found = tuple(entries())
    kept = {entry.part for entry in found}
    return PaperSet(
        name=texts["name"],
        title=texts["title"],
        question=texts["question"],
        source_text=texts["source"],
        measure=layout.measure,
        solved_below=layout.solved_below,
        stop_when_solved=layout.stop_when_solved,
        parts=tuple(
            Part(part.name, part.paper_source or texts["source"], part.order)
            for part in layout.parts
            if part.name in kept
        ),
        entries=found,
        origin=shown,
    )


def names_entry(source: str | Path) -> bool:
    """Whether a text means an entry of a set that comes along, as li-2018-adding/T=100/lstm."""
    name, slash, _ = str(source).partition("/")
    return bool(slash) and name in catalogue.names() and not os.path.exists(source)


def load_entry(
    source: str,
    overrides: Mapping[str, object] | None = None,
    *,
    overrides_source: str = "overrides",
    origins: Origins | None = None,
) -> Scenario:
    """The scenario of an entry, SET/PART/NET, with the set's first seed.

    `overrides` and the rest as in `scenarios.scenario.load`. Raises ScenarioError.
    """
    name, _, place = source.partition("/")
    layout, texts = _read(name)
    known = {
        f"{part.name}/{net.name}": (part, net)
        for part in layout.parts
        for net in layout.nets
        if net.name in part.nets
    }
    if place not in known:
        nearest = nearest_of(place, known)
        allowed = f"no such entry; {name} has {', '.join(known)}"
        raise ScenarioError(source, allowed, nearest=nearest and f"{name}/{nearest}")
    changes = {_SEED: _seeds(layout.seeds, name)[0], **(overrides or {})}
    _check_asked(layout, changes, source)
    scenario = _scenario(layout, texts, *known[place], source)
    return scenario.with_changes(changes, source=overrides_source, origins=origins)


def _read(source: str | Path) -> tuple[Layout, dict[str, str]]:
    """A set's file and its texts."""
    file, shown = catalogue.find(source), str(source)
    layout = Layout(reader.read(file, shown, catalogue.names()), shown)
    texts = {**reader.named_after(file), **layout.texts}
    if shown in catalogue.names() and "name" not in layout.texts:
        texts["name"] = shown
    return layout, texts


def _check_asked(layout: Layout, changes: Mapping[str, object], shown: str) -> None:
    asked = layout.asks_for
    if asked is not None and asked not in changes:
        allowed = f"is missing; give it as --set {asked}=VALUE"
        raise ScenarioError(shown, allowed, key=asked)


def _scenario(
    layout: Layout, texts: Mapping[str, str], part: PartTable, net: NetTable, shown: str
) -> Scenario:
    """An entry as the file has it; error lines name the set and the entry."""
    named = {
        "name": f"{texts['name']}/{part.name}/{net.name}"[: TEXTS["name"]],
        "title": f"{net.title}, {part.name}"[: TEXTS["title"]],
        "question": texts["question"],
        "source": part.paper_source or texts["source"],
    }
    values = {**layout.values, **part.values, **net.values}
    return scenario_of(values, named, f"{shown}: {part.name} {net.name}")


def _seeds(given: object, source: str) -> list[object]:
    """Distinct ones; that each is a seed is checked with its scenario."""
    given = plain(given)
    seeds = list(given) if isinstance(given, SEVERAL) else [given]
    if not seeds or len(set(map(str, seeds))) < len(seeds):
        raise ScenarioError(source, "must be different seeds", key="seeds", value=given)
    return seeds


def _chosen(
    layout: Layout, only: Sequence[str], seeds: Sequence[object]
) -> list[tuple[PartTable, NetTable, object]]:
    """What `only` leaves: by parts, nets and seeds."""
    everything = [
        (part, net, seed)
        for part in layout.parts
        for net in layout.nets
        if net.name in part.nets
        for seed in seeds
    ]
    parts = {part.name for part in layout.parts} & set(only)
    nets = {net.name for net in layout.nets} & set(only)
    known = dict.fromkeys([*(p.name for p in layout.parts), *(n.name for n in layout.nets)])
    for name in only:
        if name not in known:
            allowed = f"not one of {', '.join(known)}"
            nearest = nearest_of(name, known)
            raise ScenarioError("--only", allowed, key=name or '""', nearest=nearest)
    chosen = [
        (part, net, seed)
        for part, net, seed in everything
        if (not parts or part.name in parts) and (not nets or net.name in nets)
    ]
    if not chosen:
        allowed = "leaves nothing: none of these nets is in these parts"
        raise ScenarioError("--only", allowed, key=", ".join(only))
    return chosen


def _check(scenario: Scenario, where: str) -> None:
    """Refuse what gives no result at its end."""
    task = scenario.task.name
    if _EVALUATE in TASKS[task].decides:
        raise ScenarioError(where, "holds nothing out to judge by", key="task.name", value=task)
    every, steps = scenario.training.evaluate_every, scenario.training.steps
    if not every:
        allowed = "must be 1 or more: nets are judged on what is held out"
        raise ScenarioError(where, allowed, key=_EVALUATE, value=every)
    if not steps or steps % every:
        allowed = f"must be a multiple of {_EVALUATE}, which is {every}"
        raise ScenarioError(where, allowed, key="training.steps", value=steps)
