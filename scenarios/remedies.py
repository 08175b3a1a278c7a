"""Remedies against vanishing and exploding gradients: each a few changes to a scenario.

To add one: a function that says what it changes, and its registration at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.culprits import culprits
from engine.registry import Registry
from scenarios.errors import ScenarioError
from scenarios.fields import KIND, SCHEME
from scenarios.schema import misfit

if TYPE_CHECKING:
    from engine.activations import Activation
    from engine.frame import Frame
    from scenarios.field import Value
    from scenarios.scenario import Scenario

Changes: TypeAlias = "dict[str, Value]"

#: What a gradient is of which little or nothing arrives.
_LOST = ("vanishing", "dead")

#: The authors' bound on |u|^T (Li et al. 2018), and what a gradient's norm is cut to.
_GAMMA, _CLIP_NORM = 2.0, 1.0


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something to try against a sick gradient.

    Attributes:
        name: a word.
        title: the name to show.
        about: what it does to the gradient, in a sentence.
        source: the paper.
        proposal: what it changes, see `changes`.
        needless: why a gradient as measured has no need of it, None if it has; None for a remedy
            that is offered whatever was measured.
    """

    name: str
    title: str
    about: str
    source: str
    proposal: Callable[[Scenario], Changes]
    needless: Callable[[Sequence[Frame]], str | None] | None = None

    def changes(self, scenario: Scenario, frames: Sequence[Frame] = ()) -> Changes:
        """What it changes about a scenario, as --set would: values by dotted key.

        `frames` are what was measured of it, the first of them of step 0. Raises ScenarioError,
        with a line that says why, where it does not apply or is not needed.
        """
        proposed = self.proposal(scenario)
        values = scenario.values()
        for key in proposed:
            reason = misfit(key, values)
            if reason is not None:
                raise ScenarioError(scenario.name, reason, key=key)
        new = {key: new for key, new in proposed.items() if not _alike(new, values.get(key))}
        if not new:
            key = next(iter(proposed))
            raise ScenarioError(scenario.name, "it is so already", key=key, value=proposed[key])
        needless = self.needless(frames) if frames and self.needless is not None else None
        if needless is not None:
            raise ScenarioError(scenario.name, needless, key=next(iter(proposed)))
        scenario.with_changes(new, source=scenario.name)
        return new


REMEDIES: Registry[Remedy] = Registry()


