"""The map's controls: what each shows, and the setup that another value of it gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError, nearest_of
from scenarios.field import Field
from scenarios.schema import FIELDS
from tui.lab.knobs import STEPS, Knob, parsed, stepped
from tui.map.setup import Setup, fields_of, setup_of, sources
from tui.map.side import COLUMNS, EVEN, LISTED, LOG, ROWS, Side, side_around
from tui.plot_diagram import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scenarios.field import Value
    from scenarios.scenario import Scenario

SOURCE = "map.source"
_SOURCE = Field(
    SOURCE,
    str,
    "map of",
    "The Lab's network, or a sweep of the catalogue.",
    choices=dict,
)
_SEEDS = Field(
    "map.seeds",
    int,
    "seeds",
    "How many seeds each point has; it shows their median.",
    minimum=1,
    maximum=100,
    step=1,
)
#: What a side's controls are called: across, and up.
_TITLES = {"x": ("across", "columns"), "y": ("up", "rows")}
_COUNTS = {"x": COLUMNS, "y": ROWS}


def knobs_for(setup: Setup, origin: Setup) -> list[Knob]:
    """The rows of the controls; `origin` is the setup before anything was changed."""
    rows: list[tuple[Field, Value, Value | None]] = [
        (_SOURCE, setup.name, setup.name),
        (FIELDS[STEPS], setup.base.training.steps, origin.base.training.steps),
        (_SEEDS, setup.seeds, origin.seeds),
    ]
    for name, side, before in (("x", setup.x, origin.x), ("y", setup.y, origin.y)):
        old = dict(_rows(name, before))
        rows += [
            (field, value, next((v for f, v in old.items() if f.key == field.key), None))
            for field, value in _rows(name, side)
        ]
    return [Knob(field, value, value != before) for field, value, before in rows]


def _rows(name: str, side: Side) -> list[tuple[Field, Value]]:
    """A side's controls, and what they are set to."""
    title, count = _TITLES[name]
    field, key = side.field, f"map.{name}"
    rows: list[tuple[Field, Value]] = [
        (Field(key, str, title, field.help, choices=dict), field.title)
    ]
    if field.type in (int, float):
        how = "Values spread evenly, evenly in their logarithm, or listed one by one."
        rows.append((Field(f"{key}.spread", str, "  spread", how, choices=dict), side.spread))
    if side.spread == LISTED:
        listed = ", ".join(shown(value) for value in side.values)
        help = "The values, with commas between them."
        rows.append((Field(f"{key}.values", str, "  values", help), listed))
        return rows
    for end, value in (("from", side.low), ("to", side.high)):
        help = f"The {'first' if end == 'from' else 'last'} value."
        own = replace(field, key=f"{key}.{end}", title=f"  {end}", help=help, default=None)
        rows.append((own, field.type(value)))
    many = Field(f"{key}.count", int, f"  {count}", f"How many {count}.", minimum=1, maximum=1000)
    rows.append((replace(many, step=1), side.count))
    return rows


def choices_of(setup: Setup, key: str) -> list[tuple[str, str]]:
    """What a control that has a list can be, each with what it is; nothing for the others."""
    if key == SOURCE:
        return sources()
    if key.endswith(".spread"):
        return [
            (EVEN, "evenly between two ends"),
            (LOG, "evenly in the logarithm"),
            (LISTED, "one by one"),
        ]
    return [(field.title, field.help) for field in fields_of(setup.base)]


def turned(setup: Setup, knob: Knob, by: int) -> Value:
    """The value of a control so many steps on."""
    if knob.field.choices is None:
        return stepped(knob, setup.base.network.kind, by, training_steps=100)
    names = [name for name, _ in choices_of(setup, knob.field.key)]
    return names[(names.index(chosen_of(setup, knob)) + by) % len(names)]


def chosen_of(setup: Setup, knob: Knob) -> str:
    """Which of its choices a control is at."""
    return setup.source if knob.field.key == SOURCE else str(knob.value)


def changed(setup: Setup, key: str, value: object, lab: Scenario) -> Setup:
    """The setup with another value of one control. Raises ScenarioError where it is not allowed."""
    if key == SOURCE:
        return setup_of(str(value), lab)
    if key == STEPS:
        return replace(setup, base=setup.base.with_changes({STEPS: value}, source="map"))
    if key == _SEEDS.key:
        return replace(setup, seeds=_whole(key, value, 1, 100))
    name, _, part = key.removeprefix("map.").partition(".")
    side = setup.x if name == "x" else setup.y
    side = _with_part(setup, side, name, part, value)
    return replace(setup, x=side) if name == "x" else replace(setup, y=side)


def _with_part(setup: Setup, side: Side, name: str, part: str, value: object) -> Side:
    key = f"map.{name}.{part}"
    if part == "":
        fields = {field.title: field for field in fields_of(setup.base)}
        return side_around(fields[str(value)], setup.base, _COUNTS[name])
    if part == "spread":
        sweep = setup.sweep()
        return side.respread(str(value), sweep.axis(side.field.key).values)
    if part == "values":
        return replace(side, values=_listed(side.field, key, str(value)))
    if part == "count":
        return replace(side, count=_whole(key, value, 1, 1000))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError("map", "must be a number", key=key, value=value)
    return replace(side, low=value) if part == "from" else replace(side, high=value)


def _whole(key: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ScenarioError("map", f"must be a whole number, {low} to {high}", key=key, value=value)
    return value


def _listed(field: Field, key: str, text: str) -> tuple[Value, ...]:
    """What was typed as a list, in the field's own type."""
    values: list[Value] = []
    for word in (word.strip() for word in text.split(",")):
        value: object = parsed(field, word)
        if field.type is bool:
            switches: Mapping[str, bool] = {"yes": True, "no": False}
            if word not in switches:
                raise ScenarioError("map", "must be yes or no", key=key, value=word)
            value = switches[word]
        elif field.type in (int, float) and not isinstance(value, int | float):
            raise ScenarioError("map", "must be numbers, as in 1, 2, 5", key=key, value=word)
        elif field.choices is not None and word not in (names := field.choices()):
            nearest = nearest_of(word, names)
            hint = f"; did you mean {nearest}?" if nearest else f": {', '.join(names)}"
            raise ScenarioError("map", f"is no {field.title}{hint}", key=key, value=word)
        assert isinstance(value, bool | int | float | str)
        values.append(value)
    return tuple(values)
