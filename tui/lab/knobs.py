"""The controls' rows: which scenario fields a kind has, their values, and one step up or down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.architectures import ARCHITECTURES
from scenarios.field import Field
from scenarios.fields import KIND, SCHEDULE, SCHEME, TASK
from scenarios.schema import choices_for, fields_for

if TYPE_CHECKING:
    from scenarios.field import Value
    from scenarios.scenario import Scenario

STEPS, DEVICE = "training.steps", "run.device"
#: The knobs always in sight, in this order; HOP stands for the scale that rules the hop.
HOP = "hop_scale"
MAIN = (
    KIND,
    "network.activation",
    "network.depth",
    "task.time_steps",
    "network.hidden_size",
    HOP,
    SCHEME,
    "run.seed",
    STEPS,
    DEVICE,
)


@dataclass(frozen=True)
class Knob:
    """One row: a field and what it is set to."""

    field: Field
    value: Value
    changed: bool

    @property
    def title(self) -> str:
        """The row's label."""
        return "training" if self.field.key == STEPS else self.field.title

    @property
    def text(self) -> str:
        """The value as the row shows it."""
        if self.field.key == STEPS:
            return f"{self.value} steps" if self.value else "off"
        if isinstance(self.value, bool):
            return "on" if self.value else "off"
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)


def knobs_of(scenario: Scenario, origin: Scenario, everything: bool) -> list[Knob]:
    """The rows for a scenario. `origin` is what it was before anything was changed."""
    values, before = scenario.values(), origin.values()
    kind = str(values[KIND])
    fitting = {
        field.key: field
        for field in fields_for(kind, str(values[SCHEME]), str(values[TASK]), str(values[SCHEDULE]))
        if field.key in values
    }
    hop = ARCHITECTURES[kind].hop_scale
    main = [hop if key == HOP else key for key in MAIN]
    keys = [key for key in main if key in fitting]
    if everything:
        keys += [key for key in fitting if key not in keys]
    return [Knob(fitting[key], values[key], values[key] != before.get(key)) for key in keys]


def stepped(knob: Knob, kind: str, by: int, training_steps: int) -> Value:
    """The value `by` steps on; the same one where the field ends.

    Choices wrap around. `training_steps` is what switching training on gives.
    """
    field, value = knob.field, knob.value
    if field.key == STEPS:
        return 0 if value else training_steps
    if isinstance(value, bool):
        return not value
    if field.choices is not None:
        names = choices_for(kind, field.key)
        if value not in names:
            return names[0]
        return names[(names.index(str(value)) + by) % len(names)]
    if field.type is str:
        # Free text is typed, not stepped.
        return value
    assert isinstance(value, int | float)
    assert field.minimum is not None and field.maximum is not None
    return min(max(_moved(field, value, by), field.type(field.minimum)), field.type(field.maximum))


def _moved(field: Field, value: float, by: int) -> float:
    step = field.step or 1.0
    if field.scale == "linear":
        moved = value + by * step
        return round(moved) if field.type is int else round(moved, 10)
    if value == 0:
        # A factor never leaves 0.
        return (1 if field.type is int else 0.001) if by > 0 else value
    moved = value * step**by
    if field.type is int:
        moved = round(moved)
        return moved if moved != value else value + (1 if by > 0 else -1)
    return float(f"{moved:.6g}")


def parsed(field: Field, text: str) -> object:
    """What was typed, as the field's type if it can be read as one; else the text itself."""
    text = text.strip()
    for kind in (int, float):
        if field.type in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    return text
