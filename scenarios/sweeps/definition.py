"""A sweep: a base scenario, what varies, how the cells are combined and what the picture shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from scenarios import reader
from scenarios.errors import ScenarioError, nearest_of, printable
from scenarios.plain import SEVERAL, plain
from scenarios.reader import SECTIONS, TEXTS
from scenarios.scenario import Scenario, load, scenario_of
from scenarios.schema import FIELDS, SELECTORS, Value, checked, misfit
from scenarios.sweeps import catalogue
from scenarios.sweeps.axes import SEED, Axis, AxisReader

if TYPE_CHECKING:
    from pathlib import Path

#: How cells are made of the axes.
COMBINE = ("product", "zip", "random", "sobol")
#: The ways that draw cells instead of listing them.
SAMPLED = ("random", "sobol")

#: How the decades of cells that differ in seed alone become one number. They are logarithms:
#: `median`, of either, is the same; `mean_of_logs` is the decades of the geometric mean;
#: `log_of_mean` the decades of the mean ratio, which the largest of them decides.
REDUCE = ("median", "mean_of_logs", "log_of_mean")

#: The most cells a sweep may have.
MOST_CELLS = 10_000_000

#: The keys of a sweep file that are not a scenario's.
_OWN = ("base", "axes", "combine", "samples", "sampling_seed", "reduce", "x", "y")


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep in which everything is checked and has a value.

    Attributes:
        name, title, question, source_text: as a scenario's.
        base: the scenario that the axes change.
        axes: what varies, in the file's order; in a product the first varies slowest.
        combine: one of COMBINE. A run.seed axis is always crossed with the rest.
        samples: how many cells are drawn, before seeds; 0 unless they are.
        sampling_seed: fixes the draw.
        reduce: one of REDUCE.
        x, y: the fields across and up the phase diagram; y is None for a single row.
        origin: the file it came from, or its name.
    """

    name: str
    title: str
    question: str
    source_text: str
    base: Scenario
    axes: tuple[Axis, ...]
    combine: str = "product"
    samples: int = 0
    sampling_seed: int = 0
    reduce: str = "median"
    x: str = ""
    y: str | None = None
    origin: str = ""

    @property
    def seeds(self) -> Axis | None:
        """The axis of seeds, None where the base's seed is the only one."""
        return next((axis for axis in self.axes if axis.field == SEED), None)

    @property
    def varied(self) -> tuple[Axis, ...]:
        """All axes but that of seeds."""
        return tuple(axis for axis in self.axes if axis.field != SEED)

    def axis(self, field: str) -> Axis:
        """The axis over a field. Raises KeyError where there is none."""
        found = {axis.field: axis for axis in self.axes}
        return found[field]

    @property
    def points(self) -> int:
        """How many combinations there are, each run with every seed."""
        if self.combine in SAMPLED:
            return self.samples
        lengths = [len(axis.values) for axis in self.varied]
        return min(lengths, default=1) if self.combine == "zip" else prod(lengths)

    @property
    def cells(self) -> int:
        """How many scenarios it runs."""
        return self.points * (1 if self.seeds is None else len(self.seeds.values))

    def to_dict(self) -> dict[str, Any]:
        """Plain values that define the sweep, for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "question": self.question,
            "source": self.source_text,
            "base": self.base.to_dict(),
            "axes": [axis.to_dict() for axis in self.axes],
            "combine": self.combine,
            "samples": self.samples,
            "sampling_seed": self.sampling_seed,
            "reduce": self.reduce,
            "x": self.x,
            "y": self.y,
        }


def load_sweep(
    source: str | Path,
    overrides: Mapping[str, object] | None = None,
    *,
    overrides_source: str = "overrides",
) -> Sweep:
    """The sweep called `source` in the catalogue, or in the TOML file at that path.

    `overrides` change the base by dotted key, or the sweep's own keys (samples, reduce, ...); for a
    field that an axis varies they give its values instead, one or a sequence or array of them.
    Raises ScenarioError.
    """
    file, shown = catalogue.find(source), str(source)
    document = reader.read(file, shown, catalogue.names())
    changes = {key: plain(value) for key, value in (overrides or {}).items()}
    own = {key: document[key] for key in _OWN if key in document}
    origins = dict.fromkeys(own, shown)
    for key in _OWN[2:]:
        if key in changes:
            own[key], origins[key] = changes.pop(key), overrides_source
    axes = _axes(own, shown)
    origins.update((axis.field, shown) for axis in axes)
    for place, axis in enumerate(axes):
        if axis.field in changes:
            value = changes.pop(axis.field)
            values = list(value) if isinstance(value, SEVERAL) else [value]
            given = {"field": axis.field, "list": values}
            axes[place] = AxisReader(overrides_source, place + 1, False).read(given)
            origins[axis.field] = overrides_source
    base, texts = _base(document, own, shown)
    for key, value in changes.items():
        if key in FIELDS and isinstance(value, SEVERAL):
            varied = ", ".join(axis.field for axis in axes)
            allowed = f"takes one value: it is no axis of this sweep, whose axes are {varied}"
            raise ScenarioError(overrides_source, allowed, key=key, value=value)
    if changes:
        base = base.with_changes(changes, source=overrides_source)
    base = replace(base, origin=shown)
    sweep = Sweep(
        name=texts["name"],
        title=texts["title"],
        question=texts["question"],
        source_text=texts["source"],
        base=base,
        axes=tuple(axes),
        combine=_choice(own, "combine", COMBINE, origins),
        reduce=_choice(own, "reduce", REDUCE, origins),
        sampling_seed=_whole(own, "sampling_seed", 0, 2**32 - 1, origins),
        origin=shown,
    )
    sweep = _with_samples(sweep, own, origins)
    sweep = _with_picture(sweep, own, origins)
    return _checked(sweep, origins)


def sweep_over(
    base: Scenario, axes: Sequence[Mapping[str, object]], *, x: str, y: str | None, source: str
) -> Sweep:
    """The product of these axes over `base`, each as an [[axes]] table of a sweep file.

    `source` is what errors call it. Raises ScenarioError.
    """
    read = _axes({"axes": list(axes)}, source)
    varied = " × ".join(FIELDS[field].title for field in (y, x) if field is not None)
    sweep = Sweep(
        name=f"{base.name}-map",
        title=f"{varied[0].upper()}{varied[1:]}, {base.title}",
        question=base.question,
        source_text=base.source_text,
        base=base,
        axes=tuple(read),
        x=x,
        y=y,
        origin=source,
    )
    return _checked(sweep, {axis.field: source for axis in read})


def _axes(own: Mapping[str, object], shown: str) -> list[Axis]:
    tables = own.get("axes")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        allowed = "must be tables, each under [[axes]]"
        if tables is None:
            allowed = "is missing"
            if "base" not in own:
                allowed += f": this is a scenario, and nablascope run {printable(shown)} runs it"
        raise ScenarioError(shown, allowed, key="axes", value=tables)
    if not tables:
        raise ScenarioError(shown, "is empty: there is nothing to vary", key="axes")
    sampled = own.get("combine") in SAMPLED
    axes = [AxisReader(shown, i, sampled).read(table) for i, table in enumerate(tables, 1)]
    for place, axis in enumerate(axes, 1):
        if axis.field in [other.field for other in axes[: place - 1]]:
            key = f"axes[{place}].field"
            raise ScenarioError(shown, "varies twice", key=key, value=axis.field)
        if axis.field == SEED and axis.interval is not None:
            allowed = "must list its seeds: they are crossed with every sample"
            raise ScenarioError(shown, allowed, key=f"axes[{place}]")
    return axes


def _base(
    document: Mapping[str, object], own: Mapping[str, object], shown: str
) -> tuple[Scenario, dict[str, str]]:
    rest = {key: value for key, value in document.items() if key not in _OWN}
    for key, value in rest.items():
        if key not in SECTIONS and key not in TEXTS:
            nearest = nearest_of(key, (*_OWN, *SECTIONS, *TEXTS))
            quoted = None if isinstance(value, dict) else value
            raise ScenarioError(shown, "unknown key", key=key, value=quoted, nearest=nearest)
    values, texts = reader.split(rest, shown)
    named = reader.named_after(catalogue.find(shown))
    if shown in catalogue.names():
        named["name"] = shown
    texts = {**named, **texts}
    if "base" not in own:
        return scenario_of(values, texts, shown), texts
    name = own["base"]
    from scenarios.catalogue import names

    if not isinstance(name, str) or name not in names():
        nearest = nearest_of(name, names()) if isinstance(name, str) else None
        allowed = "must be a scenario of the catalogue"
        raise ScenarioError(shown, allowed, key="base", value=name, nearest=nearest)
    return load(name).with_changes(values, source=shown), texts


def _choice(
    own: Mapping[str, object], key: str, names: tuple[str, ...], origins: Mapping[str, str]
) -> str:
    value = own.get(key, names[0])
    if not isinstance(value, str) or value not in names:
        nearest = nearest_of(value, names) if isinstance(value, str) else None
        allowed = f"not one of {', '.join(names)}"
        raise ScenarioError(origins[key], allowed, key=key, value=value, nearest=nearest)
    return value


def _whole(
    own: Mapping[str, object], key: str, low: int, high: int, origins: Mapping[str, str]
) -> int:
    value = own.get(key, low)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        allowed = f"must be a whole number from {low} to {high}"
        raise ScenarioError(origins[key], allowed, key=key, value=value)
    return value


def _with_samples(sweep: Sweep, own: Mapping[str, object], origins: Mapping[str, str]) -> Sweep:
    if sweep.combine not in SAMPLED:
        for key in ("samples", "sampling_seed"):
            if key in own:
                allowed = 'needs combine = "random" or "sobol"'
                raise ScenarioError(origins[key], allowed, key=key, value=own[key])
        return sweep
    if "samples" not in own:
        allowed = f"is missing: how many cells to draw with combine = {sweep.combine}"
        raise ScenarioError(sweep.origin, allowed, key="samples")
    samples = _whole(own, "samples", 1, MOST_CELLS, origins)
    if sweep.combine == "sobol" and samples & (samples - 1):
        allowed = "must be a power of two: Sobol's points are only then spread evenly"
        raise ScenarioError(origins["samples"], allowed, key="samples", value=samples)
    return replace(sweep, samples=samples)


def _with_picture(sweep: Sweep, own: Mapping[str, object], origins: Mapping[str, str]) -> Sweep:
    """Decide what goes across and up: as the file says, else its first two axes."""
    fields = [axis.field for axis in sweep.varied] or [SEED]
    chosen: dict[str, str | None] = {}
    for key in ("x", "y"):
        if key in own:
            field = own[key]
            if field not in fields:
                allowed = f"must be a field that an axis varies: {', '.join(fields)}"
                raise ScenarioError(origins[key], allowed, key=key, value=field)
            chosen[key] = str(field)
    left = [field for field in fields if field not in chosen.values()]
    if "x" not in chosen:
        # Down the file is up the picture, then across: depth first, scale second.
        chosen["x"] = left.pop(1 if len(left) > 1 and "y" not in chosen else 0) if left else None
    if "y" not in chosen:
        chosen["y"] = left.pop(0) if left and sweep.combine != "zip" else None
    if chosen["x"] is None or chosen["x"] == chosen["y"]:
        allowed = f"must differ from {'y' if 'x' in own else 'x'}"
        key = "x" if "x" in own else "y"
        raise ScenarioError(origins[key], allowed, key=key, value=own[key])
    return replace(sweep, x=chosen["x"], y=chosen["y"])


def _checked(sweep: Sweep, origins: Mapping[str, str]) -> Sweep:
    """Check every value beside the base, and the size of the whole."""
    if sweep.combine == "zip":
        lengths = {axis.field: len(axis.values) for axis in sweep.varied}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{field} has {length}" for field, length in lengths.items())
            allowed = f"needs axes of one length: {listed}"
            raise ScenarioError(origins["combine"], allowed, key="combine", value="zip")
    if sweep.cells > MOST_CELLS:
        allowed = f"gives {sweep.cells:,} cells; the most is {MOST_CELLS:,}"
        raise ScenarioError(sweep.origin, allowed, key="axes")
    axes = []
    for axis in sweep.axes:
        field = FIELDS[axis.field]
        # Against the field alone: whether it fits its neighbours is known cell by cell.
        ends = axis.values if axis.interval is None else axis.interval
        values: list[Value] = []
        for value in ends:
            whole = field.type is int and axis.interval is not None and value == int(value)
            number = int(value) if whole else value
            values.append(checked(origins[axis.field], axis.field, number, {}))
        axes.append(replace(axis, values=tuple(values)) if axis.interval is None else axis)
    sweep = replace(sweep, axes=tuple(axes))
    _check_fits(sweep)
    return sweep


def _check_fits(sweep: Sweep) -> None:
    """Refuse an axis that fits no cell, whichever of the selectors' values it stands beside."""
    selecting = {axis.field: axis.values for axis in sweep.axes if axis.field in SELECTORS}
    beside = []
    for chosen in product(*selecting.values()):
        changes = dict(zip(selecting, chosen, strict=True))
        try:
            values = sweep.base.with_changes(changes).values()
        except ScenarioError:
            # What is wrong with them may be right beside another axis's values.
            values = {**sweep.base.values(), **changes}
        beside.append({key: values[key] for key in SELECTORS if key in values})
    for place, axis in enumerate(sweep.axes, 1):
        refusals = [_refusal(sweep, place, axis, values) for values in beside]
        if refusals[0] is not None and None not in refusals:
            raise refusals[0]


def _refusal(
    sweep: Sweep, place: int, axis: Axis, selectors: Mapping[str, Value]
) -> ScenarioError | None:
    """Why no value of an axis fits beside these values of the selectors; None if one does."""
    reason = misfit(axis.field, selectors)
    if reason is not None:
        key = f"axes[{place}].field"
        return ScenarioError(sweep.origin, reason, key=key, value=axis.field)
    refusal = None
    for value in axis.values if axis.field not in selectors else (selectors[axis.field],):
        try:
            checked(sweep.origin, axis.field, value, selectors)
        except ScenarioError as error:
            refusal = refusal or error
        else:
            return None
    return refusal
