"""Mean field for mlp and cnn: what layers of random weights do to a gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.theory.bounds import (
    give_bounds,
    give_random_bounds,
    predict_identity,
    refuse_zero_weights,
)
from engine.theory.describe import MEAN_FIELD, describe_fixed_point, give_curve, give_edge
from engine.theory.mean_field import MeanField
from engine.theory.prediction import Draft
from engine.theory.reach import scatter
from engine.theory.transient import Starts, follow, starts_of_noise
from engine.theory.weights import is_orthogonal, scheme_of, sigma_w

if TYPE_CHECKING:
    from engine.initialisers import WeightSpec
    from engine.spec import InitSpec, NetworkSpec
    from engine.theory.prediction import Prediction


def predict_feedforward(spec: NetworkSpec, init: InitSpec, input_variance: float) -> Prediction:
    """Poole et al. 2016 and Schoenholz et al. 2017; for kernels Xiao et al. 2018."""
    layer = ARCHITECTURES[spec.kind].layer
    activation = ACTIVATIONS[layer.fixed_activation or spec.activation]
    first = layer.plan(spec, 0, spec.input_shape, 1)
    hidden = layer.plan(spec, 1, first.output_shape, 1).weights["W"]
    scheme = scheme_of(hidden, init.scheme)
    hops = spec.depth - 1
    papers = "Poole et al. 2016, Schoenholz et al. 2017"
    if spec.kind == "cnn":
        papers += ", Xiao et al. 2018"
    draft = Draft(spec.kind, activation.name, "layer", f"mean field of wide layers ({papers})")
    unit, gain = sigma_w(hidden, scheme, 1.0), sigma_w(hidden, scheme, init.weight_scale)
    if init.weight_scale**2 == 0.0:
        return refuse_zero_weights(draft, "init.weight_scale", init.weight_scale)
    if scheme == "identity":
        return predict_identity(spec.kind, activation, "layer", init.weight_scale, hops)
    if unit is None or gain is None:
        return draft.finish(f"there is no mean-field theory of the initialiser {scheme}")
    draft.assume("layers are wide and their weights freshly drawn")
    draft.assume("on its way back the gradient meets weights independent of the forward pass")
    if spec.kind == "mlp":
        give_random_bounds(draft, activation, scheme, gain, spec.hidden_size, hops)
    elif scheme == "delta_orthogonal":
        give_bounds(draft, activation, (gain, gain), hops)
    else:
        give_bounds(draft, activation, None, hops)
    bias_variance = init.bias_scale**2 if spec.bias else 0.0
    give_edge(draft, activation, bias_variance, "critical_weight_scale", unit)
    entry = sigma_w(first.weights["W"], scheme, init.weight_scale)
    start = (entry or 0.0) ** 2 * input_variance + bias_variance
    if start == 0.0:
        draft.refuse("the input is 0 and there are no biases: nothing enters", *MEAN_FIELD)
        return draft.finish()
    field = MeanField(activation, gain**2, bias_variance)
    describe_fixed_point(draft, field, start)
    mixes = _mixes_positions(hidden, scheme)
    starts: Starts | float = start
    if not mixes:
        starts = starts_of_noise(start, bias_variance, first.weights["W"].shape[-2])
        draft.assume("the input is Gaussian noise of its mean square")
    transient = follow(field, starts, hops)
    rotation = is_orthogonal(scheme) and not mixes
    spread = None
    if transient is not None:
        spread = scatter(transient.mean_kurtosis(), spec.hidden_size, rotation)
    give_curve(draft, transient, spread, spec.hidden_size, spec.dtype)
    if mixes:
        _consider_padding(draft, spec)
    return draft.finish()


def _mixes_positions(weight: WeightSpec, scheme: str) -> bool:
    """Whether a kernel reads more than the pixel it writes."""
    return (
        weight.role == "kernel" and math.prod(weight.shape[:2]) > 1 and scheme != "delta_orthogonal"
    )


def _consider_padding(draft: Draft, spec: NetworkSpec) -> None:
    if spec.padding == "circular":
        draft.assume("circular padding, so that no position differs from another")
        return
    draft.assume("q*, chi_1 and the scales hold far from the border of a large image")
    draft.refuse(
        "zero padding lowers the variance at the border, layer after layer further inwards, and "
        'mean field knows no border: with network.padding = "circular" it holds',
        "decades_per_hop",
        "log10_gradient",
        "curve",
        "decades",
        "spread_decades",
        "reach",
    )
