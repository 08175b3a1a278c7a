"""Normalisation of a layer's projection p = x W: a = gain n + b, n = (p - mean) / sqrt(var + eps).

Mean and variance run over a group of values: one feature of a whole batch (batch normalisation), or
all units of one sample at one time step (layer normalisation). In recurrent kinds the input's part
of a is normalised and the recurrent one left alone, which keeps W x_t out of the time loop (Laurent
et al. 2016). Statistics are always those of the batch at hand, as in training. `gain` starts at 1;
the layer's bias is the shift.

Back through a group of N values, with dL/dn = gain * dL/da and s = sqrt(var + eps):

    dL/dp = (dL/dn - mean(dL/dn) - n * mean(n * dL/dn)) / s
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.magnitude import WINDOW, ScaledGradient
from engine.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.arrays import Array, ArrayModule, HostArray
    from engine.backend import Backend
    from engine.layer import Arrays, LayerPlan, Shape

#: Added to every variance, PyTorch's default too: a group of equal values becomes zeros, not nan.
EPSILON = 1e-5


class Grouping(ABC):
    """Which values share a mean and a variance.

    Attributes:
        name: the word to type.
        title: the name to show.
        axis: the axis of `groups` that a group runs along.
        across_time: whether a group holds several time steps.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    axis: ClassVar[int]
    across_time: ClassVar[bool]

    @abstractmethod
    def shape(self, values: Shape) -> Shape:
        """Three axes for values (S, T, B, ..., F): S, then groups and members, or the reverse."""

    @abstractmethod
    def sum(self, xp: ArrayModule, values: Array, ones: Array, out: Array) -> None:
        """Write each group's sum to `out`; `ones` has as many ones as a group has members."""

    def statistics(self, values: Shape) -> Shape:
        """The shape of one number a group, `axis` kept."""
        shape = self.shape(values)
        return (*shape[: self.axis], 1, *shape[self.axis + 1 :])


NORMALISATIONS: Registry[Grouping] = Registry()


class LayerGrouping(Grouping):
    """All units of one sample at one time step (Ba, Kiros, Hinton 2016, eq. 3)."""

    name = "layer"
    title = "layer normalisation"
    axis = 2
    across_time = False

    def shape(self, values: Shape) -> Shape:
        return (values[0], values[1] * values[2], prod(values[3:]))

    def sum(self, xp: ArrayModule, values: Array, ones: Array, out: Array) -> None:
        xp.matmul(values, ones[:, None], out=out)


class BatchGrouping(Grouping):
    """One feature over batch, positions and time steps (Ioffe, Szegedy 2015, algorithm 1)."""

    name = "batch"
    title = "batch normalisation"
    axis = 1
    across_time = True

    def shape(self, values: Shape) -> Shape:
        return (values[0], prod(values[1:-1]), values[-1])

    def sum(self, xp: ArrayModule, values: Array, ones: Array, out: Array) -> None:
        xp.matmul(ones[None], values, out=out)


NORMALISATIONS.register(LayerGrouping())
NORMALISATIONS.register(BatchGrouping())


def plan_normalisation(name: str, plan: LayerPlan) -> None:
    """Add to a layer's plan, whose `a` has the projection's shape, what `Normaliser` works on."""
    shape = plan.own["a"]
    cells, steps, *_, features = shape
    grouping = NORMALISATIONS[name]
    statistics = grouping.statistics(shape)
    plan.gains["gain"] = (features,)
    plan.own["normalised"] = shape
    plan.own["inverse_deviation"] = statistics
    plan.shared["mean"] = statistics
    plan.shared["mean_product"] = statistics
    plan.shared["grad_p"] = shape
    plan.shared["grad_gain"] = (cells, steps, features)
    plan.shared["ones"] = (grouping.shape(shape)[grouping.axis],)


