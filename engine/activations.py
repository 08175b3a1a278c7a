"""Activations phi and their slopes phi', exact to rounding even deep in saturation.

A gradient lab may not say "zero" where the truth is 1e-35, so slopes are computed from forms whose
relative error stays at rounding level for every argument (1 - tanh^2 alone would not).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from engine.arrays import Array, ArrayModule
from engine.pieces import pieces
from engine.registry import Registry

#: Below this, 1 - h^2 or 1 - h has lost more than 0.05 % to cancellation in float32.
_CANCELLATION = 2.0**-13


class Activation(ABC):
    """An elementwise nonlinearity.

    Attributes:
        name: the word to type.
        title: the name to show.
        formula: phi(a) as a student would write it.
        max_slope: sup |phi'(a)| over all a.
        monotone: whether phi' >= 0 everywhere.
        flat_where_zero: whether phi' is 0 exactly where phi is, and 1 elsewhere.
        invertible: whether phi(a) mostly tells phi'(a), so that `slope_from_output` is worth a try.
    """

    name: str
    title: str
    formula: str
    max_slope: float
    monotone: bool = True
    flat_where_zero: bool = False
    invertible: bool = False

    @abstractmethod
    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        """Write phi(a) to `out`, which may be any array of a's shape but not a itself."""

    def stepper(self, xp: ArrayModule, zeros: Array) -> Callable[..., object]:
        """Phi as a function (a, out=) that starts quickly, for loops over arrays shaped `zeros`."""
        return partial(self.forward, xp)

    @abstractmethod
    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        """Write phi'(a) to `out`, given a and h = phi(a), all of one shape and not aliased.

        `a` may be overwritten: nothing reads a pre-activation after its slope is known.
        """

    def slope_from_output(self, xp: ArrayModule, h: Array, out: Array) -> bool:
        """Write phi'(a) to `out`, given h = phi(a) alone; False where that is not exact enough.

        Then `out` holds something else, and `slope` is what to call.
        """
        return False


ACTIVATIONS: Registry[Activation] = Registry()


def _sigmoid(xp: ArrayModule, a: Array, out: Array) -> None:
    # exp may overflow to inf for very negative a, and 1 / inf is the right limit.
    # Not `negative`: NumPy 2.4's reads and writes the wrong elements of some strided arrays.
    xp.multiply(a, -1.0, out=out)
    xp.exp(out, out=out)
    xp.add(out, 1.0, out=out)
    xp.divide(1.0, out, out=out)


def _smallest(values: Array) -> float:
    # NumPy starts several times quicker on its place, for which it would copy what has gaps.
    flat = values.ravel("K") if values.flags.forc else None
    return float(values.min() if flat is None else flat.item(flat.argmin()))


class Sigmoid(Activation):
    name = "sigmoid"
    title = "sigmoid"
    formula = "1 / (1 + exp(-a))"
    max_slope = 0.25
    invertible = True

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        _sigmoid(xp, a, out)

    def slope_from_output(self, xp: ArrayModule, h: Array, out: Array) -> bool:
        xp.subtract(1.0, h, out=out)
        if _smallest(out) < _CANCELLATION:
            return False
        xp.multiply(out, h, out=out)
        return True

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        if self.slope_from_output(xp, h, out):
            return
        # With z = exp(-|a|) and m = max(h, 1 - h) = 1 / (1 + z): phi' = z m^2, no cancellation.
        xp.abs(a, out=a)
        xp.multiply(a, -1.0, out=a)
        xp.exp(a, out=a)
        xp.subtract(1.0, h, out=out)
        xp.maximum(out, h, out=out)
        xp.multiply(out, out, out=out)
        xp.multiply(out, a, out=out)


class Tanh(Activation):
    name = "tanh"
    title = "tanh"
    formula = "tanh(a)"
    max_slope = 1.0
    invertible = True

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        xp.tanh(a, out=out)

    def stepper(self, xp: ArrayModule, zeros: Array) -> Callable[..., object]:
        stepper: Callable[..., object] = xp.tanh
        return stepper

    def slope_from_output(self, xp: ArrayModule, h: Array, out: Array) -> bool:
        xp.multiply(h, h, out=out)
        xp.subtract(1.0, out, out=out)
        return not _smallest(out) < _CANCELLATION

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        if self.slope_from_output(xp, h, out):
            return
        # With z = exp(-2|a|): sech^2(a) = z (1 + |h|)^2, no cancellation.
        xp.abs(a, out=a)
        xp.multiply(a, -2.0, out=a)
        xp.exp(a, out=a)
        xp.abs(h, out=out)
        xp.add(out, 1.0, out=out)
        xp.multiply(out, out, out=out)
        xp.multiply(out, a, out=out)


class PiecewiseLinear(Activation):
    """Phi' is told by a's sign, which h has too (but where a leaky ReLU's 0.01 a underflows).

    So `slope` overwrites nothing, and takes h in place of a as well.
    """

    invertible = True

    def slope_from_output(self, xp: ArrayModule, h: Array, out: Array) -> bool:
        self.slope(xp, h, h, out)
        return True


