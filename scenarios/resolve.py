"""From the values someone gave to all the values of a scenario, or to the one line that says no."""

from __future__ import annotations

from collections.abc import Mapping

from engine.architectures import ARCHITECTURES
from scenarios.errors import ScenarioError
from scenarios.schema import (
    FIELDS,
    KIND,
    SELECTORS,
    Value,
    check_together,
    checked,
    default_for,
    least_depth,
    limits_of,
    misfit,
    nearest_key,
)

CONNECTIONS = ("network.residual", "network.dense")
DEPTH, TIME_STEPS = "network.depth", "task.time_steps"


def resolve(
    given: Mapping[str, object],
    inherited: Mapping[str, Value] | None = None,
    *,
    source: str,
    origins: Mapping[str, str] | None = None,
) -> dict[str, Value]:
    """Every value of a scenario, by dotted key: those given, else inherited, else defaults.

    What is given has to fit; what is inherited gives way where it does not. Error lines name
    `origins[key]`, or `source` for a key that is not in it. Raises ScenarioError.
    """
    inherited = inherited or {}

    def origin(key: str) -> str:
        return (origins or {}).get(key, source)

    for key, value in given.items():
        if key not in FIELDS:
            # From Python, it may be no text either.
            name = str(key)
            raise ScenarioError(
                origin(key), "unknown key", key=name, value=value, nearest=nearest_key(name)
            )
    if KIND not in given and KIND not in inherited:
        kinds = ", ".join(ARCHITECTURES)
        raise ScenarioError(origin(KIND), f"is missing; one of {kinds}", key=KIND)

    values: dict[str, Value] = {}
    for key in SELECTORS:
        if key in given:
            values[key] = checked(origin(key), key, given[key], values)
        else:
            values[key] = _kept_or_default(key, inherited, values)
    inherited = _crossed(inherited, str(values[KIND]))
    for key in FIELDS:
        if key in SELECTORS:
            continue
        reason = misfit(key, values)
        if reason is None and key in given:
            values[key] = checked(origin(key), key, given[key], values)
        elif reason is None:
            values[key] = _kept_or_default(key, inherited, values)
        elif key in given:
            raise ScenarioError(origin(key), reason, key=key, value=given[key])
    if KIND in given and int(values[DEPTH]) < least_depth(values):
        # Another kind may be too shallow for the connections of the one before.
        for key in CONNECTIONS:
            if key in values and key not in given:
                values[key] = False
    check_together(origin, values)
    return {key: values[key] for key in FIELDS if key in values}


def _kept(key: str, inherited: Mapping[str, Value], values: Mapping[str, Value]) -> Value | None:
    """What `key` was before, if that is still allowed beside what else has been decided."""
    if key not in inherited:
        return None
    try:
        return checked("", key, inherited[key], values)
    except ScenarioError:
        return None


def _kept_or_default(
    key: str, inherited: Mapping[str, Value], values: Mapping[str, Value]
) -> Value:
    kept = _kept(key, inherited, values)
    if kept is not None:
        return kept
    default = default_for(ARCHITECTURES[str(values[KIND])], key)
    # Only network.kind has none, and that is decided first.
    assert default is not None
    if isinstance(default, int) and not isinstance(default, bool):
        least, most = limits_of(FIELDS[key], values)
        return int(min(max(default, least), most))
    return default


def _crossed(inherited: Mapping[str, Value], kind: str) -> Mapping[str, Value]:
    """What is inherited, with depth and time steps traded if the gradient's path turns."""
    before = inherited.get(KIND)
    if not isinstance(before, str) or before not in ARCHITECTURES:
        return inherited
    if ARCHITECTURES[before].recurrent == ARCHITECTURES[kind].recurrent:
        return inherited
    old, new = (DEPTH, TIME_STEPS) if ARCHITECTURES[kind].recurrent else (TIME_STEPS, DEPTH)
    turned = {key: value for key, value in inherited.items() if key not in (DEPTH, TIME_STEPS)}
    length = inherited.get(old)
    longest = FIELDS[new].maximum
    if isinstance(length, int) and longest is not None:
        turned[new] = min(length, int(longest))
    return turned
