"""Signal propagation in infinitely wide random networks: variances, and what a gradient meets.

W_ij ~ N(0, sigma_w^2 / fan_in), b ~ N(0, sigma_b^2). The pre-activations of a layer are Gaussian of
variance q, and q_l = V(q_{l-1}). The squared gradient changes by chi(q) = sigma_w^2 E[phi'(a)^2] at
every layer, its amplitude by sqrt(chi). Poole et al. 2016, eq. 3; Schoenholz et al. 2017, sections
2 and 5; Xiao et al. 2018, section 2, for convolutions with circular padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from engine.theory.quadrature import Moments, evaluate, moments
from engine.theory.roots import root

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.activations import Activation
    from engine.arrays import HostArray

#: log10 of the variances among which fixed points are looked for, and points per decade.
_DECADES = (-24, 16)
_PER_DECADE = 6

#: Relative differences below this are rounding: the integrals are right to about 1e-15.
_ROUNDING = 1e-12

#: |ln chi_1| below which a network counts as critical: over the 10,000 layers that a scenario may
#: ask for, the gradient then changes by less than a quarter of a decade.
CRITICAL = 1e-4

Phase = Literal["ordered", "critical", "chaotic"]


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A variance that a layer hands on unchanged.

    Attributes:
        q: the variance q*.
        slope: V'(q*); nearby variances come closer where it is below 1 in size.
        stable: whether they do.
    """

    q: float
    slope: float
    stable: bool


@dataclass(frozen=True, slots=True)
class Fate:
    """Where the variance goes, layer after layer.

    Attributes:
        kind: "settles" at q; "every" where V(q) = q for all q, so it stays at q; "grows" without
            bound, q being None.
        q: the variance in the limit.
    """

    kind: Literal["settles", "every", "grows"]
    q: float | None


GROWS = Fate("grows", None)


@dataclass(frozen=True, slots=True)
class MeanField:
    """One hop of an infinitely wide random network.

    Attributes:
        activation: phi.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2, and for a recurrent hop the variance its input adds at each step.
    """

    activation: Activation
    weight_variance: float
    bias_variance: float

    def variance_map(self, q: float) -> float:
        """V(q) = sigma_w^2 E[phi(a)^2] + sigma_b^2, the next layer's variance."""
        square = float(moments(self.activation, q).square)
        return self.weight_variance * square + self.bias_variance

    def chi(self, q: float) -> float:
        """sigma_w^2 E[phi'(a)^2]: the factor of the squared gradient at variance q."""
        return self.weight_variance * float(moments(self.activation, q).slope_square)

    def variance_slope(self, q: float) -> float:
        """V'(q)."""
        return self.weight_variance * float(moments(self.activation, q).growth)

    def fixed_points(self) -> list[FixedPoint]:
        """All solutions of V(q) = q from 0 to 1e16, smallest first.

        Empty where there is none, and where every q is one (see `fate`).
        """
        grid, gap = self._gaps()
        points = []
        if self.bias_variance == 0.0 and _vanishes_at_zero(self.activation):
            # Which way the smallest variances go decides, also where V'(0) is exactly 1.
            signs = gap[gap != 0.0]
            if signs.size:
                points.append(FixedPoint(0.0, self.variance_slope(0.0), bool(signs[0] < 0.0)))
        for low, high in _sign_changes(grid, gap):
            q = _root(self._relative_gap, low, high)
            slope = self.variance_slope(q)
            points.append(FixedPoint(q, slope, abs(slope) < 1.0))
        return points

    def fate(self, start: float) -> Fate:
        """Where variance `start` > 0 goes: V grows with q, so to the next fixed point on its way.

        Raises ValueError for a start that is not positive.
        """
        if not start > 0.0:
            raise ValueError(f"a variance to start from must be positive, not {start}")
        grid, gap = self._gaps()
        if not gap.any():
            return Fate("every", start)
        if is_scale_free(self.activation):
            # V is a straight line: its fixed point may lie beyond any grid.
            chi = self.chi(1.0)
            return Fate("settles", self.bias_variance / (1.0 - chi)) if chi < 1.0 else GROWS
        here = self._relative_gap(start)
        if abs(here) < _ROUNDING:
            return Fate("settles", start)
        if here > 0.0:
            above = grid[(grid > start) & (gap < 0.0)]
            if not above.size:
                return GROWS
            below = grid[(grid > start) & (grid < above[0]) & (gap > 0.0)]
            low = float(below[-1]) if below.size else start
            return Fate("settles", _root(self._relative_gap, low, float(above[0])))
        below = grid[(grid < start) & (gap > 0.0)]
        if not below.size:
            return Fate("settles", 0.0)
        above = grid[(grid < start) & (grid > below[-1]) & (gap < 0.0)]
        high = float(above[0]) if above.size else start
        return Fate("settles", _root(self._relative_gap, float(below[-1]), high))

    def _relative_gap(self, q: float) -> float:
        return self.variance_map(q) / q - 1.0

    def _gaps(self) -> tuple[HostArray, HostArray]:
        """V(q) / q - 1 on the grid, exactly 0 where it is no more than rounding."""
        grid, table = _table(self.activation)
        gap = (self.weight_variance * table.square + self.bias_variance) / grid - 1.0
        gap[abs(gap) < _ROUNDING] = 0.0
        return grid, gap


