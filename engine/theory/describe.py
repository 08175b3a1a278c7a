"""The numbers of a mean-field hop in words and figures: shared by layers and time steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.theory.correlations import correlation_map
from engine.theory.mean_field import (
    MeanField,
    depth_scale,
    edge_of_chaos,
    phase_of,
    same_at_every_variance,
)
from engine.theory.quadrature import moments
from engine.theory.reach import FEWEST_UNITS, trusted_hops
from engine.theory.transient import MOST_HOPS

if TYPE_CHECKING:
    from engine.activations import Activation
    from engine.arrays import HostArray
    from engine.theory.prediction import Draft
    from engine.theory.transient import Transient

#: What a curve fills, and everything that mean field has to say about where a network settles.
CURVE = ("log10_gradient", "curve", "decades", "spread_decades", "reach")
MEAN_FIELD = (
    "q_star",
    "c_star",
    "chi_1",
    "xi_1",
    "xi_c",
    "phase",
    "decades_per_hop",
    *CURVE,
)

#: Variances near 0 and near infinity, where limits are read off.
_NEAR_ZERO, _NEAR_INFINITY = 1e-24, 1e16


def give_edge(
    draft: Draft, activation: Activation, bias_variance: float, name: str, unit: float
) -> None:
    """Fill the critical scale called `name`; `unit` is what scale 1 means as a sigma_w."""
    edge = edge_of_chaos(activation, bias_variance)
    if edge is not None:
        draft.give(**{name: math.sqrt(edge) / unit})
        return
    draft.refuse(
        f"no scale of {activation.title} has chi_1 = 1 at a variance that lasts: it would die out "
        f"or grow away from there, and the gradient with it",
        name,
    )


def describe_fixed_point(draft: Draft, field: MeanField, start: float) -> None:
    """Fill q_star, chi_1, phase, xi_1, decades_per_hop, c_star and xi_c from where q goes."""
    fate = field.fate(start)
    if fate.q is None:
        describe_growth(draft, field)
        return
    chi_1 = field.chi(fate.q)
    draft.give(phase=phase_of(chi_1))
    _give_chi(draft, chi_1)
    if fate.kind == "every":
        draft.refuse(
            f"every variance is a fixed point: each {draft.hop} hands on whatever it is given",
            "q_star",
        )
    else:
        draft.give(q_star=fate.q)
    if fate.kind == "every" or fate.q == 0.0:
        _correlations_without_scale(draft, field, fate.q)
    else:
        _correlations(draft, field, fate.q)


def describe_growth(draft: Draft, field: MeanField) -> None:
    """Fill the same where the variance grows without bound."""
    grows = f"the variance of the pre-activations grows {draft.hop} by {draft.hop} without bound"
    draft.refuse(f"{grows}, so there is no fixed point", "q_star")
    draft.refuse(f"{grows}, so correlations have no fixed map", "c_star", "xi_c")
    limit = field.chi(_NEAR_INFINITY)
    if same_at_every_variance(field.activation):
        _give_chi(draft, limit)
        if phase_of(limit) == "critical":
            draft.give(phase="critical")
            return
        draft.refuse(
            f"{grows}: order and chaos are told apart at a fixed point, and there is none; "
            f"chi_1 = {limit:.4g} holds at every variance all the same",
            "phase",
        )
        return
    draft.refuse(
        f"{grows}: there is no q* to take it at (chi tends to {limit:.4g})",
        "chi_1",
        "xi_1",
        "phase",
        "decades_per_hop",
    )


def _give_chi(draft: Draft, chi_1: float) -> None:
    draft.give(chi_1=chi_1, decades_per_hop=0.5 * math.log10(chi_1))
    scale = depth_scale(chi_1)
    if scale is not None:
        draft.give(xi_1=scale)
        return
    draft.refuse(
        "chi_1 = 1: at the edge of chaos gradients change by a power of the number of hops at "
        "most, which has no scale",
        "xi_1",
    )


def _correlations(draft: Draft, field: MeanField, q: float) -> None:
    map_ = correlation_map(field, q)
    # At or below the edge c* = 1 follows, and need not be searched for.
    c_star = 1.0 if phase_of(field.chi(q)) != "chaotic" else map_.fixed_point()
    draft.give(c_star=c_star)
    scale = depth_scale(map_.slope(c_star))
    if scale is not None:
        draft.give(xi_c=scale)
        return
    draft.refuse("the correlation map has slope 1 at c*: it is approached by a power law", "xi_c")


def _correlations_without_scale(draft: Draft, field: MeanField, q: float) -> None:
    """Where phi acts as straight lines that meet at 0, as ReLU does, or as a single one."""
    at = max(q, _NEAR_ZERO)
    square = float(moments(field.activation, at).square)
    lines = correlation_map(MeanField(field.activation, at / square, 0.0), at)
    if lines.weights[1] > 1.0 - 1e-6:
        straight = "the variance dies out, q* = 0, and there" if q == 0.0 else "at this scale"
        draft.refuse(
            f"{straight} the activation is a straight line, which hands every correlation on",
            "c_star",
            "xi_c",
        )
        return
    draft.give(c_star=1.0)
    draft.refuse("correlations approach 1 by a power law, which has no scale", "xi_c")


def give_curve(
    draft: Draft, transient: Transient | None, spread: HostArray | None, width: int, dtype: str
) -> None:
    """Fill log10_gradient, curve, decades, spread_decades and reach from a followed variance."""
    if transient is None or spread is None:
        draft.refuse(
            f"the variance still moves after {MOST_HOPS:,} {draft.hop}s, as far as it is followed",
            *CURVE,
        )
        return
    if width < FEWEST_UNITS:
        draft.refuse(
            f"{width} {'unit is' if width == 1 else 'units are'} too few: mean field is about wide "
            f"layers, of {FEWEST_UNITS} units and far more",
            *CURVE,
        )
        return
    place = first_overflow(transient, dtype)
    if place is not None:
        draft.refuse(
            f"the forward pass leaves {dtype} at about {draft.hop} {place}: activations grow "
            f"too large",
            *CURVE,
        )
        return
    curve = transient.log10_gradient()
    hops, reach = len(curve) - 1, trusted_hops(curve, spread)
    shown = [None] * (hops - reach) + [float(value) for value in curve[hops - reach :]]
    draft.give(log10_gradient=tuple(shown), curve="prediction", reach=reach)
    if reach == hops:
        draft.give(decades=float(curve[0] - curve[-1]), spread_decades=float(spread[0]))
        return
    draft.refuse(
        f"{width} units are few for {hops} {draft.hop}s: between seeds the gradient at the far end "
        f"scatters by about {spread[0]:.2g} decades around the theory of wide layers, so the "
        f"curve ends {reach} {draft.hop}s from the loss",
        "decades",
        "spread_decades",
    )


def first_overflow(transient: Transient, dtype: str) -> int | None:
    """The first place whose pre-activations leave the dtype, counted from 1."""
    import numpy as np

    # They reach several standard deviations; a factor of 10 stands for them.
    limit = 2.0 * (math.log10(float(np.finfo(dtype).max)) - 1.0)
    with np.errstate(divide="ignore"):
        log_q = np.log10(transient.q.max(axis=1))
    beyond = np.flatnonzero(~(log_q <= limit))
    if not beyond.size:
        return None
    last = int(beyond[0]) - 1
    growth = log_q[last] - log_q[last - 1] if last > 0 else 0.0
    if np.isfinite(log_q[last + 1]) or not growth > 0.0:
        return last + 2
    # A variance leaves float64 long before its root does: from there on it grows as it did.
    place = last + math.ceil((limit - log_q[last]) / growth)
    return place + 1 if place < len(log_q) else None
