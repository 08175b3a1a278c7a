"""A prediction held against the gradient that was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.theory.prediction import TRAINED

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.theory.prediction import Curve, Prediction

#: Why nothing is drawn beside the time steps of any layer but the last.
OTHER_LAYER = (
    "layers below the last get gradients from above at every time step, and the theory is about "
    "the last, which gets one from the loss alone"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far theory and measurement are apart, from the loss back to where the theory reaches.

    Attributes:
        kind: the network's kind.
        curve: what the theory's curve is worth (`Prediction.curve`).
        hops: how many hops are compared.
        of: how many there are.
        predicted: decades that the theory gives over these hops.
        measured: decades that were measured, None where the gradient is no number at either end.
        spread: how far seeds scatter around `predicted`, None where that is not known.
    """

    kind: str
    curve: Curve
    hops: int
    of: int
    predicted: float
    measured: float | None
    spread: float | None

    @property
    def apart(self) -> float | None:
        """Measured minus predicted decades."""
        return None if self.measured is None else self.measured - self.predicted


def silence(
    prediction: Prediction, *, last_layer: bool = True, trained: bool = False
) -> str | None:
    """Why the prediction says nothing of a measured curve, None if it does.

    `last_layer` is whether the curve is that of the last layer (of any, where hops are layers),
    `trained` whether the network has been updated.
    """
    if prediction.curve is None:
        return prediction.reasons["curve"]
    if not last_layer:
        return OTHER_LAYER
    return TRAINED if trained else None


def compare(prediction: Prediction, log10_gradient: HostArray) -> Comparison:
    """Hold a prediction that has a curve against log10 RMS gradients, (hops + 1,), the loss last.

    Raises ValueError for a prediction without a curve and for one of another length.
    """
    curve, reach = prediction.log10_gradient, prediction.reach
    if prediction.curve is None or curve is None or reach is None:
        raise ValueError("there is no curve to compare with")
    if len(curve) != len(log10_gradient):
        raise ValueError(f"{len(curve)} predicted and {len(log10_gradient)} measured places")
    hops = len(curve) - 1
    predicted = curve[hops - reach]
    assert predicted is not None
    measured = float(log10_gradient[hops - reach]) - float(log10_gradient[hops])
    return Comparison(
        kind=prediction.kind,
        curve=prediction.curve,
        hops=reach,
        of=hops,
        predicted=predicted,
        measured=measured if math.isfinite(measured) else None,
        spread=prediction.spread_decades if reach == hops else None,
    )
