"""What a recurrent scenario's own draw shows, beside what theory says of all draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.architectures import ARCHITECTURES
from engine.errors import EngineError
from engine.verdict import THRESHOLD_DECADES
from scenarios.errors import ScenarioError

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.theory import RecurrentWeights
    from scenarios.runner import Run
    from scenarios.scenario import Scenario

#: Lyapunov exponents to look at.
_EXPONENTS = 4
#: What a network may take to be drawn for a look.
_MOST_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class DrawnWeights:
    """The recurrent weight of every neuron of one layer, and the bounds on it.

    Attributes:
        layer: which layer, from 1.
        time_steps: T.
        look: u and |u|^T, with the line 2^(1/T) / sup |phi'|.
        max_slope: sup |phi'|.
        low, high: the |u| that keeps the T - 1 hops within 3 decades while phi' is at its steepest.
        draw: what u is drawn from, None where no theory knows.
    """

    layer: int
    time_steps: int
    look: RecurrentWeights
    max_slope: float
    low: float
    high: float
    draw: str | None

    @property
    def beyond(self) -> int:
        """Neurons whose gradient can more than double over T steps."""
        return int((abs(self.look.u) > self.look.line).sum())

    @property
    def within(self) -> int:
        """Neurons from `low` to `high`."""
        size = abs(self.look.u)
        return int(((size >= self.low) & (size <= self.high)).sum())

    def to_dict(self) -> dict[str, object]:
        """All of it in plain Python types; the logarithm of a zero is None."""
        return {
            "layer": self.layer,
            "time_steps": self.time_steps,
            "u": self.look.u.tolist(),
            "log10_power": _plain(self.look.log10_power),
            "log10_bound": _plain(self.look.log10_bound),
            "line": self.look.line,
            "beyond": self.beyond,
            "low": self.low,
            "high": self.high,
            "within": self.within,
            "draw": self.draw,
        }


@dataclass(frozen=True, slots=True)
class Drawn:
    """A look at the network as drawn. What is None has its reason under its name in `reasons`.

    Attributes:
        recurrent_weights: of the last layer of irnn or indrnn.
        lyapunov_exponents: the largest of the last layer, largest first, along the trajectory of
            the first sample, in decades a time step; -inf for directions that die.
        measured_decades_per_hop: what the gradient changes by from one time step to the one before,
            as the run's verdict has it at step 0.
        reasons: by field name, why there is none.
    """

    recurrent_weights: DrawnWeights | None = None
    lyapunov_exponents: HostArray | None = None
    measured_decades_per_hop: float | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """The numbers by name, without the reasons."""
        weights, exponents = self.recurrent_weights, self.lyapunov_exponents
        return {
            "recurrent_weights": None if weights is None else weights.to_dict(),
            "lyapunov_exponents": None if exponents is None else _plain(exponents),
            "measured_decades_per_hop": self.measured_decades_per_hop,
        }


def look_at_draw(scenario: Scenario) -> Drawn:
    """Draw a recurrent scenario's network and run it once, on the CPU."""
    names = ("recurrent_weights", "lyapunov_exponents", "measured_decades_per_hop")
    if not ARCHITECTURES[scenario.network.kind].recurrent:
        told = "only recurrent networks are looked at along their time steps"
        return Drawn(reasons=dict.fromkeys(names, told))
    if scenario.task.time_steps == 1:
        return Drawn(reasons=dict.fromkeys(names, "a single time step has no hop"))
    from engine.network import workspace_bytes
    from scenarios.runner import Run, network_spec

    needed = workspace_bytes(network_spec(scenario))
    if needed > _MOST_BYTES:
        told = f"too large for a quick look: running it takes {needed / 2**30:,.1f} GiB"
        return Drawn(reasons=dict.fromkeys(names, told))
    try:
        run = Run(scenario.with_changes({"run.device": "cpu", "training.steps": 0}))
        (frame,) = run.frames()
    except ScenarioError as error:
        return Drawn(reasons=dict.fromkeys(names, str(error)))
    reasons = {}
    weights = exponents = None
    if ARCHITECTURES[scenario.network.kind].layer.hop_role in ("vector", "identity"):
        weights = _weights(run)
    else:
        reasons[names[0]] = "only irnn and indrnn give every neuron a recurrent weight of its own"
    try:
        exponents = run.lyapunov_exponents(_EXPONENTS)
    except EngineError as error:
        reasons[names[1]] = str(error)
    rate = frame.verdict.decades_per_hop
    if rate is None:
        overflowed = frame.verdict.overflow is not None
        reasons[names[2]] = (
            f"the forward pass left {scenario.run.dtype}"
            if overflowed
            else "the measured gradient is exactly 0 on the way"
        )
    return Drawn(weights, exponents, rate, reasons)


def _weights(run: Run) -> DrawnWeights:
    from engine.activations import ACTIVATIONS
    from engine.theory import describe_draw, recurrent_weights, weights_within
    from scenarios.runner import init_spec, network_spec

    spec = network_spec(run.scenario)
    layer = ARCHITECTURES[spec.kind].layer
    slope = ACTIVATIONS[layer.fixed_activation or spec.activation].max_slope
    weights = run.recurrent_weights(spec.depth)
    u = weights if weights.ndim == 1 else weights.diagonal()
    low, high = weights_within(THRESHOLD_DECADES, spec.time_steps - 1, slope)
    look = recurrent_weights(u, spec.time_steps, slope)
    draw = describe_draw(spec, init_spec(run.scenario))
    return DrawnWeights(spec.depth, spec.time_steps, look, slope, low, high, draw)


def _plain(values: HostArray) -> list[float | None]:
    import numpy as np

    return [value if np.isfinite(value) else None for value in values.tolist()]
