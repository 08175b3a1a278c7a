"""One place of a network in full: every single gradient there, its gates and its parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.activations import ACTIVATIONS
from engine.errors import ForwardOverflow
from engine.layer import SATURATION
from engine.magnitude import LOG10_2, log2_rms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import Array, Exponents, HostArray
    from engine.layer import Layer
    from engine.network import Network

#: Bins a decade: fine enough to be gathered into any picture's bars.
PER_DECADE = 10


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values there are of each size.

    Attributes:
        first: the lowest bin: bin k holds log10 |g| from k / PER_DECADE up to the next.
        counts: (bins,), from `first` on; empty where all values are zero.
        zeros: how many are exactly 0 in the network's dtype, beside the others' common exponent.
        median: of log10 |g|, zeros being the smallest; -inf where it is one of them.
    """

    first: int
    counts: NDArray[np.int64]
    zeros: int
    median: float

    @property
    def count(self) -> int:
        """How many values there are."""
        return int(self.counts.sum()) + self.zeros


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate at one time step: its mean, and its share of saturated units, over batch and units.

    For what is squashed by tanh the mean is that of the magnitude.
    """

    mean: float
    saturated: float


@dataclass(frozen=True, slots=True)
class Norms:
    """A parameter's Euclidean norm, and log10 of its gradient's, -inf for an exact zero."""

    norm: float
    log10_gradient: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """Layer `layer` at time step `step`, both from 1.

    Attributes:
        gradients: of dL/dh, the total derivative, over batch and units.
        log10_rms: log10 of its RMS, as `Frame.log10_grad_h` has it there.
        dead_units: the share of units whose phi(a) is exactly 0 for every sample.
        gates: by name, for cells with gates.
        parameters: the layer's, by name; their gradients are sums over all time steps.
    """

    layer: int
    step: int
    gradients: Histogram
    log10_rms: float
    dead_units: float
    gates: dict[str, Gate]
    parameters: dict[str, Norms]


def inspect(
    network: Network, x: Array, target: Array, layer: int, step: int = 1, cell: int = 0
) -> Inspection:
    """Evaluate cell `cell` of a network and look at one place; arguments are those of `evaluate`.

    An update after it is that of any other `evaluate`. Raises ValueError for a place that the
    network does not have, and ForwardOverflow where the forward pass leaves the dtype.
    """
    if not 1 <= layer <= len(network.layers) or not 1 <= step <= network.spec.time_steps:
        raise ValueError(f"there is no layer {layer} with a step {step}")
    watched = network.layers[layer - 1]
    kept = _Kept(cell, step - 1)
    watched.witness = kept.take
    try:
        fields = network.evaluate(x, target)
    finally:
        watched.witness = None
    overflow = fields.overflow[cell]
    if overflow is not None:
        raise ForwardOverflow(overflow.layer, overflow.step)
    to_host = network.backend.to_host
    own = watched.arrays.own
    # What a skip adds is not phi's.
    phi: Array = own["h"] if watched.recurrent else own.get("phi", own["h"])
    return Inspection(
        layer=layer,
        step=step,
        gradients=histogram(to_host(kept.values).astype("float64"), kept.exponent),
        log10_rms=float(fields.log10_grad_h[cell, layer - 1, step - 1]),
        dead_units=float(
            (to_host(phi[cell, step if watched.recurrent else 0]) == 0.0).all(axis=0).mean()
        ),
        gates=_gates(watched, cell, step - 1),
        parameters=_norms(network, watched, cell),
    )


class _Kept:
    """A copy of one cell's dL/dh at one step, taken as the backward pass gets there."""

    def __init__(self, cell: int, step: int) -> None:
        self._cell, self._step = cell, step
        self.values: Array = None
        self.exponent = 0

    def take(self, gradient: Array, exponents: Exponents, steps: slice) -> None:
        if steps.start <= self._step < steps.stop:
            place = self._step - steps.start
            self.values = gradient[self._cell, place].copy()
            self.exponent = int(exponents[self._cell, place])


def histogram(values: HostArray, exponent: int = 0) -> Histogram:
    """The sizes of values * 2^exponent, whatever dtype could hold them."""
    import numpy as np

    flat = values.ravel()
    zeros = int((flat == 0.0).sum())
    sizes = np.log10(np.abs(flat[flat != 0.0])) + exponent * LOG10_2
    places = np.floor(sizes * PER_DECADE).astype(np.int64)
    first = int(places.min()) if len(places) else 0
    ordered = np.concatenate([np.full(zeros, -math.inf), np.sort(sizes)])
    middle = (len(ordered) - 1) // 2
    return Histogram(
        first=first,
        counts=np.bincount(places - first),
        zeros=zeros,
        median=float(ordered[middle]),
    )


def _gates(layer: Layer, cell: int, step: int) -> dict[str, Gate]:
    import numpy as np

    if not layer.gates:
        return {}
    values = layer.backend.to_host(layer.arrays.own["gates"][cell, :, step]).astype(np.float64)
    found = {}
    for name, squash, block in zip(layer.gates, layer.squashes, values, strict=True):
        slope = block * (1.0 - block) if squash == "sigmoid" else 1.0 - block * block
        flat = slope < SATURATION * ACTIVATIONS[squash].max_slope
        found[name] = Gate(float(np.abs(block).mean()), float(flat.mean()))
    return found


def _norms(network: Network, layer: Layer, cell: int) -> dict[str, Norms]:
    import numpy as np

    found = {}
    rows = zip(layer.arrays.parameters.items(), layer.arrays.log2_gradients, strict=True)
    for (name, parameter), log2_gradients in rows:
        size = math.log2(math.prod(parameter.shape[1:])) / 2.0
        log2_norm = log2_rms(network.backend, parameter[cell : cell + 1], lead=1)[0] + size
        log10_gradient = (float(log2_gradients[cell]) + size) * LOG10_2
        found[name] = Norms(float(np.exp2(log2_norm)), log10_gradient)
    return found
