"""The lesson's bound: a product of slopes, 0.25^10 for ten sigmoid layers."""

from __future__ import annotations

import math


def slope_bound(max_slope: float, hops: int) -> float:
    """The hops-th power of sup |phi'|: the most that the activation alone can let through."""
    return math.pow(max_slope, hops)


def slope_bound_decades(max_slope: float, hops: int) -> float:
    """Its log10, right also where the bound itself is below the smallest float."""
    return hops * math.log10(max_slope)


def product_bound_decades(max_slope: float, largest_singular_value: float, hops: int) -> float:
    """log10 of (sup |phi'| * ||W||)^hops: no gradient can gain more over these hops.

    Pascanu, Mikolov, Bengio 2013, section 2.1. -inf where every weight is 0.
    """
    factor = max_slope * largest_singular_value
    if factor == 0.0:
        return -math.inf if hops else 0.0
    return hops * math.log10(factor)
