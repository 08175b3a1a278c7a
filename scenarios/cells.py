"""A cell: one scenario of a sweep, known by what decides its result, and the result itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.version import RESULT_VERSION
from scenarios.plain import finite
from scenarios.reader import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.frame import Frame
    from engine.verdict import VerdictName
    from scenarios.scenario import Scenario


def cell_key(scenario: Scenario) -> str:
    """64 hex digits: the SHA-256 of everything the scenario's result depends on.

    That is every value but the device, and the version of the engine's results; what the scenario
    is called does not matter.
    """
    return key_of({section: stated(getattr(scenario, section)) for section in SECTIONS})


def key_of(texts: Mapping[str, str]) -> str:
    """The same from what `stated` says of each section, for cells that share sections."""
    import hashlib

    everything = {**texts, "result_version": str(RESULT_VERSION)}
    identity = ",".join(f'"{name}":{everything[name]}' for name in sorted(everything))
    return hashlib.sha256(f"{{{identity}}}".encode()).hexdigest()


def stated(section: Any) -> str:
    """A section's part of the key as JSON, without what its kind of network does not have."""
    import json

    values = ((name, getattr(section, name)) for name in section.__slots__ if name != "device")
    given = {name: value for name, value in values if value is not None}
    return json.dumps(given, sort_keys=True, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class CellResult:
    """What became of a cell, in plain Python numbers; places count from 1.

    Attributes:
        key: the cell's `cell_key`.
        verdict: of the last frame, None where the cell failed.
        decades, decades_per_hop, hops: as in `engine.verdict.Verdict`; None where it has none.
        loss: of the last frame, None where it is not finite.
        step: the last frame's training step.
        overflow: (layer, time step) where the forward pass first left the dtype, None if it did
            not.
        dead_at: (layer, time step) of the exact zero closest to the loss, None if there is none.
        final_log10_grad: log10 RMS of dL/dh along the verdict's span, far end first; None for an
            exact zero or an overflow.
        seconds: wall-clock time, a stack's shared evenly among its cells.
        error: the line that says why the cell failed, None for a finished one.
    """

    key: str
    verdict: VerdictName | None = None
    decades: float | None = None
    decades_per_hop: float | None = None
    hops: int | None = None
    loss: float | None = None
    step: int | None = None
    overflow: tuple[int, int] | None = None
    dead_at: tuple[int, int] | None = None
    final_log10_grad: tuple[float | None, ...] | None = None
    seconds: float = 0.0
    error: str | None = None


def cell_result(key: str, frame: Frame, seconds: float) -> CellResult:
    """The result of the cell whose last frame this is."""
    verdict = frame.verdict
    place = verdict.overflow
    return CellResult(
        key=key,
        verdict=verdict.name,
        decades=finite(verdict.decades),
        decades_per_hop=finite(verdict.decades_per_hop),
        hops=verdict.hops,
        loss=finite(frame.loss),
        step=frame.step,
        overflow=None if place is None else (place.layer, place.step),
        dead_at=verdict.dead_at,
        final_log10_grad=_finites(frame.profile().tolist()),
        seconds=seconds,
    )


def failed_cell(key: str, line: str, seconds: float = 0.0) -> CellResult:
    """The result of a cell that could not be run to its end, for the reason in `line`."""
    return CellResult(key=key, seconds=seconds, error=line)


def _finites(values: list[float]) -> tuple[float | None, ...]:
    # A sum is finite only if all of it is, and costs a fraction of looking at each.
    if math.isfinite(sum(values)):
        return tuple(values)
    return tuple(finite(value) for value in values)
