"""The layer contract, and what all layers share: planned buffers, probes, parameter gradients."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from engine.activations import ACTIVATIONS, Activation
from engine.arrays import Array
from engine.magnitude import (
    TRUSTED,
    ScaledGradient,
    log2_rms_of_all,
    multiply_by_power,
    put_each_log2_rms,
    put_log2_rms,
    untouched,
    within,
)
from engine.measurements import DRIFT
from engine.normalisation import Normaliser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import Exponents, HostArray
    from engine.backend import Backend
    from engine.connections import SkipStream
    from engine.initialisers import Role, WeightSpec
    from engine.linearisation import Hop
    from engine.spec import NetworkSpec

Shape = tuple[int, ...]
#: Called with dL/dh of n steps, (S, n, B, *features), its exponents, (S, n), and the steps.
Witness: TypeAlias = "Callable[[Array, Exponents, slice], None]"

#: |log2 RMS| a layer's gradient may have before the next hop: far from the dtype's ends, since a
#: single hop through saturated units can cost a hundred powers of two.
_HOP_WINDOW = 12.0

#: A unit counts as saturated where its slope is below this share of the steepest possible.
SATURATION = 0.05


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """Everything a layer will allocate, known before anything is.

    Shapes leave out the stack axis S for parameters and include it for buffers.

    Attributes:
        weights: parameters drawn by an initialiser.
        biases: shapes of parameters drawn from N(0, bias_scale^2).
        gains: shapes of parameters that start at 1.
        own: buffers the layer keeps from forward to backward.
        shared: scratch that layers use one after another; the largest of a name is allocated.
        output_shape: one sample's h, (features,) or (height, width, channels).
    """

    weights: dict[str, WeightSpec]
    biases: dict[str, Shape]
    own: dict[str, Shape]
    shared: dict[str, Shape]
    output_shape: Shape
    gains: dict[str, Shape] = field(default_factory=dict)

    def parameters(self) -> dict[str, Shape]:
        """Every parameter's shape, weights first."""
        weights = {name: weight.shape for name, weight in self.weights.items()}
        return weights | self.biases | self.gains


@dataclass(slots=True)
class Probe:
    """What one layer's forward and backward pass showed, host arrays of shape (S, T).

    A whole network's are (S, layers, T), and its layers' are views of them. Magnitudes are log2
    RMS over batch and units.
    """

    log2_h: HostArray
    zero_fraction: HostArray
    saturated_fraction: HostArray
    log2_grad_h: HostArray
    log2_grad_a: HostArray
    log2_grad_gates: dict[str, HostArray]
    #: Further points that the gradient passes on a hop, by name (`Fields.log10_path`).
    log2_path: dict[str, HostArray]

    @classmethod
    def zeros(cls, shape: Shape, gates: Sequence[str], path: Sequence[str]) -> Probe:
        """A probe that has seen nothing."""
        import numpy as np

        h, zero, saturated, grad_h, grad_a = (np.zeros(shape) for _ in range(5))
        by_gate, by_point = ({name: np.zeros(shape) for name in names} for names in (gates, path))
        return cls(h, zero, saturated, grad_h, grad_a, by_gate, by_point)

    def layer(self, index: int) -> Probe:
        """The part of a network's probe that one layer writes."""
        return Probe(
            self.log2_h[:, index],
            self.zero_fraction[:, index],
            self.saturated_fraction[:, index],
            self.log2_grad_h[:, index],
            self.log2_grad_a[:, index],
            {gate: values[:, index] for gate, values in self.log2_grad_gates.items()},
            {name: values[:, index] for name, values in self.log2_path.items()},
        )


@dataclass(slots=True)
class Arrays:
    """The arrays a layer works on, allocated from its plan.

    Attributes:
        parameters, gradients: by name, (S, *shape).
        exponents: log2 scale of each parameter gradient, (parameters, S) integers on the host.
        log2_gradients: log2 RMS of each parameter gradient, (parameters, S) on the host.
        own: buffers the layer keeps from forward to backward.
        shared: flat scratch, and `ones` to sum with.
        probe: what the passes showed.
    """

    parameters: dict[str, Array]
    gradients: dict[str, Array]
    exponents: Exponents
    log2_gradients: HostArray
    own: dict[str, Array]
    shared: Mapping[str, Array]
    probe: Probe

    def scratch(self, name: str, shape: Shape) -> Array:
        """The front of the shared buffer `name`, in this shape."""
        return self.shared[name][: math.prod(shape)].reshape(shape)


