"""One side of the map: a field, and the values along it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scenarios.field import Field, Value
from scenarios.schema import FIELDS, choices_for

if TYPE_CHECKING:
    from scenarios.scenario import Scenario
    from scenarios.sweeps.axes import Axis

#: How values are spread between the two ends, or that they are listed one by one.
EVEN, LOG, LISTED = "even", "log", "list"

#: How far from a field's own value the map reaches at first, as factors.
_REACH = {int: (0.5, 2.0), float: (0.5, 2.5)}
#: Columns and rows at first.
COLUMNS, ROWS = 21, 11


@dataclass(frozen=True, slots=True)
class Side:
    """The values of one axis, as they can be asked for.

    Attributes:
        field: what varies.
        spread: EVEN, LOG or LISTED.
        low, high, count: the ends and how many values; nothing to a list.
        values: the list, empty where they are spread.
    """

    field: Field
    spread: str
    low: float = 0.0
    high: float = 0.0
    count: int = 0
    values: tuple[Value, ...] = ()

    def table(self) -> dict[str, object]:
        """It as an [[axes]] table of a sweep file."""
        if self.spread == LISTED:
            return {"field": self.field.key, "list": list(self.values)}
        form = "linspace" if self.spread == EVEN else "logspace"
        ends = {"from": self.low, "to": self.high, "count": self.count}
        return {"field": self.field.key, form: ends}

    def respread(self, spread: str, values: Sequence[Value]) -> Side:
        """It with another spread, over the `values` that it stands for now."""
        if spread == LISTED or self.spread != LISTED:
            listed = tuple(values) if spread == LISTED else ()
            return replace(self, spread=spread, values=listed)
        numbers = [float(value) for value in values]
        return _spread(self.field, spread, min(numbers), max(numbers), len(numbers))

    def between(self, values: Sequence[Value], one: int, other: int) -> Side:
        """It zoomed to what lies between two of its `values`, by place, with as many again.

        Around a single number lie its two neighbours; of names only those between are left.
        """
        first, last = sorted((one, other))
        if self.field.type not in (int, float):
            return replace(self, values=tuple(values[first : last + 1]))
        if first == last:
            first, last = max(first - 1, 0), min(last + 1, len(values) - 1)
        low, high = sorted((float(values[first]), float(values[last])))
        spread = LOG if self.spread == LOG else EVEN
        return _spread(self.field, spread, low, high, self.count or len(values))


def _spread(field: Field, spread: str, low: float, high: float, count: int) -> Side:
    if field.type is int:
        low, high = int(low), int(high)
        # Between two whole numbers there are only so many.
        count = min(count, int(high - low) + 1)
    return Side(field, spread, low, high, count)


def side_of(axis: Axis) -> Side:
    """The side that an axis of a sweep is."""
    field, values = FIELDS[axis.field], axis.values
    if axis.numeric and len(values) > 2:
        numbers = [float(value) for value in values]
        if axis.log and field.type is float:
            return Side(field, LOG, numbers[0], numbers[-1], len(numbers))
        step = (numbers[-1] - numbers[0]) / (len(numbers) - 1)
        even = (numbers[0] + step * place for place in range(len(numbers)))
        if all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(numbers, even, strict=True)):
            return _spread(field, EVEN, numbers[0], numbers[-1], len(numbers))
    return Side(field, LISTED, values=values)


def side_around(field: Field, scenario: Scenario, count: int) -> Side:
    """A side to begin with: around the scenario's own value, or all the names there are."""
    value = scenario.values()[field.key]
    if isinstance(value, bool):
        return Side(field, LISTED, values=(False, True))
    if isinstance(value, str):
        return Side(field, LISTED, values=choices_for(scenario.network.kind, field.key))
    assert field.minimum is not None and field.maximum is not None
    low, high = (value * factor for factor in _REACH[type(value)])
    if value <= 0:
        low, high = 0.0, 1.0
    low, high = max(low, field.minimum), min(max(high, field.minimum + 1), field.maximum)
    return _spread(field, EVEN, float(f"{low:.3g}"), float(f"{high:.3g}"), count)
