"""What a scenario allows: which fields fit, what each may be. The loader, --set and the app's
controls all ask here, and the answers follow the engine's registries.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

from engine.architectures import ARCHITECTURES, Architecture
from engine.convolution import CONVOLUTIONS, fits
from engine.initialisers import INITIALISERS
from scenarios.errors import ScenarioError, nearest_of
from scenarios.field import Field, Value
from scenarios.fields import FIELDS, KIND, SCHEDULE, SCHEME, SELECTORS, TASK
from scenarios.plain import plain
from scenarios.tasks import TASKS

#: Characters of free text: what file systems allow for a path, and no more.
LONGEST_TEXT = 1024

__all__ = [
    "FIELDS",
    "KIND",
    "SCHEDULE",
    "SCHEME",
    "SELECTORS",
    "TASK",
    "Field",
    "Value",
    "check_together",
    "checked",
    "choices_for",
    "default_for",
    "fields_for",
    "least_depth",
    "limits_of",
    "misfit",
    "nearest_key",
]


def misfit(key: str, values: Mapping[str, Value]) -> str | None:
    """Why `key` has no place beside these values of the selectors; None if it has one.

    A selector that is absent from `values` rules nothing out.
    """
    kind, task = values.get(KIND), values.get(TASK)
    having = [name for name, other in ARCHITECTURES.items() if key in other.fields]
    if having and kind is not None and kind not in having:
        return f"does not fit {KIND} {kind}; only {_listed(having)} {_has(having)} it"
    if (needs := FIELDS[key].needs) is not None:
        selector, wanted = needs
        chosen = values.get(selector)
        if chosen is not None and chosen not in wanted:
            reads = "reads" if len(wanted) == 1 else "read"
            return f"does not fit {selector} {chosen}; only {_listed(wanted)} {reads} it"
    readers = [name for name, other in TASKS.items() if key in other.reads]
    if readers and task is not None and task not in readers:
        return f"does not fit {TASK} {task}; only {_listed(readers)} {_has(readers)} it"
    if isinstance(task, str) and task in TASKS and key in TASKS[task].decides:
        return f"does not fit {TASK} {task}, {TASKS[task].decides[key]}"
    return None


def fields_for(
    kind: str, scheme: str | None = None, task: str | None = None, schedule: str | None = None
) -> list[Field]:
    """The fields that a network of `kind` has, narrowed to the other selectors if given."""
    given = {KIND: kind, SCHEME: scheme, TASK: task, SCHEDULE: schedule}
    values: dict[str, Value] = {key: value for key, value in given.items() if value is not None}
    return [field for field in FIELDS.values() if misfit(field.key, values) is None]


def choices_for(kind: str, key: str) -> tuple[str, ...]:
    """The names that `key` can take in a network of `kind`, all of them registered by now."""
    choices = FIELDS[key].choices
    if choices is None:
        return ()
    names = tuple(choices())
    if kind not in ARCHITECTURES:
        return names
    architecture = ARCHITECTURES[kind]
    if key == SCHEME:
        return tuple(n for n in names if architecture.hop_role in INITIALISERS[n].roles)
    if key == TASK:
        return tuple(n for n in names if TASKS[n].fits(architecture))
    return names


def default_for(architecture: Architecture, key: str) -> Value | None:
    """What `key` is where a scenario says nothing; for a choice, one that fits."""
    field = FIELDS[key]
    default = field.default
    if architecture.recurrent and field.recurrent_default is not None:
        default = field.recurrent_default
    if field.choices is not None and field.pattern is None and default is not None:
        fitting = choices_for(architecture.name, key)
        if default not in fitting and fitting:
            return fitting[0]
    return default


def checked(source: str, key: str, value: object, values: Mapping[str, Value]) -> Value:
    """`value` in the field's type. Raises ScenarioError where it is not allowed.

    `values` holds what is decided already, which may narrow what is allowed.
    """
    field, value = FIELDS[key], plain(value)
    if field.type is bool:
        if isinstance(value, bool):
            return value
        raise ScenarioError(source, "must be true or false", key=key, value=value)
    if field.choices is not None:
        return _checked_choice(source, field, tuple(field.choices()), value, values)
    if field.type is str:
        return _checked_text(source, field, value)
    return _checked_number(source, field, value, values)


def _checked_choice(
    source: str,
    field: Field,
    names: tuple[str, ...],
    value: object,
    values: Mapping[str, Value],
) -> str:
    if isinstance(value, str) and field.pattern and re.fullmatch(field.pattern, value, re.ASCII):
        return value
    shown = _listed([*names, field.also] if field.also else names, last=", ")
    if not isinstance(value, str) or value not in names:
        nearest = nearest_of(value, names) if isinstance(value, str) else None
        raise ScenarioError(
            source,
            f"not one of {shown}",
            key=field.key,
            value=value,
            nearest=None if nearest is None else f'"{nearest}"',
        )
    kind = values.get(KIND)
    if isinstance(kind, str):
        fitting = choices_for(kind, field.key)
        if value not in fitting:
            why = f", it needs {TASKS[value].needs}" if field.key == TASK else ""
            allowed = f"does not fit {KIND} {kind}{why}; what fits: {_listed(fitting, last=', ')}"
            raise ScenarioError(source, allowed, key=field.key, value=value)
    return value


def limits_of(field: Field, values: Mapping[str, Value]) -> tuple[float, float]:
    """Least and most of a number, which the task may have narrowed."""
    assert field.minimum is not None and field.maximum is not None
    task = values.get(TASK)
    if isinstance(task, str) and task in TASKS:
        return TASKS[task].limits(values).get(field.key, (field.minimum, field.maximum))
    return field.minimum, field.maximum


def _checked_text(source: str, field: Field, value: object) -> str:
    if isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable():
        return value
    allowed = f"must be text of at most {LONGEST_TEXT} characters, all of them printable"
    raise ScenarioError(source, allowed, key=field.key, value=value)


def _checked_number(
    source: str, field: Field, value: object, values: Mapping[str, Value]
) -> int | float:
    minimum, maximum = limits_of(field, values)
    why = f" for {TASK} {values[TASK]}" if (minimum, maximum) != limits_of(field, {}) else ""
    wanted = (int,) if field.type is int else (int, float)
    if (
        isinstance(value, bool)
        or not isinstance(value, wanted)
        # Compared before any conversion, so that an integer beyond float's range is refused too.
        or not minimum <= value <= maximum
    ):
        what = "a whole number" if field.type is int else "a number"
        limits = f"{what} from {_plain(minimum)} to {_plain(maximum)}"
        if minimum == maximum:
            limits = _plain(minimum)
        raise ScenarioError(source, f"must be {limits}{why}", key=field.key, value=value)
    # Zero has no sign here.
    return value if field.type is int else float(value) + 0.0


def check_together(origin: Callable[[str], str], values: Mapping[str, Value]) -> None:
    """Raise ScenarioError where values that are fine alone contradict each other.

    `origin` tells where the value of a key comes from.
    """
    lower, upper = values.get("init.recurrent_lower"), values.get("init.recurrent_upper")
    if isinstance(lower, float) and isinstance(upper, float) and lower > upper:
        raise ScenarioError(
            origin("init.recurrent_lower"),
            f"must not be above init.recurrent_upper, which is {_plain(upper)}",
            key="init.recurrent_lower",
            value=lower,
        )
    if values.get("network.residual") and values.get("network.dense"):
        raise ScenarioError(
            origin("network.dense"),
            "must be false while network.residual is true",
            key="network.dense",
            value=True,
        )
    convolution, size = values.get("network.convolution"), values.get("network.kernel_size")
    if isinstance(convolution, str) and isinstance(size, int) and not fits(convolution, size):
        able = _listed([str(k) for k in CONVOLUTIONS[convolution].kernel_sizes or ()])
        raise ScenarioError(
            origin("network.convolution"),
            f"needs network.kernel_size {able}, which is {size} here",
            key="network.convolution",
            value=convolution,
        )
    depth, least = values["network.depth"], least_depth(values)
    if isinstance(depth, int) and depth < least:
        key = "network.residual" if values.get("network.residual") else "network.dense"
        raise ScenarioError(
            origin("network.depth"),
            f"must be at least {least} for {key} in {KIND} {values[KIND]}",
            key="network.depth",
            value=depth,
        )
    channels, width = values.get("task.image_channels"), values["network.hidden_size"]
    narrow = isinstance(channels, int) and isinstance(width, int) and channels > width
    if narrow and values[SCHEME] == "delta_orthogonal":
        raise ScenarioError(
            origin("network.hidden_size"),
            f"must be at least task.image_channels, which is {channels}, "
            f"for {SCHEME} delta_orthogonal",
            key="network.hidden_size",
            value=width,
        )


def least_depth(values: Mapping[str, Value]) -> int:
    """The depth from which on a network has a connection of the kind these values ask for."""
    if values.get("network.residual"):
        # An IndRNN's skip starts at layer 1 and ends at layer 3.
        return 3 if ARCHITECTURES[str(values[KIND])].recurrent else 2
    return 2 if values.get("network.dense") else 1


def nearest_key(key: str) -> str | None:
    """The field that `key` was probably meant to be, None if none is close."""
    last = key.rpartition(".")[2].lower().replace("-", "_")
    for field in FIELDS.values():
        if field.attribute == last:
            return field.key
    close = nearest_of(key, FIELDS)
    if close is not None:
        return close
    attribute = nearest_of(last, (field.attribute for field in FIELDS.values()))
    return next((f.key for f in FIELDS.values() if f.attribute == attribute), None)


def _listed(names: Sequence[str], last: str = " and ") -> str:
    return last.join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _plain(number: float) -> str:
    return str(int(number)) if math.isfinite(number) and number == int(number) else str(number)
