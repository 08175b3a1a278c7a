"""The verdict on a gradient field: does the signal survive from the loss to the far end?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engine.arrays import HostArray

VerdictName = Literal["vanishing", "exploding", "healthy", "dead", "overflow"]

#: |decades| beyond which a gradient counts as vanishing or exploding.
THRESHOLD_DECADES = 3.0


@dataclass(frozen=True, slots=True)
class Overflow:
    """The first place where the forward pass left the dtype, both counted from 1.

    The readout counts with the last layer's last step, which it reads.
    """

    layer: int
    step: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the gradient on its way from the loss to the farthest point.

    Attributes:
        name: the verdict in a word.
        decades: log10 |dL/dh| at the far end minus log10 at the near end, None where either is
            an exact zero or the forward pass overflowed.
        hops: how many layers or time steps lie between the two ends.
        decades_per_hop: decades / hops, None where there is no hop.
        axis: what is crossed, "layer" or "time".
        layer: the layer whose time steps are judged (the last unless asked otherwise).
        overflow: where the forward pass left the dtype.
        dead_at: (layer, time step) of the exact zero closest to the loss, both from 1.
    """

    name: VerdictName
    decades: float | None
    hops: int
    decades_per_hop: float | None
    axis: Literal["layer", "time"]
    layer: int
    overflow: Overflow | None = None
    dead_at: tuple[int, int] | None = None


def judge(
    log10_grad_h: HostArray,
    recurrent: bool,
    overflow: Overflow | None = None,
    layer: int | None = None,
) -> Verdict:
    """Judge one field of log10 RMS gradients, shape (layers, time_steps).

    A feed-forward net is crossed from its last layer to its first; a recurrent one from the last
    time step of `layer` (1-based, the last layer by default) to the first. Raises ValueError for a
    layer the field does not have.
    """
    depth = log10_grad_h.shape[0]
    judged = depth if layer is None else layer
    if not 1 <= judged <= depth:
        raise ValueError(f"layer {judged} is not one of 1 to {depth}")
    # Both spans run from the far end to the loss.
    span: list[float] = (log10_grad_h[judged - 1] if recurrent else log10_grad_h[:, 0]).tolist()
    axis: Literal["layer", "time"] = "time" if recurrent else "layer"
    hops = len(span) - 1
    if overflow is not None:
        return Verdict("overflow", None, hops, None, axis, judged, overflow=overflow)
    if -math.inf in span:
        index = hops - span[::-1].index(-math.inf)
        place = (judged, index + 1) if recurrent else (index + 1, 1)
        return Verdict("dead", None, hops, None, axis, judged, dead_at=place)
    decades = span[0] - span[-1]
    rate = decades / hops if hops else None
    return Verdict(verdict_name(decades), decades, hops, rate, axis, judged)


def verdict_name(decades: float) -> VerdictName:
    """The verdict on a gradient that changes by so many decades and neither dies nor overflows."""
    if decades < -THRESHOLD_DECADES:
        return "vanishing"
    return "exploding" if decades > THRESHOLD_DECADES else "healthy"
