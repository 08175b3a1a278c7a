"""Where it goes wrong: stretches of the gradient's way, each with its rate, half-life and culprits.

A stretch is some hops in a row, from one layer or time step to another nearer to the input. A
gradient that changes by r decades at every hop halves after log10(2) / -r of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.culprits import Culprits, culprits
from engine.magnitude import LOG10_2

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.frame import Frame

#: Stretches that the way through a layer's time steps, or through all layers, is cut into.
PIECES = 12


def halving(decades_per_hop: float) -> float:
    """Hops after which a gradient has halved at this rate; negative: after which it has doubled.

    inf at a rate of 0, 0 where a hop leaves nothing (-inf), nan where the rate is.
    """
    if decades_per_hop == 0.0:
        return math.inf
    return -LOG10_2 / decades_per_hop + 0.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hops in a row, from place `near` (towards the loss) to place `far` (towards the input).

    Places are layers or time steps, counted from 1. What is followed is the gradient that the
    culprits split, dL/dh or, for lstm, dL/dc.

    Attributes:
        near, far: where it begins and ends, seen from the loss.
        decades: log10 of the gradient at `far` minus log10 at `near`; -inf where it was lost on the
            way, nan where it was lost before.
        worst: the place whose hop, to the one before it, changes the gradient most.
        culprits: who did it.
    """

    near: int
    far: int
    decades: float
    worst: int
    culprits: Culprits

    @property
    def at(self) -> tuple[int, int]:
        """(layer, time step) of the worst place."""
        return (
            (self.culprits.layer, self.worst) if self.culprits.axis == "time" else (self.worst, 1)
        )

    @property
    def hops(self) -> int:
        """How many hops it has."""
        return self.near - self.far

    @property
    def decades_per_hop(self) -> float:
        """The mean rate."""
        return self.decades / self.hops

    @property
    def halving(self) -> float:
        """Hops after which the gradient has halved at that rate, see `halving`."""
        return halving(self.decades_per_hop)


def stretches(frame: Frame, pieces: int = PIECES) -> list[Stretch]:
    """Cut every way that the gradient takes into at most `pieces` equal stretches, from a frame.

    A feed-forward net has one way, through its layers; a recurrent one has as many as layers, each
    through that layer's time steps, and where there are several each also counts as a whole. What
    lies beyond an exact zero has nothing to show and is left out. Listed from the last layer to the
    first, and from the loss on; empty where there is no hop or the forward pass overflowed.
    """
    import numpy as np

    recurrent = frame.verdict.axis == "time"
    depth, steps = frame.log10_grad_h.shape
    found: list[Stretch] = []
    for layer in reversed(range(1, depth + 1)) if recurrent else (depth,):
        split = culprits(frame, layer)
        if split is None:
            return []
        span = frame.profile(layer, split.of)
        places = steps if recurrent else depth
        count = min(pieces, places - 1)
        ends = [places - (places - 1) * piece // count for piece in range(count + 1)]
        ways = list(pairwise(ends))
        if recurrent and depth > 1 and count > 1:
            ways.insert(0, (places, 1))
        with np.errstate(invalid="ignore"):
            gains = span[:-1] - span[1:]
        found += [_stretch(split, span, gains, near, far) for near, far in ways]
    return [stretch for stretch in found if not math.isnan(stretch.decades)]


def badness(stretch: Stretch) -> float:
    """How fast a stretch vanishes or explodes, to sort by: |decades per hop|, inf for a kill."""
    return abs(stretch.decades_per_hop)


def _stretch(split: Culprits, span: HostArray, gains: HostArray, near: int, far: int) -> Stretch:
    import numpy as np

    with np.errstate(invalid="ignore"):
        decades = float(span[far - 1] - span[near - 1])
    inside = np.abs(gains[far - 1 : near - 1])
    # nan is beyond a zero; of equals the one nearest to the loss counts.
    known = np.where(np.isnan(inside), -1.0, inside)
    worst = near - int(np.argmax(known[::-1]))
    return Stretch(near, far, decades, worst, split.between(near, far))
