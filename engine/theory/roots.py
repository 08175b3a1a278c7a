"""One root finder, so that a prediction need not wait for scipy.optimize to be imported."""

from __future__ import annotations

from collections.abc import Callable

#: Neighbouring floats differ by a share of 2.2e-16; closer than a few of them is close enough.
_SPACING = 5e-16


def root(function: Callable[[float], float], low: float, high: float, width: float) -> float:
    """Where function changes sign between low and high, to within `width`.

    Inverse quadratic interpolation wherever it is safe, else bisection (Chandrupatla 1997). Raises
    ValueError where the ends have the same sign.
    """
    a, b = low, high
    fa, fb = function(a), function(b)
    if fa == 0.0 or fb == 0.0:
        return a if fa == 0.0 else b
    if (fa > 0.0) == (fb > 0.0):
        raise ValueError(f"no sign change between {low} and {high}")
    c, fc = a, fa
    share = 0.5
    while True:
        x = a + share * (b - a)
        fx = function(x)
        # b is the best point on the other side of the root, c the one that was dropped.
        if (fx > 0.0) == (fa > 0.0):
            c, fc = a, fa
        else:
            c, fc, b, fb = b, fb, a, fa
        a, fa = x, fx
        best = a if abs(fa) < abs(fb) else b
        least = (0.5 * width + _SPACING * abs(best)) / abs(b - a)
        if fa == 0.0 or least > 0.5:
            return best
        across, rise = (a - b) / (c - b), (fa - fb) / (fc - fb)
        if rise**2 < across and (1.0 - rise) ** 2 < 1.0 - across:
            share = fa / (fb - fa) * fc / (fb - fc)
            share += (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        else:
            share = 0.5
        share = min(1.0 - least, max(least, share))
