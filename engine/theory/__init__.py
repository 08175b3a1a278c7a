"""What the papers predict for a network from its numbers alone, with the reason where they cannot.

    prediction = predict(spec, init, input_variance)

prediction.py says what there is to know; mean_field.py, correlations.py and transient.py hold the
theory of wide random networks (mlp, cnn, rnn), independent.py that of irnn and indrnn, gates.py
that of lstm and gru; lyapunov.py looks at a run's own trajectory, lesson.py at the simplest bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from engine.architectures import ARCHITECTURES
from engine.theory.comparison import OTHER_LAYER, Comparison, compare, silence
from engine.theory.feedforward import predict_feedforward
from engine.theory.gates import chrono_bias, predict_gated
from engine.theory.independent import (
    RecurrentWeights,
    describe_draw,
    predict_indrnn,
    predict_irnn,
    recurrent_weights,
    weights_within,
)
from engine.theory.lesson import slope_bound, slope_bound_decades
from engine.theory.lyapunov import leading_exponents
from engine.theory.prediction import TRAINED, Draft, Prediction
from engine.theory.recurrent import largest_singular_value, predict_rnn, spectral_radius

if TYPE_CHECKING:
    from engine.spec import InitSpec, NetworkSpec

__all__ = [
    "OTHER_LAYER",
    "THEORIES",
    "TRAINED",
    "Comparison",
    "Prediction",
    "RecurrentWeights",
    "chrono_bias",
    "compare",
    "describe_draw",
    "largest_singular_value",
    "leading_exponents",
    "predict",
    "recurrent_weights",
    "silence",
    "slope_bound",
    "slope_bound_decades",
    "spectral_radius",
    "weights_within",
    "without_theory",
]

#: The theory of each kind of network.
THEORIES: dict[str, Callable[[NetworkSpec, InitSpec, float], Prediction]] = {
    "mlp": predict_feedforward,
    "cnn": predict_feedforward,
    "rnn": predict_rnn,
    "irnn": predict_irnn,
    "indrnn": predict_indrnn,
    "lstm": predict_gated,
    "gru": predict_gated,
}

#: Kinds whose theory starts from what is put in; bounds and gates hold whatever that is.
_FROM_INPUT = frozenset({"mlp", "cnn", "rnn"})

#: Fields of NetworkSpec that the theories read or that do not matter to them.
_KNOWN = frozenset(
    {
        "kind",
        "activation",
        "depth",
        "hidden_size",
        "batch_size",
        "input_shape",
        "time_steps",
        "output_size",
        "bias",
        "kernel_size",
        "padding",
        "convolution",
        "dtype",
        "loss",
    }
)

#: Settings that a theory does not cover, a sentence each; `_BESIDE_TIME` has the exceptions.
_UNCOVERED = {
    "norm": "{value} normalisation: it gives every layer back the variance that mean field would "
    "follow, and couples the gradients of units or samples, which mean field takes one by one",
    "residual": "residual connections: past every layer the gradient also goes straight on, so a "
    "hop is more than the weights and slopes that mean field multiplies",
    "dense": "dense connections: a layer reads all layers below it, so the gradient has many ways "
    "to a layer and mean field follows one",
    "readout_steps": "a loss at the last {value} time steps: its gradient joins on the way, and "
    "theory follows the one that starts at the last step",
}

#: Settings that change what enters a layer, but not what its gradient meets from one time step to
#: the one before: the bound of each neuron and the path through a gate stay as they are.
_BESIDE_TIME = {
    "irnn": frozenset({"norm"}),
    "indrnn": frozenset({"norm", "residual", "dense"}),
    "lstm": frozenset({"norm"}),
    "gru": frozenset({"norm"}),
}


def predict(spec: NetworkSpec, init: InitSpec, input_variance: float | str) -> Prediction:
    """The theory of a network as it is drawn.

    `input_variance` is the mean square of the entries of the input, over batch and time, or in one
    line why nobody knows it; the noise task's is 1. A network that no theory covers gets a
    prediction of reasons alone.

    Raises ValueError for a mean square that is negative or beyond 1e100.
    """
    import numpy as np

    theory = THEORIES.get(spec.kind)
    reason = _uncovered(spec) if theory is not None else f"no theory of the kind {spec.kind}"
    if isinstance(input_variance, str):
        if spec.kind in _FROM_INPUT:
            reason = reason or input_variance
        input_variance = 0.0
    if not 0.0 <= input_variance <= 1e100:
        raise ValueError(f"the input's mean square must be from 0 to 1e100, not {input_variance}")
    if theory is not None and reason is None:
        # Variances may leave float64 on the way; what is said of them knows.
        with np.errstate(all="ignore"):
            return theory(spec, init, float(input_variance))
    return without_theory(spec.kind, spec.activation, reason or "")


def without_theory(kind: str, activation: str, reason: str) -> Prediction:
    """A prediction that has nothing but a reason; `activation` is what can be chosen, if it can."""
    layer = ARCHITECTURES[kind].layer
    draft = Draft(
        kind, layer.fixed_activation or activation, "time" if layer.recurrent else "layer", "none"
    )
    return draft.finish(reason)


def _uncovered(spec: NetworkSpec) -> str | None:
    """Why a setting puts the network beyond its theory, None if none does."""
    covered = _KNOWN | _BESIDE_TIME.get(spec.kind, frozenset())
    for entry in fields(spec):
        value = getattr(spec, entry.name)
        if entry.name not in covered and entry.default is not MISSING and value != entry.default:
            unheard = f"no theory here covers network.{entry.name} = {value}"
            return _UNCOVERED.get(entry.name, unheard).format(value=value)
    return None
