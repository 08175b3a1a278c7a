"""The phase diagram: every cell's decades, reduced over seeds, across two of the sweep's axes."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from engine.architectures import ARCHITECTURES
from scenarios.errors import ScenarioError
from scenarios.schema import FIELDS, Value
from scenarios.sweeps.axes import SEED, Axis, rounded
from scenarios.sweeps.definition import SAMPLED

if TYPE_CHECKING:
    from scenarios.scenario import Scenario
    from scenarios.sweeps.definition import Sweep
    from scenarios.sweeps.run import SweptCell

#: Bins across and up where cells are drawn from an interval.
_BINS = (32, 16)

#: What a point of the diagram shows: a number of decades, or why it has none.
State: TypeAlias = Literal["decades", "dead", "overflow", "failed", "empty"]

#: The prediction of each scale's critical value.
_CRITICAL = {
    "init.weight_scale": "critical_weight_scale",
    "init.recurrent_scale": "critical_recurrent_scale",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One place of the diagram; `decades` is None unless `state` is "decades"."""

    state: State
    decades: float | None = None


_NOTHING = Point("empty")


@dataclass(slots=True)
class _Tally:
    """The cells of one place, so far."""

    decades: array[float] = field(default_factory=lambda: array("d"))
    dead: int = 0
    overflow: int = 0
    failed: int = 0

    def add(self, cell: SweptCell) -> None:
        result = cell.result
        if result.error is not None:
            self.failed += 1
        elif result.verdict == "overflow":
            self.overflow += 1
        elif result.verdict == "dead":
            self.dead += 1
        elif result.decades is not None:
            self.decades.append(result.decades)

    def reduced(self, how: str) -> Point:
        numbers = len(self.decades) + self.dead
        if not numbers + self.overflow:
            return Point("failed" if self.failed else "empty")
        if self.overflow >= numbers:
            return Point("overflow")
        # An exact zero is minus infinity decades, whichever way they are reduced.
        value = reduce_decades([-math.inf] * self.dead + self.decades.tolist(), how)
        return Point("dead") if value == -math.inf else Point("decades", value)


def reduce_decades(decades: Sequence[float], how: str) -> float:
    """Decades of several seeds as one number, by one of `definition.REDUCE`."""
    from statistics import fmean, median

    if how == "median":
        return median(decades)
    if how == "mean_of_logs":
        return fmean(decades)
    largest = max(decades)
    if not math.isfinite(largest):
        return largest
    return largest + math.log10(fmean(10.0 ** (value - largest) for value in decades))


@dataclass(frozen=True, slots=True)
class Scale:
    """One side of the diagram: a value for every column or row, in order.

    `edges` are the inner borders between them where cells are sorted into bins, else empty.
    """

    field: str
    title: str
    values: tuple[Value, ...]
    edges: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: what the axes beside x and y are, and a point for every row and column."""

    values: dict[str, Value]
    rows: list[list[Point]]


class Diagram:
    """Collects a sweep's cells as they come; takes memory for their decades and no more.

    Attributes:
        x, y: the two sides, y None for a single row.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.x = _scale(sweep.axis(sweep.x), _BINS[0])
        self.y = None if sweep.y is None else _scale(sweep.axis(sweep.y), _BINS[1])
        sides = (sweep.x, sweep.y)
        # What is zipped goes along with x; what is drawn from an interval is averaged over.
        apart = [] if sweep.combine == "zip" else sweep.varied
        self._others = [a for a in apart if a.field not in sides and a.interval is None]
        self._tallies: dict[tuple[Value, ...], dict[tuple[int, int], _Tally]] = {}
        self._columns = _places(self.x)
        self._rows = {} if self.y is None else _places(self.y)

    def add(self, cell: SweptCell) -> tuple[int, int]:
        """Count one more cell; its row and column."""
        panel = tuple(cell.values[axis.field] for axis in self._others)
        column = self._place(self.x, self._columns, cell)
        row = 0 if self.y is None else self._place(self.y, self._rows, cell)
        self._tallies.setdefault(panel, {}).setdefault((row, column), _Tally()).add(cell)
        return row, column

    def point(self, row: int, column: int, panel: tuple[Value, ...] = ()) -> Point:
        """One place of a picture as it is now; `panel` holds the other axes' values."""
        tally = self._tallies.get(panel, {}).get((row, column))
        return _NOTHING if tally is None else tally.reduced(self.sweep.reduce)

    @staticmethod
    def _place(scale: Scale, places: dict[Value, int], cell: SweptCell) -> int:
        """Which column or row of a side a cell belongs to."""
        value = cell.values[scale.field]
        return bisect_right(scale.edges, float(value)) if scale.edges else places[value]

    def panels(self) -> list[Panel]:
        """The pictures as they are now, one for every combination of the other axes' values."""
        height = 1 if self.y is None else len(self.y.values)
        found = []
        for key in product(*(axis.values for axis in self._others)):
            rows = [
                [self.point(row, column, key) for column in range(len(self.x.values))]
                for row in range(height)
            ]
            fields = (axis.field for axis in self._others)
            found.append(Panel(dict(zip(fields, key, strict=True)), rows))
        return found


