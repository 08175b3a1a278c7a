"""The frame: one look at every gradient of a network, as it flows from engine to screen."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.culprits import Culprits
    from engine.verdict import Overflow, Verdict


@dataclass(frozen=True, slots=True)
class Frame:
    """What one training step showed.

    Arrays have shape (layers, time_steps), float64 on the host; time_steps is 1 for feed-forward
    networks. In log10 fields -inf is an exact zero and nan means that the forward pass overflowed.

    Attributes:
        step: 0 is the network as initialised, k the network after k updates.
        loss: the batch's loss.
        log10_grad_h: log10 of the RMS over batch and units of dL/dh, the total derivative.
        log10_grad_a: the same for dL/da, None where a cell has no single pre-activation.
        log10_grad_gates: the same by gate for cells with gates, else empty.
        log10_path: the same at further points that the gradient passes on a hop, where the network
            has them, else empty: for lstm "c", the total dL/dc_t, and "kept", f_t * dL/dc_t; for
            gru "kept", z_t * dL/dh_t; for mlp and cnn "projection", dL/d(x W) where x W is
            normalised, and "branch", what W alone passes on to the h below where a skip joins it,
            nan in the first layer.
        log10_grad_params: log10 RMS gradient of each parameter by name.
        activation_rms: RMS of h over batch and units, a skip's part included.
        zero_fraction: share of phi(a) that is exactly 0.
        saturated_fraction: share of units with |phi'(a)| < 0.05 sup |phi'|.
        overflow: where the forward pass first left the dtype, None if it did not.
        verdict: the judgement over the last layer, from the loss to the farthest point.
        seconds: wall-clock time the engine took.
        accuracy: share of the batch classified rightly, None where nothing is classified.
        evaluation_loss, evaluation_accuracy: the same two on what is never trained on, None at
            steps where nobody looked.
        learning_rate: that of the update before, None at step 0.
    """

    step: int
    loss: float
    log10_grad_h: HostArray
    log10_grad_a: HostArray | None
    log10_grad_gates: dict[str, HostArray]
    log10_path: dict[str, HostArray]
    log10_grad_params: dict[str, float]
    activation_rms: HostArray
    zero_fraction: HostArray
    saturated_fraction: HostArray
    overflow: Overflow | None
    verdict: Verdict
    seconds: float
    accuracy: float | None = None
    evaluation_loss: float | None = None
    evaluation_accuracy: float | None = None
    learning_rate: float | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, at least 1."""
        values = [getattr(self, field.name) for field in fields(self)]
        arrays = [part for v in values for part in (v.values() if isinstance(v, dict) else [v])]
        return max(sum(getattr(array, "nbytes", 0) for array in arrays), 1)

    def profile(self, layer: int | None = None, of: Literal["h", "c"] = "h") -> HostArray:
        """log10_grad_h, or of "c" that of `log10_path`, along the way that is judged.

        Over all layers, or over the time steps of `layer`, from 1, by default the verdict's. The
        loss end comes last.
        """
        field = self.log10_path["c"] if of == "c" else self.log10_grad_h
        chosen = self.verdict.layer if layer is None else layer
        profile: HostArray = field[chosen - 1] if self.verdict.axis == "time" else field[:, 0]
        return profile

    @property
    def culprits(self) -> Culprits | None:
        """Who changed the gradient on the way that the verdict judges, see `engine.culprits`."""
        from engine.culprits import culprits

        return culprits(self)
