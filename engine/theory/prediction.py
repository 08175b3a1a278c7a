"""What a theory says about one network: numbers, a curve, and reasons where it is silent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from engine.theory.mean_field import Phase

#: What a curve is worth. "prediction": the measured gradient lies on it, within the spread.
#: "bound": it lies below, or as high where every slope is the steepest. "path": what a gate alone
#: lets through, to which other paths add.
Curve = Literal["prediction", "bound", "path"]

#: Why a theory of freshly drawn weights is not drawn beside a trained network.
TRAINED = (
    "trained weights depend on the data and on each other after the first update, and the theory "
    "is about weights as they are drawn"
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The theory of one network. A number that is None has its reason under its name in `reasons`.

    A hop is a layer or, for recurrent networks, a time step of the last layer. Curves run from the
    far end to the loss as `Frame.log10_grad_h` does, and are 0 at the loss.

    Attributes:
        kind: the network's kind.
        activation: its activation.
        axis: what a hop crosses.
        theory: whose theory it is, in words.
        curve: what log10_gradient is worth.
        q_star: variance of the pre-activations deep in the network.
        c_star: correlation at which any two inputs end; for recurrent networks, two states that
            are fed the same inputs.
        chi_1: factor of the SQUARED gradient at every hop, at q*.
        xi_1: hops over which the squared gradient changes by e.
        xi_c: hops over which the correlation comes e times closer to c*.
        phase: ordered, critical or chaotic.
        decades_per_hop: 0.5 log10 chi_1, of the amplitude.
        critical_weight_scale: the init.weight_scale at which chi_1 = 1 (feed-forward networks).
        critical_recurrent_scale: the same of init.recurrent_scale (recurrent networks).
        spectral_radius: of the matrix met at every hop.
        largest_singular_value: of the same matrix.
        vanishing_certain: whether largest singular value times sup |phi'| is below 1. In what
            follows from it, a matrix that is drawn has the most that it has in 999 of 1,000 draws.
        exploding_possible: whether it is above 1.
        gate: what the open gate keeps at each time step.
        slope_bound_decades: decades that phi' alone can at most give: hops * log10 sup |phi'|.
        bound_decades: decades that the gradient can at most gain over all hops.
        decades: what log10_gradient gains over all hops.
        spread_decades: how far a network of this width lies from `decades`, as a standard deviation
            between seeds.
        reach: hops from the loss that log10_gradient covers.
        log10_gradient: log10 RMS of dL/dh relative to the loss end, one number for each layer or
            time step; None beyond `reach`.
        reasons: by field name, a sentence on why there is no number.
        assumptions: what the numbers take for granted, in sentences.
    """

    kind: str
    activation: str
    axis: Literal["layer", "time"]
    theory: str
    curve: Curve | None = None
    q_star: float | None = None
    c_star: float | None = None
    chi_1: float | None = None
    xi_1: float | None = None
    xi_c: float | None = None
    phase: Phase | None = None
    decades_per_hop: float | None = None
    critical_weight_scale: float | None = None
    critical_recurrent_scale: float | None = None
    spectral_radius: float | None = None
    largest_singular_value: float | None = None
    vanishing_certain: bool | None = None
    exploding_possible: bool | None = None
    gate: float | None = None
    slope_bound_decades: float | None = None
    bound_decades: float | None = None
    decades: float | None = None
    spread_decades: float | None = None
    reach: int | None = None
    log10_gradient: tuple[float | None, ...] | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for a number that is missing without a reason, or not finite."""
        for name in self.numbers():
            value = getattr(self, name)
            if value is None and name not in self.reasons:
                raise ValueError(f"{name} is missing without a reason")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} = {value} is not a number to show")

    @staticmethod
    def numbers() -> tuple[str, ...]:
        """Names of the fields that are None where the theory is silent."""
        plain = ("kind", "activation", "axis", "theory", "reasons", "assumptions")
        return tuple(entry.name for entry in fields(Prediction) if entry.name not in plain)

    def to_dict(self) -> dict[str, object]:
        """All fields by name in plain Python types, as JSON can hold them."""
        names = (entry.name for entry in fields(self))
        result: dict[str, object] = {name: getattr(self, name) for name in names}
        curve = self.log10_gradient
        result["log10_gradient"] = None if curve is None else list(curve)
        result["reasons"] = {name: self.reasons[name] for name in sorted(self.reasons)}
        result["assumptions"] = list(self.assumptions)
        return result


#: Who has the numbers that not every network has.
_BELONGS = {
    "c_star": "only random matrices mix units enough for correlations to settle",
    "critical_weight_scale": "no init.weight_scale rules what the gradient meets at every hop here",
    "critical_recurrent_scale": "only recurrent networks have an init.recurrent_scale",
    "spectral_radius": "no single square matrix is met at every hop",
    "largest_singular_value": "no single matrix is met at every hop",
    "vanishing_certain": "needs the largest singular value",
    "exploding_possible": "needs the largest singular value",
    "gate": "only LSTM and GRU carry their state through a gate",
}


class Draft:
    """A prediction in the making: every number is either given or refused."""

    def __init__(self, kind: str, activation: str, axis: Literal["layer", "time"], theory: str):
        self.axis = axis
        self._fixed: dict[str, Any] = {
            "kind": kind,
            "activation": activation,
            "axis": axis,
            "theory": theory,
        }
        self._values: dict[str, Any] = {}
        self._reasons: dict[str, str] = {}
        self._assumptions: list[str] = []

    @property
    def hop(self) -> str:
        """What is crossed, in a sentence."""
        return "layer" if self.axis == "layer" else "time step"

    def give(self, **values: float | int | bool | str | tuple[float | None, ...]) -> None:
        """Set numbers by field name."""
        self._values.update(values)

    def refuse(self, reason: str, *names: str) -> None:
        """Say why there is no number of these names, taking back any given before."""
        for name in names:
            self._values.pop(name, None)
            self._reasons[name] = reason

    def assume(self, sentence: str) -> None:
        """Add a sentence to what is taken for granted."""
        self._assumptions.append(sentence)

    def finish(self, otherwise: str = "") -> Prediction:
        """The prediction; whatever was neither given nor refused gets the reason `otherwise`."""
        reasons = {
            name: self._reasons.get(name) or otherwise or _BELONGS.get(name, "")
            for name in Prediction.numbers()
            if name not in self._values
        }
        return Prediction(
            **self._fixed,
            **self._values,
            reasons={name: reason for name, reason in reasons.items() if reason},
            assumptions=tuple(self._assumptions),
        )