def _places(scale: Scale) -> dict[Value, int]:
    return {value: place for place, value in enumerate(scale.values)}


def _scale(axis: Axis, bins: int) -> Scale:
    title = FIELDS[axis.field].title
    if axis.interval is None:
        return Scale(axis.field, title, axis.values)
    low, high = axis.interval
    shares = [index / bins for index in range(1, bins)]
    middles = [(index + 0.5) / bins for index in range(bins)]

    def at(share: float) -> float:
        return low * (high / low) ** share if axis.log else low + (high - low) * share

    values = tuple(rounded(at(share)) for share in middles)
    return Scale(axis.field, title, values, tuple(map(at, shares)))


@dataclass(frozen=True, slots=True)
class TheoryLine:
    """Where theory puts the borders between vanishing, healthy and exploding.

    Attributes:
        across: whether the scales lie on the x axis, some for every row; else they lie on the
            y axis, some for every column.
        scales: the scales there: one edge, the two ends of a band, or none where theory is silent.
        meaning: what they are.
        reason: why theory is silent throughout; None where it speaks.
    """

    across: bool
    scales: tuple[tuple[float, ...], ...]
    meaning: str
    reason: str | None


def theory_line(diagram: Diagram, panel: Panel) -> TheoryLine | None:
    """The critical scale over one picture, None where neither axis is a scale of weights."""
    x, y = diagram.x, diagram.y
    across = x.field in _CRITICAL
    if across:
        scale, other = x, y
    elif y is not None and y.field in _CRITICAL:
        scale, other = y, x
    else:
        return None
    sweep = diagram.sweep
    start = {} if sweep.combine in SAMPLED else panel.values
    found: list[tuple[float, ...]] = []
    meaning, reason = "", None
    for value in (None,) if other is None else other.values:
        changes: dict[str, Value] = {**start, scale.field: 1.0}
        if other is not None and value is not None:
            changes[other.field] = _whole_if_needed(other.field, value)
        try:
            scenario = sweep.base.with_changes(changes, source=sweep.origin)
            borders, words = _borders(scenario, scale.field)
        except (ScenarioError, ValueError) as error:
            borders, words = (), str(error)
        found.append(borders)
        if borders:
            meaning = meaning or words
        else:
            reason = reason or words
    return TheoryLine(across, tuple(found), meaning, None if any(found) else reason)


def _borders(scenario: Scenario, field: str) -> tuple[tuple[float, ...], str]:
    """The borders for a network whose scale `field` is 1, and what they are; or (), and why."""
    from engine.verdict import THRESHOLD_DECADES
    from scenarios.predictions import predict
    from scenarios.runner import network_spec

    prediction = predict(scenario)
    critical = getattr(prediction, _CRITICAL[field])
    if critical is not None:
        return (critical,), f"the edge between vanishing and exploding: {prediction.theory}"
    reason = prediction.reasons[_CRITICAL[field]]
    spec, bound = network_spec(scenario), prediction.bound_decades
    hops = (spec.time_steps if prediction.axis == "time" else spec.depth) - 1
    of_hops = ARCHITECTURES[scenario.network.kind].hop_scale
    if bound is None or not hops or field != of_hops:
        return (), reason
    # The scale multiplies every hop, so the bound changes by its logarithm at each.
    low, high = (
        10.0 ** ((limit - bound) / hops) for limit in (-THRESHOLD_DECADES, THRESHOLD_DECADES)
    )
    meaning = (
        f"below the first the gradient must vanish, above the second it may explode: "
        f"{THRESHOLD_DECADES:g} decades lost or gained where every slope is the steepest"
    )
    return (low, high), meaning


def _whole_if_needed(key: str, value: Value) -> Value:
    whole = FIELDS[key].type is int and isinstance(value, float)
    return round(float(value)) if whole else value


def diagram_event(diagram: Diagram) -> dict[str, Any]:
    """The diagram as plain values for JSON: rows from the first y value to the last."""
    panels = []
    for panel in diagram.panels():
        line = theory_line(diagram, panel)
        theory = None
        if line is not None:
            theory = {
                "field": diagram.x.field if line.across else diagram.sweep.y,
                "scales": [list(scales) for scales in line.scales],
                "meaning": line.meaning,
                "reason": line.reason,
            }
        panels.append(
            {
                "values": panel.values,
                "decades": [[point.decades for point in row] for row in panel.rows],
                "state": [[point.state for point in row] for row in panel.rows],
                "theory": theory,
            }
        )
    y = diagram.y
    return {
        "x": {"field": diagram.x.field, "values": list(diagram.x.values)},
        "y": None if y is None else {"field": y.field, "values": list(y.values)},
        "reduce": diagram.sweep.reduce,
        "seeds": 1 if diagram.sweep.seeds is None else len(diagram.sweep.axis(SEED).values),
        "panels": panels,
    }