class ReLU(PiecewiseLinear):
    name = "relu"
    title = "ReLU"
    formula = "max(a, 0)"
    max_slope = 1.0
    flat_where_zero = True

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        # NumPy's maximum of two arrays is over twice as fast as that of an array and a number.
        out.fill(0.0)
        xp.maximum(a, out, out=out)

    def stepper(self, xp: ArrayModule, zeros: Array) -> Callable[..., object]:
        return partial(xp.maximum, zeros)

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        xp.greater(a, 0.0, out=out)


class LeakyReLU(PiecewiseLinear):
    name = "leaky_relu"
    title = "leaky ReLU"
    formula = "a if a > 0 else 0.01 a"
    max_slope = 1.0
    leak: ClassVar[float] = 0.01

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        xp.multiply(a, self.leak, out=out)
        xp.maximum(out, a, out=out)

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        xp.greater(a, 0.0, out=out)
        xp.multiply(out, 1.0 - self.leak, out=out)
        xp.add(out, self.leak, out=out)


class ELU(Activation):
    """Clevert, Unterthiner, Hochreiter 2016, alpha = 1."""

    name = "elu"
    title = "ELU"
    formula = "a if a > 0 else exp(a) - 1"
    max_slope = 1.0

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        xp.minimum(a, 0.0, out=out)
        xp.expm1(out, out=out)
        # exp(a) - 1 >= a everywhere, so the maximum picks the right branch.
        xp.maximum(out, a, out=out)

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        xp.minimum(a, 0.0, out=out)
        xp.exp(out, out=out)


class SELU(Activation):
    """Klambauer et al. 2017, eq. 2 with the constants of its fixed point (0, 1)."""

    name = "selu"
    title = "SELU"
    formula = "1.0507 (a if a > 0 else 1.6733 (exp(a) - 1))"
    scale: ClassVar[float] = 1.0507009873554805
    alpha: ClassVar[float] = 1.6732632423543772
    max_slope = scale * alpha

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        xp.minimum(a, 0.0, out=out)
        xp.expm1(out, out=out)
        xp.multiply(out, self.scale * self.alpha, out=out)
        for part, target in pieces(xp, a, out):
            target += self.scale * xp.maximum(part, 0.0)

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        xp.minimum(a, 0.0, out=out)
        xp.exp(out, out=out)
        xp.multiply(out, self.scale * self.alpha, out=out)
        # The exponential of 0 stands where a > 0; what is above the scale there goes.
        xp.greater(a, 0.0, out=a)
        xp.multiply(a, self.scale * (1.0 - self.alpha), out=a)
        xp.add(out, a, out=out)


class GELU(Activation):
    """Hendrycks and Gimpel 2016, the exact form with the normal distribution function."""

    name = "gelu"
    title = "GELU"
    formula = "a Phi(a), Phi the normal distribution function"
    max_slope = 1.1289042768
    monotone = False

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        _normal_cdf(xp, a, out)
        xp.multiply(out, a, out=out)

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        # phi' = Phi(a) + a times the normal density.
        xp.multiply(a, a, out=out)
        xp.multiply(out, -0.5, out=out)
        xp.exp(out, out=out)
        xp.multiply(out, 1.0 / math.sqrt(2.0 * math.pi), out=out)
        xp.multiply(out, a, out=out)
        _normal_cdf(xp, a, a)
        xp.add(out, a, out=out)


def _normal_cdf(xp: ArrayModule, a: Array, out: Array) -> None:
    if xp.__name__ == "cupy":
        from cupyx.scipy.special import ndtr
    else:
        from scipy.special import ndtr
    ndtr(a, out=out)


class SiLU(Activation):
    """Elfwing, Uchibe, Doya 2018; also known as swish."""

    name = "silu"
    title = "SiLU"
    formula = "a / (1 + exp(-a))"
    max_slope = 1.0998393194
    monotone = False

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        _sigmoid(xp, a, out)
        xp.multiply(out, a, out=out)

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        # phi' = sigma (1 + a (1 - sigma)) = sigma (1 + a - h).
        _sigmoid(xp, a, out)
        xp.subtract(a, h, out=a)
        xp.add(a, 1.0, out=a)
        xp.multiply(out, a, out=out)


class Softplus(Activation):
    name = "softplus"
    title = "softplus"
    formula = "log(1 + exp(a))"
    max_slope = 1.0

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        xp.logaddexp(a, 0.0, out=out)

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        _sigmoid(xp, a, out)


class Linear(PiecewiseLinear):
    name = "linear"
    title = "linear"
    formula = "a"
    max_slope = 1.0

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        xp.copyto(out, a)

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        out.fill(1.0)


for _activation in (
    Sigmoid(),
    Tanh(),
    ReLU(),
    LeakyReLU(),
    ELU(),
    SELU(),
    GELU(),
    SiLU(),
    Softplus(),
    Linear(),
):
    ACTIVATIONS.register(_activation)
