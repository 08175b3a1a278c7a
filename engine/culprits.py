"""Who kills it: each hop's gain split exactly into the parts the gradient meets on its way.

A hop takes the gradient from dL/dh of one layer (or time step) to dL/dh of the one before, by
dL/dh_{l-1} = W_l^T diag(phi'(a_l)) dL/dh_l (Hochreiter 1991; Bengio, Simard, Frasconi 1994; for
time, where W is U, Pascanu, Mikolov, Bengio 2013, eq. 5). Between the two factors lies dL/da, whose
size is measured as well, so

    log10 |dL/dh_{l-1}| - log10 |dL/dh_l|
        = (log10 |dL/da_l| - log10 |dL/dh_l|)        what phi' did, "activation"
        + (log10 |dL/dh_{l-1}| - log10 |dL/da_l|)    what W^T did, "weights"

is an identity, not an estimate: every further point measured on the way splits one part into two,
and the parts always add up to the whole. Sizes are RMS over batch and units, so a part says what
happened to this very gradient, not to the worst or the average one.

What a hop is made of, in the order in which the gradient meets it:

- mlp, cnn: "activation", "normalisation" (if there is one), "weights", "skip" (if residual: what
  the skip path adds to W's own share).
- rnn, irnn, indrnn, over the time steps of one layer: "activation", "weights". Below another layer
  "weights" includes what that layer's gradient adds at each step.
- gru: "update path", z_t * dL/dh_t over dL/dh_t (Cho et al. 2014), and "gate paths", what the
  routes through r, z and n add to it, together with the layer above.
- lstm, on dL/dc: "forget path", f_t * dL/dc_t over dL/dc_t (Gers, Schmidhuber, Cummins 2000), and
  "gate paths", the rest, by way of h_{t-1}.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.frame import Frame


@dataclass(frozen=True, slots=True)
class Culprits:
    """What each part of a hop did to the gradient, in decades.

    Attributes:
        axis: what is crossed, "layer" or "time".
        layer: the layer whose time steps are crossed; the last one for feed-forward nets.
        of: the gradient that is followed, "h" for dL/dh or "c" for dL/dc.
        parts: log10 gain of every hop by part, in the order the gradient meets them. Entry k is the
            hop from place k + 2 to place k + 1, places counted from 1, so the loss is at the end.
            -inf where the part left an exact zero, nan where nothing was left to measure, inf
            where a part carried the gradient past what had left nothing.
        total: each part's decades over all hops, None where one of them has no finite gain.
        killed: (part, place), the part that first left an exact zero of the whole gradient, seen
            from the loss, and the place, from 1, that the gradient had reached; None if none did.
    """

    axis: Literal["layer", "time"]
    layer: int
    of: Literal["h", "c"]
    parts: dict[str, HostArray]
    total: dict[str, float | None]
    killed: tuple[str, int] | None

    def between(self, near: int, far: int) -> Culprits:
        """The same of the hops from place `near` to place `far`, nearer to the input, alone.

        Places count from 1. Raises ValueError where no hop lies between them.
        """
        places = 1 + len(next(iter(self.parts.values())))
        if not 1 <= far < near <= places:
            raise ValueError(f"no hop leads from place {near} to place {far} of {places}")
        parts = {name: gains[far - 1 : near - 1] for name, gains in self.parts.items()}
        killed = self.killed if self.killed and far < self.killed[1] <= near else None
        return replace(self, parts=parts, total=_totals(parts), killed=killed)


def culprits(frame: Frame, layer: int | None = None) -> Culprits | None:
    """Split every hop of a frame; None where there is no hop, where the forward pass overflowed, or
    where the frame holds nothing of what lies between two dL/dh.

    A feed-forward net is crossed from its last layer to its first, a recurrent one from the last
    time step of `layer` to the first; by default that of the frame's verdict. Raises ValueError for
    a layer the frame does not have.
    """
    import numpy as np

    axis = frame.verdict.axis
    depth, steps = frame.log10_grad_h.shape
    chosen = frame.verdict.layer if layer is None else layer
    if not 1 <= chosen <= depth:
        raise ValueError(f"layer {chosen} is not one of 1 to {depth}")
    if frame.overflow is not None or (steps if axis == "time" else depth) < 2:
        return None
    if frame.log10_grad_a is None and "kept" not in frame.log10_path:
        return None
    where = np.s_[chosen - 1] if axis == "time" else np.s_[:, 0]
    of: Literal["h", "c"] = "c" if "c" in frame.log10_path else "h"
    points, last = _points(frame)
    span = frame.profile(chosen, of)
    before = span[1:]
    parts: dict[str, HostArray] = {}
    with np.errstate(invalid="ignore"):
        for name, field in points:
            after = field[where][1:]
            parts[name] = after - before
            before = after
        parts[last] = span[:-1] - before
    return Culprits(
        axis=axis,
        layer=chosen,
        of=of,
        parts=parts,
        total=_totals(parts),
        killed=_killer(span, parts),
    )


def _totals(parts: dict[str, HostArray]) -> dict[str, float | None]:
    sums = {name: float(gains.sum()) for name, gains in parts.items()}
    return {name: value if math.isfinite(value) else None for name, value in sums.items()}


def _points(frame: Frame) -> tuple[list[tuple[str, HostArray]], str]:
    """The parts of a hop, each with the gradient it leaves; the last part leaves the next dL/dh."""
    path = frame.log10_path
    if "kept" in path:
        return [("forget path" if "c" in path else "update path", path["kept"])], "gate paths"
    assert frame.log10_grad_a is not None
    points = [("activation", frame.log10_grad_a)]
    if frame.verdict.axis == "layer":
        if "projection" in path:
            points.append(("normalisation", path["projection"]))
        if "branch" in path:
            return [*points, ("weights", path["branch"])], "skip"
    return points, "weights"


def _killer(span: HostArray, parts: dict[str, HostArray]) -> tuple[str, int] | None:
    """Who left an exact zero of a gradient, `span`, that had come as far as one hop before it."""
    import numpy as np

    hops = np.flatnonzero(np.isneginf(span[:-1]) & np.isfinite(span[1:]))
    if not len(hops):
        return None
    hop = int(hops[-1])
    return next((name, hop + 2) for name, gains in parts.items() if np.isneginf(gains[hop]))
