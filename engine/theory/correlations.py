"""How alike two inputs stay: the correlation map and its fixed point c*.

Two inputs whose pre-activations have variance q* and correlation c meet correlation
C(c) = (sigma_w^2 E[phi(a) phi(a')] + sigma_b^2) / q* one layer on. Poole et al. 2016, eq. 5;
Schoenholz et al. 2017, section 2. By Mehler's formula C is a power series in c whose
coefficients are the Hermite spectrum of phi, so one quadrature gives the whole map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.theory.quadrature import hermite_spectra
from engine.theory.roots import root

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.theory.mean_field import MeanField

#: Correlations closer to 1 than this count as 1.
_CLOSEST = 1e-9


@dataclass(frozen=True, slots=True)
class CorrelationMap:
    """C(c) for 0 <= c <= 1.

    Attributes:
        weights: share of the variance in each Hermite order of phi, sigma_w^2 spectrum / q*.
        slope_weights: the same for phi', sigma_w^2 spectrum.
        constant: the part of the variance that both see, whatever c is: sigma_b^2 / q*.
    """

    weights: HostArray
    slope_weights: HostArray
    constant: float

    def slope(self, c: float) -> float:
        """C'(c) = sigma_w^2 E[phi'(a) phi'(a')]; chi_1 at c = 1."""
        return float(self.slope_weights @ _powers(c, len(self.slope_weights)))

    def fixed_point(self) -> float:
        """The smallest c in [0, 1] with C(c) = c, where correlations end that start below 1.

        C is convex there, so below 1 there is at most one, and it attracts.
        """

        def gap(c: float) -> float:
            # C(c) - c written around c = 1, where both are nearly 1.
            lost = float(self.weights @ _complements(c, len(self.weights)))
            return self.constant + total - 1.0 + (1.0 - c) - lost

        total = float(self.weights.sum())
        if gap(0.0) <= 1e-14:
            return 0.0
        if gap(1.0 - _CLOSEST) >= 0.0:
            return 1.0
        return root(gap, 0.0, 1.0 - _CLOSEST, 1e-14)


def correlation_map(field: MeanField, q: float, private: float = 0.0) -> CorrelationMap:
    """The map at variance q > 0.

    `private` is the part of field.bias_variance that the two do not share: 0 for two inputs of one
    network; the input's part where the two are one recurrent network at different time steps.
    """
    spectrum, slopes = hermite_spectra(field.activation, q)
    return CorrelationMap(
        weights=field.weight_variance * spectrum / q,
        slope_weights=field.weight_variance * slopes,
        constant=(field.bias_variance - private) / q,
    )


def _powers(c: float, count: int) -> HostArray:
    import numpy as np

    result: HostArray = np.power(c, np.arange(count, dtype=np.float64))
    return result


def _complements(c: float, count: int) -> HostArray:
    """1 - c^n for n = 0, 1, ..., without cancellation near c = 1."""
    import numpy as np

    if c == 0.0:
        return np.minimum(np.arange(count, dtype=np.float64), 1.0)
    result: HostArray = -np.expm1(np.arange(count, dtype=np.float64) * math.log(c))
    return result
