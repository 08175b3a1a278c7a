"""What the map is a map of: a base scenario, two sides, and the sweep they give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.architectures import ARCHITECTURES
from scenarios.errors import ScenarioError, quoted
from scenarios.schema import FIELDS
from scenarios.sweeps.axes import SEED, Axis
from scenarios.sweeps.definition import Sweep, load_sweep, sweep_over
from tui.lab.knobs import DEVICE, STEPS, knobs_of
from tui.map.side import COLUMNS, LISTED, ROWS, Side, side_around, side_of

if TYPE_CHECKING:
    from scenarios.field import Field
    from scenarios.scenario import Scenario

#: The source that is the Lab's scenario, as opposed to a sweep of the catalogue.
OF_LAB = "the Lab's"
#: The most cells of a map; beyond, `nablascope sweep` is the tool.
MOST_CELLS = 10_000
#: What errors call the map; they are shown by the control they are about.
_SOURCE = "map"


@dataclass(frozen=True)
class Setup:
    """Everything the controls can change.

    Attributes:
        source: OF_LAB, or the sweep of the catalogue that it began as.
        base: the scenario that the sides change.
        x, y: what grows to the right, and upwards.
        seeds: how many seeds each point has; with 1 it is the base's own.
    """

    source: str
    base: Scenario
    x: Side
    y: Side
    seeds: int = 1

    @property
    def name(self) -> str:
        """The network's, or the sweep's: the Lab may have another network by now."""
        return self.base.name if self.source == OF_LAB else self.source

    def sweep(self) -> Sweep:
        """The sweep. Raises ScenarioError."""
        if self.x.field is self.y.field:
            raise ScenarioError(_SOURCE, "is what runs across already", key="map.y")
        for name, side in (("x", self.x), ("y", self.y)):
            if side.spread != LISTED and side.count > 1 and side.low == side.high:
                raise ScenarioError(_SOURCE, "must differ from the other end", key=f"map.{name}.to")
        tables = [self.y.table(), self.x.table()]
        if self.seeds > 1:
            tables.append({"seeds": self.seeds})
        x, y = self.x.field.key, self.y.field.key
        sweep = sweep_over(self.base, tables, x=x, y=y, source=_SOURCE)
        if sweep.cells > MOST_CELLS:
            allowed = f"{sweep.cells:,} cells; a map has {MOST_CELLS:,} at most: nablascope sweep"
            raise ScenarioError(_SOURCE, f"{allowed} runs more", key=self._largest())
        if self.source != OF_LAB:
            listed = load_sweep(self.source, {DEVICE: self.base.run.device})
            # Untouched, it is the command line's, under the same number in the store.
            lone = [] if self.seeds > 1 else [Axis(SEED, (self.base.run.seed,))]
            if self.base == listed.base and set(listed.axes) - {*lone} == set(sweep.axes):
                return listed
        return sweep

    def of(self, base: Scenario) -> Setup:
        """The same map of another network, as long trained."""
        return replace(self, base=base.with_changes({STEPS: self.base.training.steps}))

    def _largest(self) -> str:
        counts = {name: side.count or len(side.values) for name, side in self._sides()}
        name = max(counts, key=lambda name: counts[name])
        if self.seeds > counts[name]:
            return "map.seeds"
        side = dict(self._sides())[name]
        return f"map.{name}.{'values' if side.spread == LISTED else 'count'}"

    def _sides(self) -> tuple[tuple[str, Side], tuple[str, Side]]:
        return (("y", self.y), ("x", self.x))

    def blamed(self, error: ScenarioError) -> tuple[str, str]:
        """The control that an error is about, and the line that says so."""
        words = error.allowed if error.value is None else f"{quoted(error.value)}: {error.allowed}"
        key = error.key or ""
        for place, (name, side) in enumerate(self._sides(), start=1):
            if key.startswith(f"axes[{place}]"):
                part = key.rpartition(".")[2]
                known = part if part in ("from", "to", "count") else "values"
                return f"map.{name}.{known}", words
            if key == side.field.key:
                end = "to" if error.value == side.high else "from"
                return f"map.{name}.{'values' if side.spread == LISTED else end}", words
        return key, words


def sources() -> list[tuple[str, str]]:
    """What there can be a map of, each with its title."""
    from scenarios.sweeps.catalogue import entries

    listed = [(entry.name, entry.title) for entry in entries()]
    return [(OF_LAB, "the network that the Lab has now"), *listed]


def setup_of(source: str, lab: Scenario) -> Setup:
    """The map to begin with: of the Lab's scenario before training, or a sweep's own."""
    if source != OF_LAB:
        sweep = load_sweep(source, {DEVICE: lab.run.device})
        assert sweep.y is not None
        seeds = 1 if sweep.seeds is None else len(sweep.seeds.values)
        return Setup(
            source, sweep.base, side_of(sweep.axis(sweep.x)), side_of(sweep.axis(sweep.y)), seeds
        )
    base = lab.with_changes({STEPS: 0})
    architecture = ARCHITECTURES[base.network.kind]
    length = "task.time_steps" if architecture.recurrent else "network.depth"
    scale, up = FIELDS[architecture.hop_scale], FIELDS[length]
    # The schemes that draw no Gaussian have no such scale, and a task may decide the length.
    left = [field for field in fields_of(base) if field.type in (int, float)]
    x = scale if scale in left else next(field for field in left if field is not up)
    y = up if up in left else next(field for field in left if field is not x)
    return Setup(OF_LAB, base, side_around(x, base, COLUMNS), side_around(y, base, ROWS))


def fields_of(base: Scenario) -> list[Field]:
    """The fields that a side can have, the main ones first."""
    fields = (knob.field for knob in knobs_of(base, base, True))
    return [
        field
        for field in fields
        if field.key not in (DEVICE, SEED)
        and (field.type is not str or (field.choices is not None and field.pattern is None))
    ]
