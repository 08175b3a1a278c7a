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
from engine.theory.feedforward import predict_feedforward
from engine.theory.gates import chrono_bias, predict_gated
from engine.theory.independent import (
    log10_rms_gradient,
    predict_indrnn,
    predict_irnn,
    recurrent_weights,
    weights_within,
)
from engine.theory.lesson import slope_bound, slope_bound_decades
from engine.theory.lyapunov import lyapunov_exponents
from engine.theory.prediction import TRAINED, Draft, Prediction
from engine.theory.recurrent import largest_singular_value, predict_rnn, spectral_radius

if TYPE_CHECKING:
    from engine.spec import InitSpec, NetworkSpec

__all__ = [
    "THEORIES",
    "TRAINED",
    "Prediction",
    "chrono_bias",
    "largest_singular_value",
    "log10_rms_gradient",
    "lyapunov_exponents",
    "predict",
    "recurrent_weights",
    "slope_bound",
    "slope_bound_decades",
    "spectral_radius",
    "weights_within",
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
        "dtype",
    }
)


def predict(spec: NetworkSpec, init: InitSpec, input_variance: float) -> Prediction:
    """The theory of a network as it is drawn.

    `input_variance` is the mean square of the entries of the input, over batch and time; the noise
    task's is 1. A network that no theory covers gets a prediction of reasons alone.

    Raises ValueError for a mean square that is negative or beyond 1e100.
    """
    if not 0.0 <= input_variance <= 1e100:
        raise ValueError(f"the input's mean square must be from 0 to 1e100, not {input_variance}")
    theory = THEORIES.get(spec.kind)
    stranger = _stranger(spec)
    if theory is not None and stranger is None:
        return theory(spec, init, float(input_variance))
    recurrent = ARCHITECTURES[spec.kind].recurrent
    draft = Draft(spec.kind, spec.activation, "time" if recurrent else "layer", "none")
    if theory is None:
        return draft.finish(f"there is no theory of the kind {spec.kind}")
    return draft.finish(f"the theory does not cover network.{stranger}")


def _stranger(spec: NetworkSpec) -> str | None:
    """A setting that changes the network and that no theory here has heard of."""
    for entry in fields(spec):
        value = getattr(spec, entry.name)
        if entry.name not in _KNOWN and entry.default is not MISSING and value != entry.default:
            return f"{entry.name} = {value}"
    return None
