"""Mean field for rnn, spectra of a given U, and Pascanu's conditions.

h_t = phi(x_t W + h_{t-1} U + b). The same U at every step counts as a new one at each, which is
right for wide layers (Chen, Pennington, Schoenholz 2018, section 3); the input adds a variance of
its own at every step, so an RNN is a deep network driven at every layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.theory.bounds import give_random_bounds, predict_identity, refuse_zero_weights
from engine.theory.correlations import correlation_map
from engine.theory.describe import (
    MEAN_FIELD,
    describe_fixed_point,
    describe_growth,
    first_overflow,
    give_curve,
    give_edge,
)
from engine.theory.mean_field import MeanField
from engine.theory.prediction import Draft
from engine.theory.quadrature import moments
from engine.theory.reach import tied_scatter
from engine.theory.transient import follow
from engine.theory.weights import is_orthogonal, scheme_of, sigma_w

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.spec import InitSpec, NetworkSpec
    from engine.theory.prediction import Prediction
    from engine.theory.transient import Transient

#: A variance too small to matter to any sum, and still a number.
_LEAST = 1e-300


def spectral_radius(u: NDArray[Any]) -> float:
    """The largest |eigenvalue| of a square matrix. Raises ValueError for another shape."""
    import numpy as np

    _check_square(u)
    return float(abs(np.linalg.eigvals(np.asarray(u, dtype=np.float64))).max())


def largest_singular_value(u: NDArray[Any]) -> float:
    """The spectral norm of a matrix: the most it can lengthen a vector by."""
    import numpy as np

    return float(np.linalg.norm(np.asarray(u, dtype=np.float64), 2))


def _check_square(u: NDArray[Any]) -> None:
    if u.ndim != 2 or u.shape[0] != u.shape[1]:
        raise ValueError(f"a recurrent matrix is square, not of shape {u.shape}")


def predict_rnn(spec: NetworkSpec, init: InitSpec, input_variance: float) -> Prediction:
    """The last layer's time steps, from the last (the loss) back to the first."""
    layer = ARCHITECTURES[spec.kind].layer
    activation = ACTIVATIONS[layer.fixed_activation or spec.activation]
    plans = [layer.plan(spec, 0, spec.input_shape, 1)]
    plans.append(layer.plan(spec, 1, plans[0].output_shape, 1))
    u = plans[0].weights["U"]
    scheme = scheme_of(u, init.scheme)
    hops = spec.time_steps - 1
    papers = "Poole et al. 2016, Chen, Pennington, Schoenholz 2018"
    draft = Draft(spec.kind, activation.name, "time", f"mean field of wide layers ({papers})")
    unit, gain = sigma_w(u, scheme, 1.0), sigma_w(u, scheme, init.recurrent_scale)
    if init.recurrent_scale**2 == 0.0:
        return refuse_zero_weights(draft, "init.recurrent_scale", init.recurrent_scale)
    if scheme == "identity":
        return predict_identity(spec.kind, activation, "time", init.recurrent_scale, hops)
    if unit is None or gain is None:
        return draft.finish(f"there is no mean-field theory of the initialiser {scheme}")
    draft.assume("layers are wide and their weights freshly drawn")
    draft.assume("the one U met at every time step counts as a new one at each")
    give_random_bounds(draft, activation, scheme, gain, spec.hidden_size, hops)
    drive, between = (
        (sigma_w(w, scheme_of(w, init.scheme), init.weight_scale) or 0.0) ** 2
        for w in (plan.weights["W"] for plan in plans)
    )
    drive *= input_variance
    bias_variance = init.bias_scale**2 if spec.bias else 0.0
    if spec.depth == 1:
        give_edge(draft, activation, drive + bias_variance, "critical_recurrent_scale", unit)
    else:
        draft.refuse(
            "the scale also decides what the layers below send up, so a stack of recurrent layers "
            "has no edge of its own",
            "critical_recurrent_scale",
        )
    entering = drive if spec.depth == 1 else min(drive, between)
    if entering + bias_variance == 0.0:
        draft.refuse("the input is 0 and there are no biases: nothing enters", *MEAN_FIELD)
        return draft.finish()
    bottom = MeanField(activation, gain**2, bias_variance + drive)
    top = _climb(bottom, bias_variance, between, spec, hops)
    if top.field is None:
        describe_growth(draft, bottom)
    else:
        describe_fixed_point(draft, top.field, top.start)
    spread = None
    if top.transient is not None:
        coherence = _coherence(bottom, drive) if spec.depth == 1 else 1.0
        rotation = is_orthogonal(scheme)
        spread = tied_scatter(top.transient.mean_kurtosis(), spec.hidden_size, rotation, coherence)
    give_curve(draft, top.transient, spread, spec.hidden_size, spec.dtype)
    return draft.finish()


@dataclass(frozen=True, slots=True)
class _Level:
    """One layer of a recurrent stack.

    `field` is its hop once the layers below are settled, None if their variance grows without
    bound; `start` the variance at the first time step; `transient` the way from there.
    """

    field: MeanField | None
    start: float
    transient: Transient | None


def _climb(
    bottom: MeanField, bias_variance: float, between: float, spec: NetworkSpec, hops: int
) -> _Level:
    """From the layer that reads the input to the last; `between` is sigma_w^2 of the W above it.

    Where a layer's forward pass leaves the dtype, its own transient is the last to be followed.
    """
    import numpy as np

    start = bottom.bias_variance
    level = _Level(bottom, start, follow(bottom, start, hops))
    undriven = MeanField(bottom.activation, bottom.weight_variance, bias_variance)
    for _ in range(spec.depth - 1):
        settled = None
        if level.field is not None:
            q = level.field.fate(level.start).q
            if q is not None:
                sent = between * float(moments(bottom.activation, q).square)
                if math.isfinite(sent):
                    settled = replace(undriven, bias_variance=bias_variance + sent)
        transient = level.transient
        if transient is not None and first_overflow(transient, spec.dtype) is None:
            # What a layer sends up may be next to nothing, but not nothing.
            drive = np.maximum(between * transient.square[:, 0], _LEAST)
            start = bias_variance + float(drive[0])
            transient = follow(undriven, start, hops, drive)
        level = _Level(settled, start, transient)
    return level


def _coherence(field: MeanField, drive: float) -> float:
    """Correlation of phi' between far-apart time steps, each with an input of its own."""
    q = field.fate(field.bias_variance).q
    if not q:
        return 1.0
    over_time = correlation_map(field, q, private=drive)
    return over_time.slope(over_time.fixed_point()) / field.chi(q)
