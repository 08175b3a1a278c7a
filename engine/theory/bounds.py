"""Bounds that hold whatever the data are, and what identity weights leave of mean field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from engine.theory.describe import CURVE, MEAN_FIELD
from engine.theory.lesson import product_bound_decades, slope_bound_decades
from engine.theory.prediction import Draft
from engine.theory.weights import largest_in_most_draws, random_matrix_values

if TYPE_CHECKING:
    from engine.activations import Activation
    from engine.theory.prediction import Prediction

#: Whose theory it is where the weights of every hop are scale * I.
IDENTITY_BOUND = "exact bound per neuron (Le et al. 2015)"


def give_random_bounds(
    draft: Draft, activation: Activation, scheme: str, gain: float, units: int, hops: int
) -> None:
    """Fill what follows from the matrix at each hop, units x units and freshly drawn."""
    values = random_matrix_values(scheme, gain)
    most = largest_in_most_draws(scheme, gain, units)
    give_bounds(draft, activation, values, hops, most)
    if most > values[1]:
        draft.assume(
            "spectral radius and largest singular value are those of a wide matrix; what follows "
            "from the latter holds for 999 in 1,000 draws of this width"
        )


def give_bounds(
    draft: Draft,
    activation: Activation,
    values: tuple[float, float] | None,
    hops: int,
    most: float | None = None,
) -> None:
    """Fill what follows from (spectral radius, largest singular value) of the matrix at each hop.

    The largest singular value below 1 / sup |phi'| is enough for gradients to vanish; above it
    they may explode, but need not. Pascanu, Mikolov, Bengio 2013, section 2.1. `most` is what it
    may be in place of the one to show.
    """
    slope = activation.max_slope
    draft.give(slope_bound_decades=slope_bound_decades(slope, hops))
    if values is None:
        draft.refuse(
            "a kernel's matrix mixes positions, and its norm depends on the image's size",
            "spectral_radius",
            "largest_singular_value",
            "vanishing_certain",
            "exploding_possible",
            "bound_decades",
        )
        return
    radius, norm = values
    most = norm if most is None else most
    draft.give(
        spectral_radius=radius,
        largest_singular_value=norm,
        vanishing_certain=most * slope < 1.0,
        exploding_possible=most * slope > 1.0,
        bound_decades=product_bound_decades(slope, most, hops),
    )


def predict_identity(
    kind: str, activation: Activation, axis: Literal["layer", "time"], scale: float, hops: int
) -> Prediction:
    """W or U = scale * I: every unit is a chain of its own, of slope scale * phi' a hop.

    Le, Jaitly, Hinton 2015, section 2. The bound is reached where every slope is the steepest, for
    ReLU as long as every pre-activation stays positive.
    """
    size = abs(scale)
    draft = Draft(kind, activation.name, axis, IDENTITY_BOUND)
    give_bounds(draft, activation, (size, size), hops)
    per_hop = product_bound_decades(activation.max_slope, size, 1)
    draft.give(
        curve="bound",
        log10_gradient=(*(per_hop * lag for lag in range(hops, 0, -1)), 0.0),
        decades=per_hop * hops,
        decades_per_hop=per_hop,
        reach=hops,
    )
    draft.assume(
        "the curve is a bound: each hop multiplies the gradient by the scale times phi', and phi' "
        f"is {activation.max_slope:.4g} at most"
    )
    draft.refuse("a bound does not depend on the draw", "spread_decades")
    no_mean_field = "identity weights are not random, so mean field does not apply"
    named = [name for name in MEAN_FIELD if name not in (*CURVE, "decades_per_hop")]
    draft.refuse(no_mean_field, *named, "critical_weight_scale", "critical_recurrent_scale")
    return draft.finish()


def refuse_zero_weights(draft: Draft, key: str, scale: float) -> Prediction:
    """Every weight of the hop is 0, or its square is: the one case that needs no theory."""
    size = "0" if scale == 0.0 else "next to 0"
    return draft.finish(
        f"{key} = {scale:g}: every weight that the gradient meets is {size}, and so is the "
        f"gradient one {draft.hop} from the loss"
    )
