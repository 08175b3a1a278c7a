"""What an initialiser's scale means to the theory: sigma_w for each scheme and shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.initialisers import INITIALISERS

if TYPE_CHECKING:
    from engine.initialisers import WeightSpec

_ROTATIONS = frozenset({"orthogonal", "delta_orthogonal"})


def scheme_of(weight: WeightSpec, scheme: str) -> str:
    """The scheme that draws `weight`: one that cannot draw its role leaves it to gaussian."""
    known = scheme in INITIALISERS and weight.role not in INITIALISERS[scheme].roles
    return "gaussian" if known else scheme


def is_orthogonal(scheme: str) -> bool:
    """Whether the scheme draws rotations, which keep norms exactly."""
    return scheme in _ROTATIONS


def sigma_w(weight: WeightSpec, scheme: str, scale: float) -> float | None:
    """sigma_w such that inputs of mean square m give pre-activations of variance sigma_w^2 m.

    For independent entries sigma_w^2 = fan_in Var(W); a semi-orthogonal matrix with more columns
    than rows spreads the norm it keeps over more units. None for a scheme that draws no random
    matrix (identity, recurrent_range) and for one that is not known here.
    """
    if scheme in ("gaussian", "uniform", "lecun"):
        return scale
    if scheme == "he":
        return scale * math.sqrt(2.0)
    if scheme == "glorot":
        return scale * math.sqrt(2.0 * weight.fan_in / (weight.fan_in + weight.fan_out))
    outputs = weight.shape[-1] // weight.blocks
    if scheme == "orthogonal":
        return scale * math.sqrt(min(1.0, weight.fan_in / outputs))
    if scheme == "delta_orthogonal":
        return scale * math.sqrt(weight.shape[-2] / outputs)
    return None


def random_matrix_values(scheme: str, sigma: float) -> tuple[float, float]:
    """Spectral radius and largest singular value of a wide square matrix of gain `sigma`.

    (sigma, 2 sigma) for independent entries (Girko's circular law; Marchenko and Pastur 1967);
    both sigma for a rotation.
    """
    return (sigma, sigma) if scheme in _ROTATIONS else (sigma, 2.0 * sigma)


def largest_in_most_draws(scheme: str, sigma: float, units: int) -> float:
    """What the largest singular value of such a matrix, units x units, is below in 999 draws of
    1,000, for Gaussian entries (Davidson and Szarek 2001, theorem II.13).
    """
    if scheme in _ROTATIONS:
        return sigma
    return sigma * (2.0 + math.sqrt(2.0 * math.log(1000.0) / units))
