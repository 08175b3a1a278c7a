"""Frames as they come back out of the store."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from engine.frame import Frame
from engine.verdict import Overflow, Verdict

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from scenarios.events import Event
    from scenarios.store.rows import Row


def stored_frame(row: Row) -> Frame:
    """The frame that a row of `frames` with arrays was made of, as far as the row tells.

    Whole for a run's first and last frame. Of others only the gradients at h and at the parameters
    are kept: log10_grad_a is None, there are no paths and gates, and activations are nan.
    """
    if row["event"] is not None:
        return frame_of(json.loads(row["event"]))
    gradient = json.loads(row["log10_grad_h"])
    unknown = [[None] * len(layer) for layer in gradient]
    return frame_of(
        {
            **row,
            "log10_grad_h": gradient,
            "log10_grad_params": json.loads(row["log10_grad_params"]),
            "log10_grad_a": None,
            "gates": {},
            "path": {},
            "activation_rms": unknown,
            "zero_fraction": unknown,
            "saturated_fraction": unknown,
            "overflow": _place(row["overflow_layer"], row["overflow_step"]),
            "dead_at": _place(row["dead_layer"], row["dead_step"]),
        }
    )


def frame_of(event: Event) -> Frame:
    """The frame that `scenarios.events.frame_event` made an event of, rounded as that rounds.

    A logarithm that is null is an exact zero's, and nan where the forward pass overflowed.
    """
    overflow = event["overflow"]
    lost = -math.inf if overflow is None else math.nan

    def logs(field: list[list[float | None]]) -> HostArray:
        return _array(field, lost)

    pre = event["log10_grad_a"]
    place, dead = event["overflow"], event["dead_at"]
    return Frame(
        step=event["step"],
        loss=_or_nan(event["loss"]),
        log10_grad_h=logs(event["log10_grad_h"]),
        log10_grad_a=None if pre is None else logs(pre),
        log10_grad_gates={name: logs(field) for name, field in event["gates"].items()},
        log10_path={name: logs(field) for name, field in event["path"].items()},
        log10_grad_params={
            name: lost if value is None else value
            for name, value in event["log10_grad_params"].items()
        },
        activation_rms=_array(event["activation_rms"], math.nan),
        zero_fraction=_array(event["zero_fraction"], math.nan),
        saturated_fraction=_array(event["saturated_fraction"], math.nan),
        overflow=None if place is None else Overflow(**place),
        verdict=Verdict(
            name=event["verdict"],
            decades=event["decades"],
            hops=event["hops"],
            decades_per_hop=event["decades_per_hop"],
            axis=event["axis"],
            layer=event["layer"],
            overflow=None if place is None else Overflow(**place),
            dead_at=None if dead is None else (dead["layer"], dead["step"]),
        ),
        seconds=event["seconds"],
        **{
            name: event[name]
            for name in ("accuracy", "evaluation_loss", "evaluation_accuracy", "learning_rate")
        },
    )


def _array(field: list[list[float | None]], missing: float) -> HostArray:
    import numpy as np

    filled = [[missing if value is None else value for value in layer] for layer in field]
    return np.array(filled, dtype=np.float64)


def _place(layer: int | None, step: int | None) -> dict[str, Any] | None:
    return None if layer is None else {"layer": layer, "step": step}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