class Layer(ABC):
    """One layer of a stack of S networks.

    A subclass says in `plan` what it allocates and writes `forward` and `backward` by hand. Between
    x W and the bias it calls `_project`, and on the way back `_projection_gradient`.

    Attributes:
        recurrent: whether h_t depends on h_{t-1}.
        gates: names of the blocks of columns in W, a and b; () for a cell with a single a.
        squashes: the activation of each gate.
        path: names of further points on a hop whose gradient is measured (`Fields.log10_path`), to
            which `points` adds those of normalisation and skips.
        forget_gate: the gate whose bias keeps memory alive, None where there is none.
        fixed_activation: the activation that belongs to the kind, None where it can be chosen.
        hop_role: what multiplies the gradient at each hop.
        hop_weight: the name of that parameter.
    """

    recurrent: ClassVar[bool]
    gates: ClassVar[tuple[str, ...]] = ()
    squashes: ClassVar[tuple[str, ...]] = ()
    path: ClassVar[tuple[str, ...]] = ()
    forget_gate: ClassVar[str | None] = None
    fixed_activation: ClassVar[str | None] = None
    hop_role: ClassVar[Role]
    hop_weight: ClassVar[str] = "W"

    @classmethod
    @abstractmethod
    def plan(cls, spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        """Plan layer `index` (from 0) of `cells` stacked networks fed with `input_shape`."""

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        import numpy as np

        self.spec = spec
        self.backend = backend
        self.arrays = arrays
        self.cells = cells
        self.activation = backend.activation(ACTIVATIONS[self.fixed_activation or spec.activation])
        self.probe = arrays.probe
        self._mask = arrays.shared["mask"].view("?")
        self.normaliser = None if spec.norm == "none" else Normaliser(spec.norm, arrays, backend)
        #: Whether to measure what only a whole frame shows; the network sets it before a pass.
        self.statistics = True
        #: What a residual connection over several layers carries; the network sets it.
        self.stream: SkipStream | None = None
        #: Whether a backward pass fills the parameters' gradients; the network sets it.
        self.fills_gradients = True
        #: Whether it also measures them; the network sets it.
        self.measures_gradients = True
        #: What it reads in every pass, where that is one array; the network sets it.
        self.reads: Array = None
        #: Shown dL/dh of every step as a backward pass gets to it; set to look at single values.
        self.witness: Witness | None = None
        #: log2 RMS of the layer's input, (S, T), or a number that none exceeds by much, (S, 1); the
        #: network sets it before a pass.
        self.log2_x: HostArray = np.zeros((cells, 1))
        self._at_hand = backend.measurements is None
        #: |log2 RMS| that is trusted of a sum over time and of a product, as far as it is known.
        self._trusted = TRUSTED if self._at_hand else TRUSTED - 2.0 * DRIFT

    @property
    def shares_work(self) -> bool:
        """Whether a backend's companion would have something to do here."""
        return False

    @property
    def plain(self) -> bool:
        """Whether nothing lies between x W and the bias."""
        return self.normaliser is None and self.stream is None

    def lay(self, room: Array) -> Array:
        """A buffer shaped like h, (S, T, B, ...), in the order of memory that the layer works in.

        S and T come first in any.
        """
        return room

    @classmethod
    def points(cls, spec: NetworkSpec) -> tuple[str, ...]:
        """Names of all further points on a hop that a layer of this spec measures."""
        return cls.path

    @abstractmethod
    def forward(self, x: Array) -> Array:
        """Return h of shape (S, T, B, *output_shape) for x of shape (S, T, B, *input_shape)."""

    @abstractmethod
    def backward(self, x: Array, gradient: ScaledGradient, into: Array | None) -> ScaledGradient:
        """Given dL/dh from above, fill the probe and, if `fills_gradients`, the parameters'
        gradients.

        `gradient.data` may be overwritten. dL/dx goes to `into` (shape of x), which may share
        memory with `gradient.data`; None spares it for the first layer.
        """

    @abstractmethod
    def linearise(self, x: Array) -> list[Hop]:
        """The factors of the layer's Jacobian at the first sample of the first cell.

        In forward order: one hop d h / d x for a layer crossed once, with batch statistics taken as
        fixed; for a recurrent one those of time steps 2 to T, d h_t / d h_{t-1}, h standing for all
        that the cell carries. `x` is what `forward` was given; a backward pass must not follow.
        """

    def _probe_activations(self, h: Array, phi: Array, steps: slice) -> None:
        """Record the size of h and the zeros of phi's own output, both (S, steps, B, ...).

        Zeros that are also flat wait for `_probe_saturation`.
        """
        probe = self.probe
        put_log2_rms(self.backend, h, probe.log2_h[:, steps])
        if self.statistics and not self.activation.flat_where_zero:
            self._put_share(phi, self.backend.xp.equal, 0.0, probe.zero_fraction[:, steps])

    def _probe_saturation(self, slope: Array, steps: slice) -> None:
        """Record the share of saturated units of a cell with a single pre-activation."""
        if not self.statistics:
            return
        probe = self.probe
        if self.activation.flat_where_zero:
            # Such slopes are 0 or 1, so the sum of their squares counts those that are not flat.
            flat = slope.ravel("K").reshape(*slope.shape[:2], -1)
            active = self.backend.sum_squares(flat)
            units = slope.size // active.size

            def record() -> None:
                flat = (units - active) / units
                probe.zero_fraction[:, steps] = probe.saturated_fraction[:, steps] = flat

            self.backend.settle(record)
        else:
            share = probe.saturated_fraction[:, steps]
            self._put_saturated(slope, self.activation, share)

    def _project(self, p: Array) -> None:
        """Turn x W, shaped like a, into what the bias is added to."""
        if self.stream is not None:
            self.stream.forward(p)
        if self.normaliser is not None:
            self.normaliser.forward(p)

    def _projection_gradient(
        self, grad_a: ScaledGradient, out: HostArray | None = None
    ) -> tuple[ScaledGradient, HostArray]:
        """dL/d(x W) and its log2 RMS (S, T), given dL/da, which keeps its own data.

        Where nothing lies between the two, they are one and the same; else the sizes are written to
        `out` if there is one.
        """
        sizes = self.probe.log2_grad_a
        if self.plain:
            return grad_a, sizes
        if self.normaliser is None:
            copy = self.arrays.scratch("grad_p", grad_a.data.shape)
            self.backend.xp.copyto(copy, grad_a.data)
            grad_p = ScaledGradient(copy, grad_a.exponent)
        else:
            if self.normaliser.across_time:
                import numpy as np

                # Sums over time need one scale for all steps.
                exponent = self.align(grad_a, sizes, np.zeros_like(sizes), self._scaled_like_a())
                grad_a.exponent = exponent[:, None].repeat(sizes.shape[1], axis=1)
            grad_p = self.normaliser.backward(grad_a, self.rescale)
        if self.stream is not None:
            self.stream.backward(grad_p)
        return grad_p, self.rescale(grad_p, out)

    def _scaled_like_a(self) -> tuple[Array, ...]:
        """Gradients (S, T, ...) beside dL/da that are summed over time for a parameter's."""
        return () if self.normaliser is None else (self.normaliser.grad_gain_steps,)

    def _probe_parameters(self, exponent: Exponents, of_weights: Exponents) -> None:
        """Record the parameter gradients' scales (S,), W's and all the others', and magnitudes."""
        arrays = self.arrays
        arrays.exponents[...] = exponent
        if of_weights is not exponent:
            arrays.exponents[list(arrays.gradients).index("W")] = of_weights
        if self.measures_gradients:
            self.measure_gradients()

    def measure_gradients(self) -> None:
        """Write log2 RMS of every parameter gradient of the last backward pass."""
        arrays = self.arrays
        fields = zip(arrays.gradients.values(), arrays.log2_gradients, strict=True)
        put_each_log2_rms(self.backend, list(fields))
        if not untouched(arrays.exponents):
            arrays.log2_gradients += arrays.exponents

    def _put_saturated(self, slope: Array, activation: Activation, out: HostArray) -> None:
        """Write the share of saturated units, (S, steps), given their slopes (S, steps, B, ...)."""
        bound = SATURATION * activation.max_slope
        if activation.monotone:
            self._put_share(slope, self.backend.xp.less, bound, out)
            return
        import numpy as np

        # Slopes of GELU and SiLU dip below zero, and magnitude is what counts.
        below, steep = np.empty(out.shape), np.empty(out.shape)
        self._put_share(slope, self.backend.xp.less, bound, below)
        self._put_share(slope, self.backend.xp.less_equal, -bound, steep)
        self.backend.settle(partial(np.subtract, below, steep, out))

    def _put_share(self, values: Array, compare: Array, bound: float, out: HostArray) -> None:
        """Write the share, (S, steps), of the values (S, steps, ...) that `compare` to `bound`."""
        mask = self._mask[: values.size]
        compare(values, bound, out=self.lay(mask.reshape(values.shape)))
        self.backend.put_share(mask, out)

    def rescale(self, gradient: ScaledGradient, out: HostArray | None = None) -> HostArray:
        """Bring a gradient that left the window back to magnitude 1.

        Returns its true log2 RMS, (S, T'), written to `out` if there is one.
        """
        exponent = gradient.exponent
        size: HostArray = exponent.astype("float64") if out is None else out
        if size.size == 1 and self._at_hand:
            single = log2_rms_of_all(self.backend, gradient.data)
            if -_HOP_WINDOW < single < _HOP_WINDOW:
                size.fill(single + exponent.item())
                return size
            size.fill(single)
        else:
            put_log2_rms(self.backend, gradient.data, size)
        if within(size, -_HOP_WINDOW, _HOP_WINDOW):
            if not untouched(exponent):
                size += exponent
            return size
        import numpy as np

        outside = np.isfinite(size) & (np.abs(size) > _HOP_WINDOW)
        shift = np.where(outside, np.rint(size), 0.0).astype(np.int64)
        multiply_by_power(self.backend, gradient.data, -shift)
        size += exponent
        gradient.exponent = exponent + shift
        return size

    def align(
        self,
        gradient: ScaledGradient,
        log2_grad: HostArray,
        log2_x: HostArray,
        also: Sequence[Array] = (),
    ) -> Exponents:
        """Give all time steps of a gradient one exponent a cell, so that they can be summed.

        `log2_grad` and `log2_x` are the true log2 RMS, (S, T), of the gradient and of what it will
        be multiplied with step by step. The exponent, (S,), is chosen so that neither the largest
        step nor the largest product leaves the dtype; far smaller ones may underflow, below
        rounding. Arrays of `also` have the same scales and are brought along.
        """
        first: Exponents = gradient.exponent[:, 0]
        trusted = self._trusted
        if log2_grad.size == log2_x.size == 1:
            # One step has one scale, and mostly a good one.
            size = log2_grad.item() - first.item()
            if -trusted < size < trusted and -trusted < size + log2_x.item() < trusted:
                return first
        # The common case: nothing was ever rescaled, and nothing is near the dtype's ends.
        if untouched(gradient.exponent) and _mild(log2_grad, trusted) and _mild(log2_x, trusted):
            return first
        import numpy as np

        alive = np.isfinite(log2_grad)
        largest = _peak(log2_grad, alive)
        product = _peak(log2_grad + np.maximum(log2_x, -TRUSTED), alive)
        kept = (gradient.exponent == first[:, None]).all(axis=1)
        kept &= (np.abs(largest - first) <= trusted) & (np.abs(product - first) <= trusted)
        chosen = np.where(kept, first, np.rint(np.maximum(product, largest - trusted)))
        exponent: Exponents = chosen.astype(np.int64)
        shift = np.where(alive, gradient.exponent - exponent[:, None], 0)
        # Mostly the steps near the loss have this scale already.
        off = np.flatnonzero(shift.any(axis=0))
        if off.size:
            steps = slice(int(off[0]), int(off[-1]) + 1)
            for data in (gradient.data, *also):
                multiply_by_power(self.backend, data[:, steps], shift[:, steps])
        return exponent


def _mild(sizes: HostArray, trusted: float) -> bool:
    """Whether a product of two such sizes is trusted."""
    if sizes.size == 1:
        return abs(sizes.item()) < trusted / 2
    return within(sizes, -trusted / 2, trusted / 2)


def _peak(sizes: HostArray, alive: NDArray[np.bool_]) -> HostArray:
    """The largest finite size over time, 0 where there is none."""
    import numpy as np

    peak = np.where(alive & np.isfinite(sizes), sizes, -math.inf).max(axis=1)
    result: HostArray = np.where(np.isfinite(peak), peak, 0.0)
    return result


def mask_shape(shape: Shape) -> Shape:
    """The planned shape of a boolean mask over `shape`: four to a value, float64 wasting half."""
    return (-(-math.prod(shape) // 4),)


def sum_over_samples(
    backend: Backend, ones: Array, gradient: Array, out: Array
) -> Callable[[], object]:
    """What writes to `out` the sum over all but S and features of (S, T, B, ..., features).

    `ones` is a vector of at least as many ones as there are samples: a matrix-vector product sums
    columns several times quicker than NumPy's reduction.
    """
    flat = gradient.reshape(gradient.shape[0], -1, gradient.shape[-1])
    counted = ones[: flat.shape[1]]
    if len(flat) == 1:
        return partial(counted.dot, flat[0], out[0])
    return partial(backend.xp.matmul, counted, flat, out=out)


def matrix_gradient(backend: Backend, x: Array, gradient: Array, out: Array) -> None:
    """Write x^T gradient to `out`, both (S, N, features): one GEMM over all samples and steps."""
    backend.transposed_product(x, gradient, out)
