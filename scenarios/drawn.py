"""What a network's own recurrent weights show, beside what theory says of all draws."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.architectures import ARCHITECTURES
from engine.errors import EngineError
from engine.verdict import THRESHOLD_DECADES
from scenarios.errors import ScenarioError
from scenarios.plain import finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import HostArray
    from engine.theory import RecurrentWeights
    from scenarios.runner import Run
    from scenarios.scenario import Scenario

#: Lyapunov exponents to look at.
_EXPONENTS = 4
#: What a network may take to be drawn for a look: bytes, and multiplications, some seconds.
_MOST_BYTES, _MOST_WORK = 2**30, 2e11
#: Most units whose eigenvalues are computed: a second or two.
_MOST_UNITS = 1024

_SHARED = "only irnn and indrnn give every neuron a recurrent weight of its own"


@dataclass(frozen=True, slots=True)
class DrawnWeights:
    """The recurrent weight of every neuron of one layer, and the bounds on it.

    Attributes:
        layer: which layer, from 1.
        time_steps: T.
        look: u and |u|^T, with the line 2^(1/T) / sup |phi'|.
        max_slope: sup |phi'|.
        low, high: the |u| that keeps the T - 1 hops within 3 decades while phi' is at its steepest.
        draw: what u is drawn from, None where no theory knows or training has changed it.
    """

    layer: int
    time_steps: int
    look: RecurrentWeights
    max_slope: float
    low: float
    high: float
    draw: str | None = None

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
class MatrixWeights:
    """The recurrent matrix of one layer of rnn or irnn.

    Attributes:
        layer: which layer, from 1.
        eigenvalues: of U, (H,), complex, largest modulus first.
        largest_singular_value: of U.
        exponents: the largest Lyapunov exponents in decades a time step, as in `Drawn`, or in one
            line why there are none.
    """

    layer: int
    eigenvalues: NDArray[np.complex128]
    largest_singular_value: float
    exponents: HostArray | str


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
    from engine.plan import workspace_bytes
    from engine.theory import describe_draw
    from scenarios.blas import step_product
    from scenarios.runner import Run, init_spec, network_spec

    spec = network_spec(scenario)
    needed = workspace_bytes(spec)
    # Forward, back and the weights' gradients meet U once each.
    work = 3 * spec.depth * spec.time_steps * step_product(spec)
    if needed > _MOST_BYTES or work > _MOST_WORK:
        told = "too large for a quick look: running it takes "
        told += (
            f"{needed / 2**30:,.1f} GiB" if needed > _MOST_BYTES else f"{work:.1e} multiplications"
        )
        return Drawn(reasons=dict.fromkeys(names, told))
    try:
        run = Run(scenario.with_changes({"run.device": "cpu", "training.steps": 0}))
        (frame,) = run.frames()
    except ScenarioError as error:
        return Drawn(reasons=dict.fromkeys(names, str(error)))
    reasons = {}
    weights = exponents = None
    if ARCHITECTURES[scenario.network.kind].layer.hop_role in ("vector", "identity"):
        u = run.recurrent_weights(spec.depth)
        u = u if u.ndim == 1 else u.diagonal()
        weights = replace(
            _by_neuron(run, spec.depth, u), draw=describe_draw(spec, init_spec(scenario))
        )
    else:
        reasons[names[0]] = _SHARED
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


def look_at_weights(run: Run, layer: int) -> DrawnWeights | MatrixWeights | str:
    """The recurrent weights of layer `layer` (from 1) as they are now, or in a line why not."""
    import numpy as np

    kind = ARCHITECTURES[run.scenario.network.kind].layer
    if not kind.recurrent:
        return "this network has no recurrent weights: each layer's W is met once"
    if kind.gates:
        return (
            "what carries the state here is a gate, not a weight: U only moves the gates. Who "
            "kills it shows the path through the gate"
        )
    if run.network.spec.time_steps == 1:
        return "a single time step never meets the recurrent weights"
    weights = run.recurrent_weights(layer)
    if not np.isfinite(weights).all():
        return "the recurrent weights are not finite any more"
    if weights.ndim == 1:
        return _by_neuron(run, layer, weights)
    if len(weights) > _MOST_UNITS:
        return f"eigenvalues of more than {_MOST_UNITS} units take too long to look at"
    from engine.theory import largest_singular_value

    values = np.linalg.eigvals(weights).astype(np.complex128)
    values = values[np.argsort(-1.0 * abs(values), kind="stable")]
    return MatrixWeights(layer, values, largest_singular_value(weights), _exponents(run, layer))


def _exponents(run: Run, layer: int) -> HostArray | str:
    if layer != run.network.spec.depth:
        return "measured in the last layer"
    try:
        return run.lyapunov_exponents(_EXPONENTS)
    except EngineError as error:
        return str(error)


def _by_neuron(run: Run, layer: int, u: HostArray) -> DrawnWeights:
    from engine.activations import ACTIVATIONS
    from engine.theory import recurrent_weights, weights_within

    spec = run.network.spec
    kind = ARCHITECTURES[spec.kind].layer
    slope = ACTIVATIONS[kind.fixed_activation or spec.activation].max_slope
    low, high = weights_within(THRESHOLD_DECADES, spec.time_steps - 1, slope)
    return DrawnWeights(
        layer=layer,
        time_steps=spec.time_steps,
        look=recurrent_weights(u, spec.time_steps, slope),
        max_slope=slope,
        low=low,
        high=high,
    )


def _plain(values: HostArray) -> list[float | None]:
    return [finite(value) for value in values.tolist()]
