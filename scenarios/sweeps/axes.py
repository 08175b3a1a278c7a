"""What an axis of a sweep may say, and the values it stands for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from scenarios.errors import ScenarioError, nearest_of, quoted
from scenarios.schema import FIELDS, Field, Value, nearest_key

SEED = "run.seed"

#: The most values one axis may have.
MOST_VALUES = 1_000_000

#: Significant digits of a computed value: 0.3 and not 0.30000000000000004.
_DIGITS = 12

#: What no axis can vary: where a sweep is computed is one decision for all of it.
_FIXED = ("run.device",)


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that varies.

    Attributes:
        field: the scenario's dotted key.
        values: what it becomes, in order; empty for an interval.
        interval: the two ends between which sampling draws, None for listed values.
        log: whether values are spread evenly in their logarithm.
    """

    field: str
    values: tuple[Value, ...]
    interval: tuple[float, float] | None = None
    log: bool = False

    @property
    def title(self) -> str:
        """The field's name for people."""
        return FIELDS[self.field].title

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers, so that distances between them mean something."""
        return FIELDS[self.field].type in (int, float)

    def at(self, share: float) -> Value:
        """The value at a share in [0, 1) of the way, for sampling."""
        if self.interval is None:
            return self.values[int(share * len(self.values))]
        low, high = self.interval
        whole = FIELDS[self.field].type is int
        # Every whole number is as likely, the last one too.
        even = low + (high - low + whole) * share
        value = low * (high / low) ** share if self.log else even
        return min(int(high), math.floor(value)) if whole else rounded(value)

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        if self.interval is None:
            return {"field": self.field, "values": list(self.values), "log": self.log}
        return {"field": self.field, "interval": list(self.interval), "log": self.log}


Table: TypeAlias = Mapping[str, object]


class AxisReader:
    """Reads one [[axes]] table of an untrusted file.

    Args:
        shown: what errors call the file.
        place: which axis it is, from 1.
        sampled: whether the sweep draws its cells.
    """

    def __init__(self, shown: str, place: int, sampled: bool) -> None:
        self._shown = shown
        self._where = f"axes[{place}]"
        self._sampled = sampled

    def read(self, table: Table) -> Axis:
        """The axis. Raises ScenarioError naming the file, the key, the value and what is right."""
        forms = [key for key in table if key in _FORMS]
        for key, value in table.items():
            if key != "field" and key not in _FORMS:
                nearest = nearest_of(key, ("field", *_FORMS))
                raise self._error("unknown key", key, value, nearest)
        if len(forms) != 1:
            allowed = f"must have exactly one of {', '.join(_FORMS)}"
            raise self._error(allowed, forms[1] if forms else None)
        form = forms[0]
        field = self._field(table, form)
        make: Callable[[AxisReader, Field, str, Any], Axis] = _FORMS[form]
        return make(self, field, form, table[form])

    def _field(self, table: Table, form: str) -> Field:
        if form == "seeds":
            key = table.get("field", SEED)
            if key != SEED:
                raise self._error(f"must be {SEED}, or left out, with seeds", "field", key)
        key = table.get("field", SEED if form == "seeds" else None)
        if key is None:
            raise self._error("is missing; a scenario's key, as in init.weight_scale", "field")
        if not isinstance(key, str) or key not in FIELDS:
            nearest = nearest_key(key) if isinstance(key, str) else None
            raise self._error("is no scenario's key", "field", key, nearest)
        if key in _FIXED:
            raise self._error("cannot vary; use --set for the whole sweep", "field", key)
        return FIELDS[key]

    def listed(self, field: Field, form: str, value: object) -> Axis:
        """Read `list = [0.5, 1.0, 2.0]`."""
        if not isinstance(value, list) or not value:
            raise self._error("must be an array of one value or more", form, value)
        self._check_count(form, len(value))
        seen: set[tuple[bool, object]] = set()
        for one in value:
            # True equals 1; what is neither number nor text is refused with the field's own words.
            plain = one if isinstance(one, int | float | str) else str(one)
            if (same := (isinstance(one, bool), plain)) in seen:
                raise self._error(f"names {quoted(one)} twice", form, value)
            seen.add(same)
        return Axis(field.key, tuple(value))

    def linspace(self, field: Field, form: str, value: object) -> Axis:
        """Read `linspace = {from = 0.5, to = 2.0, count = 16}`, both ends included."""
        low, high, count = self._spread(field, form, value)
        step = (high - low) / max(count - 1, 1)
        return self._numbers(field, [low + step * i for i in range(count)], log=False)

    def logspace(self, field: Field, form: str, value: object) -> Axis:
        """Read `logspace = {from = 0.1, to = 10.0, count = 16}`, evenly spread in the logarithm."""
        low, high, count = self._spread(field, form, value)
        self._check_positive(form, low, high)
        ratio = math.log(high / low) / max(count - 1, 1)
        values = [low * math.exp(ratio * i) for i in range(count)]
        # The ends are what was asked for, to the last digit.
        values[-1] = high if count > 1 else low
        return self._numbers(field, values, log=True)

    def whole(self, field: Field, form: str, value: object) -> Axis:
        """Read `range = {from = 10, to = 100, step = 10}`, both ends included."""
        if field.type is not int:
            raise self._error(f"does not fit {field.key}, which has no whole numbers", form)
        table = self._table(form, value, ("from", "to"), ("step",))
        low, high, step = (self._int(form, table, key) for key in ("from", "to", "step"))
        if step < 1:
            raise self._error("must be at least 1", f"{form}.step", step)
        if high < low:
            raise self._error(f"must not be below from, which is {low}", f"{form}.to", high)
        self._check_count(form, (high - low) // step + 1)
        return Axis(field.key, tuple(range(low, high + 1, step)))

    def seeds(self, field: Field, form: str, value: object) -> Axis:
        """Read `seeds = 8`: run.seed from 0 to 7."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self._error("must be a whole number from 1", form, value)
        self._check_count(form, value)
        return Axis(field.key, tuple(range(value)))

    def uniform(self, field: Field, form: str, value: object) -> Axis:
        """Read `uniform = {from = 0.5, to = 2.0}`, or loguniform, drawn between the two."""
        if not self._sampled:
            raise self._error('needs combine = "random" or "sobol"', form)
        self._check_numeric(field, form)
        table = self._table(form, value, ("from", "to"))
        low, high = (self._float(form, table, key) for key in ("from", "to"))
        log = form == "loguniform"
        if log:
            self._check_positive(form, low, high)
        if not low < high:
            raise self._error(f"must be above from, which is {low:g}", f"{form}.to", high)
        return Axis(field.key, (), (low, high), log)

    def _numbers(self, field: Field, values: list[float], *, log: bool) -> Axis:
        found: list[Value] = [rounded(value) for value in values]
        if field.type is int:
            # Depths spread evenly in their logarithm: whole numbers, none of them twice.
            found = list(dict.fromkeys(round(value) for value in values))
        return Axis(field.key, tuple(found), log=log)

    def _spread(self, field: Field, form: str, value: object) -> tuple[float, float, int]:
        self._check_numeric(field, form)
        table = self._table(form, value, ("from", "to", "count"))
        count = self._int(form, table, "count")
        if count < 1:
            raise self._error("must be at least 1", f"{form}.count", count)
        self._check_count(form, count)
        return self._float(form, table, "from"), self._float(form, table, "to"), count

    def _table(
        self, form: str, value: object, needed: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, object]:
        keys = (*needed, *optional)
        if not isinstance(value, dict):
            example = ", ".join(f"{key} = ..." for key in keys)
            raise self._error(f"must be a table, {{{example}}}", form, value)
        for key in value:
            if key not in keys:
                nearest = nearest_of(key, keys)
                raise self._error("unknown key", f"{form}.{key}", value[key], nearest)
        for key in needed:
            if key not in value:
                raise self._error("is missing", f"{form}.{key}")
        return {"step": 1, **value}

    def _int(self, form: str, table: Table, key: str) -> int:
        value = table[key]
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
            raise self._error("must be a whole number", f"{form}.{key}", value)
        return value

    def _float(self, form: str, table: Table, key: str) -> float:
        value = table[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise self._error("must be a number", f"{form}.{key}", value)
        return float(value)

    def _check_positive(self, form: str, low: float, high: float) -> None:
        for key, value in (("from", low), ("to", high)):
            if not value > 0.0:
                raise self._error("must be above 0", f"{form}.{key}", value)

    def _check_numeric(self, field: Field, form: str) -> None:
        if field.type not in (int, float):
            raise self._error(f"does not fit {field.key}, which has no numbers; use list", form)

    def _check_count(self, form: str, count: int) -> None:
        if count > MOST_VALUES:
            allowed = f"gives {count:,} values; the most an axis may have is {MOST_VALUES:,}"
            raise self._error(allowed, form)

    def _error(
        self,
        allowed: str,
        key: str | None = None,
        value: object = None,
        nearest: str | None = None,
    ) -> ScenarioError:
        place = self._where if key is None else f"{self._where}.{key}"
        return ScenarioError(self._shown, allowed, key=place, value=value, nearest=nearest)


#: Every way to write an axis.
_FORMS: dict[str, Callable[[AxisReader, Field, str, Any], Axis]] = {
    "list": AxisReader.listed,
    "linspace": AxisReader.linspace,
    "logspace": AxisReader.logspace,
    "range": AxisReader.whole,
    "seeds": AxisReader.seeds,
    "uniform": AxisReader.uniform,
    "loguniform": AxisReader.uniform,
}


def rounded(value: float) -> float:
    """`value` without the noise of how it was computed."""
    return float(f"{value:.{_DIGITS}g}")