def _alike(one: Value, other: Value | None) -> bool:
    """Whether two values are the same, numbers to the digits that a remedy rounds to."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-5)
    return one == other


def _critical(scenario: Scenario) -> Changes:
    from scenarios.predictions import critical_scale

    try:
        key, edge = critical_scale(scenario)
    except ValueError as error:
        key = ARCHITECTURES[scenario.network.kind].hop_scale
        raise ScenarioError(scenario.name, str(error), key=key) from error
    # Six digits are as close to the edge as a width of thousands can tell.
    return {key: float(f"{edge:.6g}")}


def _orthogonal(scenario: Scenario) -> Changes:
    kind = scenario.network.kind
    _refuse_gates(scenario)
    if ARCHITECTURES[kind].hop_role not in ("matrix", "square", "kernel"):
        reason = (
            "an orthogonal matrix turns a vector of units, and here no matrix stands at the hop"
        )
        raise ScenarioError(scenario.name, reason, key=KIND, value=kind)
    scheme: Changes = {SCHEME: "delta_orthogonal" if kind == "cnn" else "orthogonal"}
    # Without an edge to be at, lengths are kept as they are.
    return scheme | (_edge_after(scheme, scenario) or {ARCHITECTURES[kind].hop_scale: 1.0})


def _edge_after(changes: Changes, scenario: Scenario) -> Changes:
    """The scale at the edge once `changes` are made; none where there is no edge then."""
    try:
        return _critical(scenario.with_changes(changes, source=scenario.name))
    except ScenarioError:
        return {}


def _slope_1(scenario: Scenario) -> Changes:
    key, name = "network.activation", scenario.network.activation
    fits = misfit(key, scenario.values()) is None
    if fits and name is not None and not _saturates(ACTIVATIONS[name]):
        reason = "its slope is 1 already, or goes there, where a unit is on"
        raise ScenarioError(scenario.name, reason, key=key, value=name)
    relu: Changes = {key: "relu"}
    return relu | (_edge_after(relu, scenario) if fits else {})


def _saturates(activation: Activation) -> bool:
    """Whether its slope falls to 0 on both sides."""
    import numpy as np

    from engine.theory.quadrature import evaluate

    _, slopes = evaluate(activation, np.array([-50.0, 50.0]))
    return bool((slopes < 1e-9).all())


def _slopes_took_little(frames: Sequence[Frame]) -> str | None:
    name = frames[0].verdict.name
    if name not in _LOST:
        return f"nothing vanishes at step 0: {name}"
    most = _taker(frames[0])
    return None if most in (None, "activation") else f"phi' is not what took most: the {most} did"


def _slopes_took_most(frames: Sequence[Frame]) -> str | None:
    if frames[0].verdict.name in _LOST and _taker(frames[0]) == "activation":
        return "phi' is what took most, and still would"
    return None


def _taker(frame: Frame) -> str | None:
    """The part that took most on the way, None where nobody knows."""
    found = culprits(frame)
    if found is None:
        return None
    totals = found.total
    return found.killed[0] if found.killed else min(totals, key=lambda part: totals[part] or 0.0)


def _nothing_to_hold(frames: Sequence[Frame]) -> str | None:
    name = frames[-1].verdict.name
    return f"a bound from above lifts nothing: {name}" if name in _LOST else None


def _nothing_explodes(frames: Sequence[Frame]) -> str | None:
    # What exploded at step 0 may be dead once it was trained.
    if any(frame.verdict.name in ("exploding", "overflow") for frame in frames):
        return None
    return f"nothing explodes: {frames[-1].verdict.name}"


def _identity(scenario: Scenario) -> Changes:
    _refuse_gates(scenario)
    return {SCHEME: "identity", ARCHITECTURES[scenario.network.kind].hop_scale: 1.0}


def _refuse_gates(scenario: Scenario) -> None:
    kind = scenario.network.kind
    if ARCHITECTURES[kind].layer.gates:
        reason = "its state passes through a gate, not through U; the forget bias opens that"
        raise ScenarioError(scenario.name, reason, key=KIND, value=kind)


def _residual(scenario: Scenario) -> Changes:
    return {"network.residual": True}


def _clip(scenario: Scenario) -> Changes:
    training = scenario.training
    if not training.steps:
        reason = "nothing is updated, so there is nothing to clip"
        raise ScenarioError(scenario.name, reason, key="training.steps", value=0)
    if training.clip_norm:
        reason = "its updates are clipped already"
        key = "training.clip_norm"
        raise ScenarioError(scenario.name, reason, key=key, value=training.clip_norm)
    return {"training.clip_norm": _CLIP_NORM}


def _bound(scenario: Scenario) -> Changes:
    return {"network.recurrent_bound": _GAMMA}


def _forget_bias(scenario: Scenario, bias: float) -> Changes:
    key = "init.forget_bias"
    if misfit(key, scenario.values()) is None and not scenario.network.bias:
        reason = "without biases no gate has one to set"
        raise ScenarioError(scenario.name, reason, key="network.bias", value=False)
    return {key: bias}


def _chrono(scenario: Scenario) -> Changes:
    from engine.theory import chrono_bias

    steps = scenario.task.time_steps
    if steps is None or misfit("init.forget_bias", scenario.values()) is not None:
        return _forget_bias(scenario, 0.0)
    try:
        return _forget_bias(scenario, float(f"{chrono_bias(steps):.6g}"))
    except ValueError as error:
        key = "task.time_steps"
        raise ScenarioError(scenario.name, str(error), key=key, value=steps) from error


def _normalisation(scenario: Scenario) -> Changes:
    """Layer or batch normalisation, whichever hands on the squared gradient closer to its size.

    Behind a unit variance a hop of wide layers multiplies it by E[phi'^2] over what the next
    normalisation divides by: E[phi^2] (layer) or the variance of phi (batch).
    """
    from engine.theory.quadrature import hermite_spectra

    network = scenario.network
    if ARCHITECTURES[network.kind].recurrent:
        reason = (
            "it gives what W hands on a variance of 1, and what fades or grows over time passes "
            "U and the gates, which it leaves alone"
        )
        raise ScenarioError(scenario.name, reason, key=KIND, value=network.kind)
    if network.hidden_size == 1:
        # Over one unit there is nothing to compare with.
        return {"network.norm": "batch"}
    spectrum, slopes = hermite_spectra(ACTIVATIONS[network.activation or "tanh"], 1.0)
    square, slope_square = float(spectrum.sum()), float(slopes.sum())
    layer = abs(math.log(slope_square / square))
    batch = abs(math.log(slope_square / (square - float(spectrum[0]))))
    return {"network.norm": "layer" if layer <= batch else "batch"}


for _remedy in (
    Remedy(
        "critical",
        "critical initialisation",
        "Sets the scale of the weights to the edge of chaos, where the squared gradient keeps its "
        "size from hop to hop.",
        "Schoenholz et al. 2017; He et al. 2015 for ReLU",
        _critical,
    ),
    Remedy(
        "orthogonal",
        "orthogonal weights",
        "Draws rotations at the edge of chaos (in a convolution, at the kernel's centre alone): no "
        "direction shrinks or grows by itself.",
        "Saxe et al. 2014; Xiao et al. 2018",
        _orthogonal,
    ),
    Remedy(
        "identity",
        "identity weights",
        "Starts from the identity, so that each unit hands on to itself and only phi' is left to "
        "take anything away.",
        "Le, Jaitly, Hinton 2015",
        _identity,
        _slopes_took_most,
    ),
    Remedy(
        "residual",
        "residual connections",
        "Lets the gradient past every layer as well as through it: it cannot vanish, but where "
        "layers add much of their own it explodes.",
        "He et al. 2016; Li et al. 2018 for IndRNN",
        _residual,
    ),
    Remedy(
        "clip",
        "gradient clipping",
        "Scales updates down to a norm of 1: training survives an exploding gradient, which "
        "explodes all the same.",
        "Pascanu et al. 2013",
        _clip,
        _nothing_explodes,
    ),
    Remedy(
        "bound",
        "bound on u",
        "Keeps |u|^T at 2 or below from the start and after every update, so that no neuron's "
        "gradient can grow further.",
        "Li et al. 2018, section 3.1",
        _bound,
        _nothing_to_hold,
    ),
    Remedy(
        "forget-1",
        "forget bias 1",
        "Opens the gate that keeps memory to sigmoid(1) = 0.73 a step.",
        "Gers et al. 2000; Jozefowicz et al. 2015",
        lambda scenario: _forget_bias(scenario, 1.0),
    ),
    Remedy(
        "chrono",
        "chrono forget bias",
        "Opens that gate to 1 - 1/T, with the bias ln(T - 1): memory for about T steps.",
        "Tallec and Ollivier 2018",
        _chrono,
    ),
    Remedy(
        "norm",
        "normalisation",
        "Gives what W hands on a variance of 1, whatever its scale.",
        "Ioffe and Szegedy 2015; Ba et al. 2016",
        _normalisation,
    ),
    Remedy(
        "forget-0",
        "forget bias 0",
        "The other way round: half shut, the gate keeps half of the memory at each step.",
        "Hochreiter and Schmidhuber 1997; Gers et al. 2000",
        lambda scenario: _forget_bias(scenario, 0.0),
    ),
    Remedy(
        "slope-1",
        "an activation of slope 1",
        "Takes ReLU: its slope is 1 wherever a unit is on, and the scale of the weights makes up "
        "for the units that are off.",
        "Glorot, Bordes, Bengio 2011; He et al. 2015",
        _slope_1,
        _slopes_took_little,
    ),
):
    REMEDIES.register(_remedy)
