"""From a sweep to its cells: which values each has, and the scenario that they give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from scenarios.cells import cell_key
from scenarios.errors import ScenarioError
from scenarios.schema import FIELDS, SELECTORS, Value
from scenarios.sweeps.axes import SEED, Axis
from scenarios.sweeps.definition import SAMPLED

if TYPE_CHECKING:
    from scenarios.scenario import Scenario
    from scenarios.sweeps.definition import Sweep

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
                scenario = resolver.scenario(values)
            except ScenarioError as error:
                yield Cell(index, values, error=str(error))
            else:
                yield Cell(index, values, cell_key(scenario), scenario)
            index += 1


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
    """Gives `base.with_changes(values)`, without checking again what was checked before.

    Plain numbers decide nothing but themselves: once one has been found to fit beside the other
    values' structure, it is only put in place.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._plain = [axis.field for axis in sweep.axes if _is_plain(axis)]
        self._structures: dict[tuple[Value, ...], Scenario] = {}
        self._fitting: set[tuple[object, ...]] = set()

    def scenario(self, values: dict[str, Value]) -> Scenario:
        """The scenario of one cell. Raises ScenarioError where its values do not go together."""
        structure = {key: value for key, value in values.items() if key not in self._plain}
        place = tuple(structure.values())
        source = self._sweep.origin
        if place not in self._structures:
            self._structures[place] = self._sweep.base.with_changes(structure, source=source)
        scenario = self._structures[place]
        sections: dict[str, dict[str, Value]] = {}
        for key in self._plain:
            value = values[key]
            if (place, key, value) not in self._fitting:
                scenario.with_changes({key: value}, source=source)
                self._fitting.add((place, key, value))
            field = FIELDS[key]
            # A whole number stands for a fraction's field too.
            fitting = float(value) if field.type is float else value
            sections.setdefault(field.section, {})[field.attribute] = fitting
        tables = {
            section: replace(getattr(scenario, section), **changes)
            for section, changes in sections.items()
        }
        return replace(scenario, **tables) if tables else scenario


def _is_plain(axis: Axis) -> bool:
    return axis.numeric and axis.field not in (*SELECTORS, *_ENTANGLED)
