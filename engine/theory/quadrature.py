"""Averages over a Gaussian pre-activation a ~ N(0, q): what every mean-field formula is made of.

One rule serves all: Gauss-Legendre panels on each side of zero, so that a kink there costs nothing,
narrowing geometrically towards it, so that a step as sharp as tanh(10^6 z) is still resolved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.activations import Activation
    from engine.arrays import HostArray

#: Panels next to zero halve down to 2^-30: a step of width 1e-8, q = 1e16, still spans several.
_HALVINGS = 30
#: The Gaussian beyond 13 standard deviations weighs less than 1e-37.
_REACH = 13.0
_WIDE_PANELS = 8

#: Stands for the limit q -> 0, where a kink still sees both of its sides.
_SMALLEST = 1e-200

#: Hermite orders kept; what lies above them is lumped at the last.
ORDERS = 256


@dataclass(frozen=True, slots=True)
class Moments:
    """Averages over a ~ N(0, q), z = a / sqrt(q); every field has the shape of q.

    Attributes:
        square: E[phi(a)^2].
        growth: d E[phi(a)^2] / dq = E[phi phi' z] / sqrt(q).
        slope_square: E[phi'(a)^2].
        slope_fourth: E[phi'(a)^4].
    """

    square: HostArray
    growth: HostArray
    slope_square: HostArray
    slope_fourth: HostArray


def evaluate(activation: Activation, a: HostArray) -> tuple[HostArray, HostArray]:
    """phi(a) and phi'(a) in float64, of a's shape; a is left as it is."""
    import numpy as np

    argument = np.array(a, dtype=np.float64)
    h, slope = np.empty_like(argument), np.empty_like(argument)
    with np.errstate(all="ignore"):
        activation.forward(np, argument, h)
        activation.slope(np, argument, h, slope)
    return h, slope


def moments(activation: Activation, q: HostArray | float) -> Moments:
    """The averages at variance q >= 0, a number or an array of any shape; 0 means q -> 0."""
    import numpy as np

    z, weights = _rule()
    root = np.sqrt(np.maximum(np.asarray(q, dtype=np.float64), _SMALLEST))
    h, slope = evaluate(activation, root[..., None] * z)
    slope_square = slope * slope
    return Moments(
        square=(h * h) @ weights,
        growth=((h * slope) @ (weights * z)) / root,
        slope_square=slope_square @ weights,
        slope_fourth=(slope_square * slope_square) @ weights,
    )


def hermite_spectra(activation: Activation, q: float) -> tuple[HostArray, HostArray]:
    """Squared coefficients of phi and phi' in normalised Hermite polynomials of z = a / sqrt(q).

    Returns two arrays of ORDERS + 1 numbers whose sums are E[phi^2] and E[phi'^2]: the last entry
    lumps all higher orders. For unit Gaussians of correlation c Mehler's formula gives
    E[phi(a) phi(a')] = sum_n spectrum[n] c^n.
    """
    import numpy as np

    z, weights = _rule()
    h, slope = evaluate(activation, math.sqrt(max(q, _SMALLEST)) * z)
    spectra = []
    for values in (h, slope):
        spectrum = np.empty(ORDERS + 1)
        spectrum[:-1] = (_hermite_projector() @ values) ** 2
        rest = float((values * values) @ weights) - float(spectrum[:-1].sum())
        spectrum[-1] = max(0.0, rest)
        spectra.append(spectrum)
    return spectra[0], spectra[1]


@lru_cache(maxsize=1)
def _rule() -> tuple[HostArray, HostArray]:
    """Nodes z and weights such that f(z) @ weights = E[f(z)], z a standard Gaussian."""
    import numpy as np

    halved = [0.0, *(2.0**-k for k in range(_HALVINGS, -1, -1))]
    wide = np.linspace(1.0, _REACH, _WIDE_PANELS + 1).tolist()
    nodes, weights = [], []
    for edges, order in ((halved, 10), (wide, 24)):
        x, w = np.polynomial.legendre.leggauss(order)
        for low, high in pairwise(edges):
            nodes.append(0.5 * (low + high) + 0.5 * (high - low) * x)
            weights.append(0.5 * (high - low) * w)
    half = np.concatenate(nodes)
    density = np.concatenate(weights) * np.exp(-0.5 * half * half) / math.sqrt(2.0 * math.pi)
    return np.concatenate([-half, half]), np.concatenate([density, density])


@lru_cache(maxsize=1)
def _hermite_projector() -> HostArray:
    """(ORDERS, nodes): row n times values at the nodes gives their n-th Hermite coefficient."""
    import numpy as np

    z, weights = _rule()
    rows = np.empty((ORDERS, len(z)))
    rows[0] = weights
    rows[1] = weights * z
    for n in range(2, ORDERS):
        rows[n] = (z * rows[n - 1] - math.sqrt(n - 1) * rows[n - 2]) / math.sqrt(n)
    return rows
