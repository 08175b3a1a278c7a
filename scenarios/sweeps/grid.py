"""From a sweep to its cells: which values each has, and the scenario that they give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from scenarios.cells import key_of, stated
from scenarios.errors import ScenarioError
from scenarios.reader import SECTIONS
from scenarios.schema import FIELDS, SELECTORS, Value
from scenarios.sweeps.axes import SEED, Axis
from scenarios.sweeps.definition import SAMPLED

if TYPE_CHECKING:
    from scenarios.scenario import Scenario
    from scenarios.sweeps.definition import Sweep

#: The most of anything that is kept for cells to come.
_MOST_KEPT = 16384

#: Numbers that decide whether others fit, besides the selectors (`schema.check_together`).
_ENTANGLED = (
    "init.recurrent_lower",
    "init.recurrent_upper",
    "network.hidden_size",
    "task.image_channels",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of values.

    Attributes:
        index: its place in the sweep, from 0.
        values: what the axes set, by dotted key.
        key: its `cell_key`; "" where the values do not go together.
        scenario: what is run, None where the values do not go together.
        error: then why, in one line.
    """

    index: int
    values: dict[str, Value]
    key: str = ""
    scenario: Scenario | None = None
    error: str | None = None


def cells_of(sweep: Sweep) -> Iterator[Cell]:
    """Every cell, in order; seeds vary fastest."""
    resolver = _Resolver(sweep)
    seeds: tuple[Value | None, ...] = (None,) if sweep.seeds is None else sweep.seeds.values
    index = 0
    for point in points_of(sweep):
        for seed in seeds:
            values = point if seed is None else {**point, SEED: seed}
            try:
                scenario, key = resolver.resolve(values)
            except ScenarioError as error:
                yield Cell(index, values, error=str(error))
            else:
                yield Cell(index, values, key, scenario)
            index += 1


def fineness(sweep: Sweep, index: int) -> int:
    """0 for a cell of a product on every fourth value of each axis, 1 on every second, else 2."""
    if sweep.combine != "product":
        return 0
    place = index // (1 if sweep.seeds is None else len(sweep.seeds.values))
    stride = 4
    for axis in reversed(sweep.varied):
        place, step = divmod(place, len(axis.values))
        while step % stride:
            stride //= 2
    return {4: 0, 2: 1, 1: 2}[stride]


def points_of(sweep: Sweep) -> Iterator[dict[str, Value]]:
    """Every combination of values without its seeds, by dotted key."""
    fields = [axis.field for axis in sweep.varied]
    if sweep.combine in SAMPLED:
        for shares in _shares(sweep):
            pairs = zip(sweep.varied, shares, strict=True)
            yield {axis.field: axis.at(share) for axis, share in pairs}
        return
    columns = [axis.values for axis in sweep.varied]
    if not columns:
        yield {}
        return
    rows = zip(*columns, strict=True) if sweep.combine == "zip" else product(*columns)
    for row in rows:
        yield dict(zip(fields, row, strict=True))


def _shares(sweep: Sweep) -> Iterator[list[float]]:
    """One point of the unit cube a sample, one number in [0, 1) an axis."""
    count, axes = sweep.samples, len(sweep.varied)
    if not axes:
        yield from ([] for _ in range(count))
        return
    import numpy as np

    generator = np.random.default_rng(sweep.sampling_seed)
    if sweep.combine == "random":
        drawn = generator.random((count, axes))
    else:
        from scipy.stats.qmc import Sobol

        drawn = Sobol(axes, seed=generator).random(count)
    for row in drawn:
        # Scrambled points may round up to 1 itself.
        yield [min(share, 1.0 - 2.0**-53) for share in row.tolist()]


class _Resolver:
    """Gives `base.with_changes(values)` and its key, and does once what many cells share.

    Plain numbers decide nothing but themselves: once one has been found to fit beside the other
    values' structure, it is only put in place; and a section is made, and written out for the key,
    once for all the cells that have it.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._plain: dict[str, list[str]] = {}
        for axis in sweep.axes:
            if _is_plain(axis):
                self._plain.setdefault(FIELDS[axis.field].section, []).append(axis.field)
        self._loose = {key for keys in self._plain.values() for key in keys}
        self._structures: dict[tuple[Value, ...], tuple[Scenario, dict[str, str]]] = {}
        self._fitting: set[tuple[object, ...]] = set()
        self._sections: dict[tuple[object, ...], tuple[Any, str]] = {}

    def resolve(self, values: dict[str, Value]) -> tuple[Scenario, str]:
        """One cell's scenario and key. Raises ScenarioError where its values do not fit."""
        structure = {key: value for key, value in values.items() if key not in self._loose}
        place = tuple(structure.values())
        if place not in self._structures:
            made = self._sweep.base.with_changes(structure, source=self._sweep.origin)
            texts = {section: stated(getattr(made, section)) for section in SECTIONS}
            _remember(self._structures, place, (made, texts))
        scenario, texts = self._structures[place]
        changed = {
            section: self._section(place, section, {key: values[key] for key in keys})
            for section, keys in self._plain.items()
        }
        if not changed:
            return scenario, key_of(texts)
        sections = {name: section for name, (section, _) in changed.items()}
        own = {name: text for name, (_, text) in changed.items()}
        return replace(scenario, **sections), key_of({**texts, **own})

    def _section(
        self, place: tuple[Value, ...], name: str, plain: dict[str, Value]
    ) -> tuple[Any, str]:
        """A section of a structure with these plain values, and what the key says of it."""
        known = (place, name, *plain.values())
        if known not in self._sections:
            scenario, _ = self._structures[place]
            for key, value in plain.items():
                if (place, key, value) not in self._fitting:
                    scenario.with_changes({key: value}, source=self._sweep.origin)
                    if len(self._fitting) >= _MOST_KEPT:
                        self._fitting.clear()
                    self._fitting.add((place, key, value))
            # A whole number stands for a fraction's field too.
            fitting = {
                FIELDS[key].attribute: float(value) if FIELDS[key].type is float else value
                for key, value in plain.items()
            }
            section = replace(getattr(scenario, name), **fitting)
            _remember(self._sections, known, (section, stated(section)))
        return self._sections[known]


def _remember(kept: dict[Any, Any], key: object, value: object) -> None:
    """Keep a value, and no more of them than memory should hold."""
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value


def _is_plain(axis: Axis) -> bool:
    return axis.numeric and axis.field not in (*SELECTORS, *_ENTANGLED)