class Normaliser:
    """One layer's normalisation, on the buffers that `plan_normalisation` asked for."""

    def __init__(self, name: str, arrays: Arrays, backend: Backend) -> None:
        self._grouping = NORMALISATIONS[name]
        self.across_time = self._grouping.across_time
        self._backend = backend
        own, shape = arrays.own, arrays.own["normalised"].shape
        self._members = self._grouping.shape(shape)[self._grouping.axis]
        self._ones = arrays.shared["ones"]
        self._gain = arrays.parameters["gain"]
        self._grad_gain = arrays.gradients["gain"]
        self._normalised = own["normalised"]
        self._inverse = own["inverse_deviation"]
        self._mean = arrays.scratch("mean", self._inverse.shape)
        self._mean_product = arrays.scratch("mean_product", self._inverse.shape)
        self._grad_p = arrays.scratch("grad_p", shape)
        self._n = self._groups(self._normalised)
        self._scratch = self._groups(self._grad_p)
        #: dL/dgain split by time step, (S, T, F), at the scales of dL/da.
        self.grad_gain_steps = arrays.scratch("grad_gain", (*shape[:2], shape[-1]))
        self._steep = False

    def forward(self, p: Array) -> None:
        """Replace p, (S, T, B, ..., F), by gain * n."""
        xp, values = self._backend.xp, self._groups(p)
        smallest = self._standardise(values, None)
        if not smallest > 0.0:
            # A sum or a square left the dtype: again, each group brought below 1.
            xp.abs(values, out=self._scratch)
            largest = self._scratch.max(axis=self._grouping.axis, keepdims=True)
            power = xp.minimum(0 - xp.frexp(largest)[1], 0)
            xp.ldexp(values, power, out=self._n)
            smallest = self._standardise(self._n, power)
        # Dividing by a huge deviation may lose a gradient that is small already.
        self._steep = smallest < 2.0**-WINDOW
        self._times_gain(self._normalised, p)

    def _standardise(self, values: Array, power: Array | None) -> float:
        """Fill n and 1 / s from p * 2**power; return the smallest 1 / s."""
        xp, n, inverse = self._backend.xp, self._n, self._inverse
        self._average(values, self._mean)
        xp.subtract(values, self._mean, out=n)
        # The gradient's buffer is free on the way forward.
        xp.multiply(n, n, out=self._scratch)
        self._average(self._scratch, inverse)
        if power is None:
            xp.add(inverse, EPSILON, out=inverse)
        else:
            epsilon = xp.ldexp(xp.full_like(inverse, EPSILON), 2 * power)
            inverse += xp.maximum(epsilon, float(xp.finfo(inverse.dtype).tiny))
        xp.sqrt(inverse, out=inverse)
        xp.divide(1.0, inverse, out=inverse)
        xp.multiply(n, inverse, out=n)
        if power is not None:
            xp.ldexp(inverse, power, out=inverse)
        return self._backend.smallest(inverse)

    def backward(
        self, grad_a: ScaledGradient, rescale: Callable[[ScaledGradient], HostArray]
    ) -> ScaledGradient:
        """dL/dp from dL/da, which stays as it is; fills `grad_gain_steps` and uses up n.

        Where groups run across time, all steps of a cell must have one exponent. `rescale` brings
        a gradient back into the window.
        """
        xp, n, out = self._backend.xp, self._n, self._scratch
        result = ScaledGradient(self._grad_p, grad_a.exponent)
        xp.multiply(grad_a.data, self._normalised, out=self._grad_p)
        steps = self._grad_p.reshape(*self._grad_p.shape[:2], -1, self._grad_p.shape[-1])
        ones = self._ones[None, : steps.shape[2]]
        xp.matmul(ones, steps, out=self.grad_gain_steps[:, :, None])
        self._times_gain(self._grad_p, self._grad_p)
        self._average(out, self._mean_product)
        self._times_gain(grad_a.data, self._grad_p)
        self._average(out, self._mean)
        xp.multiply(n, self._mean_product, out=n)
        xp.add(n, self._mean, out=n)
        xp.subtract(out, n, out=out)
        if self._steep:
            rescale(result)
        xp.multiply(out, self._inverse, out=out)
        return result

    def linearise(self) -> LinearNormalisation:
        """The Jacobian of the last forward pass at the first sample and step of the first cell."""
        n, gain, inverse = self._normalised[0, 0, 0].copy(), self._gain[0], self._inverse[0, 0]
        # A batch's statistics depend on all its samples: for one of them they are as good as fixed.
        return LinearNormalisation(n, gain, inverse.copy(), fixed=self._grouping.axis == 1)

    def sum_gain(self) -> None:
        """Fill the gradient of the gain, once all time steps have one scale."""
        ones = self._ones[: self.grad_gain_steps.shape[1]]
        self._backend.xp.matmul(ones, self.grad_gain_steps, out=self._grad_gain)

    def _groups(self, values: Array) -> Array:
        return values.reshape(self._grouping.shape(values.shape))

    def _average(self, values: Array, out: Array) -> None:
        # A product with ones: BLAS sums several times quicker than NumPy's reduction.
        xp = self._backend.xp
        self._grouping.sum(xp, values, self._ones[: self._members], out)
        xp.multiply(out, 1.0 / self._members, out=out)

    def _times_gain(self, values: Array, out: Array) -> None:
        rows = (values.shape[0], -1, values.shape[-1])
        self._backend.xp.multiply(values.reshape(rows), self._gain[:, None], out=out.reshape(rows))


class LinearNormalisation:
    """da = gain * dn for small changes of one sample's projection p, all arrays (K, ..., F).

    Args:
        n: (..., F), the sample's normalised values.
        gain: (F,).
        inverse: 1 / s, (F,) or (1,).
        fixed: whether mean and variance stay as they are, so that dn = dp / s.
    """

    def __init__(self, n: Array, gain: Array, inverse: Array, *, fixed: bool) -> None:
        self._n = n
        self._gain = gain
        self._inverse = inverse
        self._fixed = fixed

    def push(self, p: Array) -> Array:
        """Give da for dp."""
        return self._normalise(p) * self._gain

    def pull(self, a: Array) -> Array:
        """Give dL/dp for dL/da."""
        return self._normalise(a * self._gain)

    def _normalise(self, values: Array) -> Array:
        # Its own transpose: an outer product of n with itself, and one of ones.
        if self._fixed:
            return values * self._inverse
        axes = tuple(range(1, values.ndim))
        mean = values.mean(axis=axes, keepdims=True)
        product = (values * self._n).mean(axis=axes, keepdims=True)
        return (values - mean - self._n * product) * self._inverse
