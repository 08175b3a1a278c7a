"""Singular values of a network's end-to-end Jacobian at one sample.

Dynamical isometry means that all of them are near 1: no direction of a gradient vanishes, none
explodes (Saxe, McClelland, Ganguli 2014; Pennington, Schoenholz, Ganguli 2017; for convolutions
Xiao et al. 2018, for recurrent networks Chen, Pennington, Schoenholz 2018).

What end to end means:

- feed-forward: d h_D / d x, from the input to the last layer's output (a whole feature map for
  cnn), before pool and readout;
- recurrent: d h_T / d h_1 of the last layer, the product of the T - 1 hops that the verdict judges;
  for lstm the state is (h, c). Not d h_T / d x_1: that has the input weights as one more factor, a
  matrix with as many columns as inputs, and an orthogonal linear network, which keeps every
  gradient as it is, would not show ones.

Batch normalisation's statistics are taken as fixed: its full Jacobian couples the samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.architectures import ARCHITECTURES
from engine.bidiagonal import Quadrature, golub_kahan
from engine.graded import GradedProduct
from engine.linearisation import in_float64
from engine.magnitude import LOG10_2

if TYPE_CHECKING:
    from engine.arrays import Array, HostArray
    from engine.linearisation import Hop
    from engine.network import Network
    from engine.spec import NetworkSpec

Method = Literal["exact", "golub-kahan"]

#: Most singular values that are computed exactly.
_MOST_EXACT = 1024

#: Multiplications that a spectrum may cost: some ten seconds of one core.
_BUDGET = 3e11

#: Golub-Kahan: steps, start vectors, and the fewest steps that still say something.
_STEPS, _STARTS, _FEWEST = 64, 4, 16


@dataclass(frozen=True, slots=True)
class JacobianSpectrum:
    """The singular values of a Jacobian of `outputs` rows and `inputs` columns.

    Attributes:
        log10_values: log10 of the singular values that are not zero, largest first. By Golub-Kahan
            the nodes of a quadrature instead: the largest are singular values to rounding, the
            others stand for their neighbourhood, down to `log10_floor`.
        weights: how many singular values each one stands for, all ones if exact.
        zeros: how many singular values are zero: exactly, as behind closed ReLUs, or, by
            Golub-Kahan, somewhere below `log10_floor`.
        log10_floor: what the estimate resolves down to, None if exact: then a value counts as zero
            only where few hops shrank it to rounding level beside the largest.
        of: which derivative it is, as in "d h_30 / d x".
        method: "exact", a graded product of QR factors and Jacobi rotations, or "golub-kahan".
        inputs, outputs: dimensions of the Jacobian.
        seconds: wall-clock time it took.
    """

    log10_values: HostArray
    weights: HostArray
    zeros: float
    log10_floor: float | None
    of: str
    method: Method
    inputs: int
    outputs: int
    seconds: float

    @property
    def count(self) -> int:
        """How many singular values there are, zeros among them."""
        return min(self.inputs, self.outputs)

    @property
    def largest(self) -> float:
        """log10 of the largest, -inf where all are zero."""
        return float(self.log10_values[0]) if len(self.log10_values) else -math.inf

    @property
    def smallest(self) -> float:
        """log10 of the smallest, -inf where there are zeros or what counts as such."""
        return -math.inf if self.zeros or not self.count else float(self.log10_values[-1])

    @property
    def median(self) -> float:
        """log10 of the median, -inf where it is zero or counts as such."""
        import numpy as np

        above = np.cumsum(self.weights)
        place = int(np.searchsorted(above, 0.5 * (self.weights.sum() + self.zeros)))
        return float(self.log10_values[place]) if place < len(above) else -math.inf

    @property
    def log10_condition(self) -> float:
        """log10 of largest / smallest, inf where there are zeros, nan where all are."""
        return self.largest - self.smallest


def jacobian_spectrum(
    network: Network, x: Array, cell: int = 0, method: Method | None = None
) -> JacobianSpectrum:
    """The spectrum of cell `cell`'s Jacobian at the first sample of `x`, as `evaluate` takes it.

    Computed in float64 whatever the network's dtype, on a copy: the network is left as it is.
    Exact up to 1,024 values and some seconds of work, else by Golub-Kahan, unless `method` says.
    Raises ForwardOverflow where the forward pass leaves float64 too, and MemoryShortage.
    """
    begin = time.perf_counter()
    copy = in_float64(network, cell)
    hops = copy.linearise(copy.backend.asarray(x[cell : cell + 1, :, : copy.spec.batch_size]))
    inputs, outputs = hops[0].inputs, hops[-1].outputs
    push, pull = [hop.push for hop in hops], [hop.pull for hop in reversed(hops)]
    # On the side that has fewer dimensions the zeros of a rectangular matrix do not appear.
    forward, backward = (push, pull) if inputs <= outputs else (pull, push)
    count = min(inputs, outputs)
    chosen = method or ("exact" if _affordable(hops, count) else "golub-kahan")
    floor: float | None = None
    if chosen == "exact":
        product = GradedProduct(copy.backend, count)
        product.apply(forward)
        values = product.log2_singular_values() * LOG10_2
        weights, zeros = values * 0.0 + 1.0, float(count - len(values))
    else:
        steps, starts = _size(hops, count)
        nodes = golub_kahan(copy.backend, forward, backward, count, steps, starts)
        values, weights, zeros, floor = _resolved(nodes, count)
    seconds = time.perf_counter() - begin
    of = end_to_end(network.spec)
    return JacobianSpectrum(values, weights, zeros, floor, of, chosen, inputs, outputs, seconds)


def end_to_end(spec: NetworkSpec) -> str:
    """The derivative whose singular values are taken, as in "d h_30 / d x"."""
    layer = ARCHITECTURES[spec.kind].layer
    if not layer.recurrent:
        return f"d h_{spec.depth} / d x"
    state = "(h, c)" if "c" in layer.path else "h"
    return f"d {state}_{spec.time_steps} / d {state}_1"


def _affordable(hops: Sequence[Hop], count: int) -> bool:
    passes = count * sum(hop.work for hop in hops)
    factors = 2 * count**2 * sum(max(hop.inputs, hop.outputs) for hop in hops)
    return count <= _MOST_EXACT and passes + factors <= _BUDGET


def _size(hops: Sequence[Hop], count: int) -> tuple[int, int]:
    """Steps and start vectors that fit the budget, start vectors being the first to go."""
    work = 2 * sum(hop.work for hop in hops)
    affordable = int(_BUDGET / max(work, 1))
    steps = min(_STEPS, count, max(_FEWEST, affordable))
    return steps, min(_STARTS, max(1, affordable // steps))


def _resolved(quadrature: Quadrature, count: int) -> tuple[HostArray, HostArray, float, float]:
    """log10 values and weights, largest first, the weight of those lost, and the floor's log10."""
    import numpy as np

    kept = quadrature.nodes > quadrature.floor
    weights, shift = count * quadrature.weights, quadrature.exponent * LOG10_2
    with np.errstate(divide="ignore"):
        values = np.log10(quadrature.nodes[kept]) + shift
        floor = float(np.log10(quadrature.floor)) + shift
    return values, weights[kept], float(weights[~kept].sum()), floor