def same_at_every_variance(activation: Activation) -> bool:
    """Whether chi is the same at every q: true of ReLU, leaky ReLU and linear."""
    table = _table(activation)[1]
    low, high = float(table.slope_square.min()), float(table.slope_square.max())
    return high - low <= _ROUNDING * high


def is_scale_free(activation: Activation) -> bool:
    """Whether phi(k a) = k phi(a) for k > 0, so that E[phi^2] is in proportion to q."""
    grid, table = _table(activation)
    share = table.square / grid
    low, high = float(share.min()), float(share.max())
    return high - low <= _ROUNDING * high and same_at_every_variance(activation)


def phase_of(chi_1: float) -> Phase:
    """Ordered (chi_1 < 1), critical or chaotic (chi_1 > 1), critical within CRITICAL."""
    if chi_1 > 0.0 and abs(math.log(chi_1)) < CRITICAL:
        return "critical"
    return "chaotic" if chi_1 > 1.0 else "ordered"


def depth_scale(slope: float) -> float | None:
    """1 / |ln slope|, the hops over which something shrinks by e; None at slope 1: no such scale.

    Schoenholz et al. 2017, section 3. At slope 0 and below there is none either.
    """
    if slope <= 0.0 or abs(math.log(slope)) < CRITICAL:
        return None
    return 1.0 / abs(math.log(slope))


def edge_of_chaos(activation: Activation, bias_variance: float) -> float | None:
    """The sigma_w^2 at which chi_1 = 1, None where no network that stays there has it.

    At variance q, chi = 1 asks for sigma_w^2 = 1 / E[phi'^2], and q is a fixed point if
    sigma_b^2 = q - E[phi^2] / E[phi'^2]: one equation for q. Only solutions with V'(q) < 1 count,
    as any other variance leaves them. Schoenholz et al. 2017, section 2; Hayou et al. 2019.
    """
    grid, table = _table(activation)
    if same_at_every_variance(activation):
        return 1.0 / float(table.slope_square[0])

    def excess(q: float) -> float:
        at = moments(activation, q)
        return 1.0 - float(at.square / at.slope_square) / q - bias_variance / q

    gap = 1.0 - (table.square / table.slope_square + bias_variance) / grid
    gap[abs(gap) < _ROUNDING] = 0.0
    if bias_variance == 0.0 and _vanishes_at_zero(activation):
        variance = 1.0 / float(moments(activation, 0.0).slope_square)
        at_rest = MeanField(activation, variance, 0.0).fixed_points()[:1]
        if at_rest and at_rest[0].stable:
            return variance
    for low, high in _sign_changes(grid, gap):
        q = _root(excess, low, high)
        at = moments(activation, q)
        if abs(float(at.growth / at.slope_square)) < 1.0:
            return 1.0 / float(at.slope_square)
    return None


def _vanishes_at_zero(activation: Activation) -> bool:
    import numpy as np

    return float(evaluate(activation, np.zeros(1))[0][0]) == 0.0


@lru_cache(maxsize=64)
def _table(activation: Activation) -> tuple[HostArray, Moments]:
    """The averages on a logarithmic grid of variances."""
    import numpy as np

    low, high = _DECADES
    grid = np.logspace(low, high, (high - low) * _PER_DECADE + 1)
    return grid, moments(activation, grid)


def _sign_changes(grid: HostArray, gap: HostArray) -> list[tuple[float, float]]:
    """Pairs of neighbouring grid points, exact zeros left out, between which gap changes sign."""
    grid, gap = grid[gap != 0.0], gap[gap != 0.0]
    places = ((gap[1:] > 0.0) != (gap[:-1] > 0.0)).nonzero()[0]
    return [(float(grid[i]), float(grid[i + 1])) for i in places]


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root between low and high > 0, to 1e-15 of itself."""
    log_q = root(lambda x: function(math.exp(x)), math.log(low), math.log(high), 1e-15)
    return math.exp(log_q)
