"""Remedies against vanishing and exploding gradients: each a few changes to a scenario.

To add one: a function that says what it changes, and its registration at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.registry import Registry
from scenarios.errors import ScenarioError
from scenarios.fields import KIND, SCHEME
from scenarios.schema import misfit

if TYPE_CHECKING:
    from scenarios.fields import Value
    from scenarios.scenario import Scenario

Changes: TypeAlias = "dict[str, Value]"

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
    """

    name: str
    title: str
    about: str
    source: str
    proposal: Callable[[Scenario], Changes]

    def changes(self, scenario: Scenario) -> Changes:
        """What it changes about a scenario, as --set would: values by dotted key.

        Raises ScenarioError, with a line that says why, where it does not apply.
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
    if ARCHITECTURES[kind].hop_role not in ("matrix", "square", "kernel"):
        reason = (
            "an orthogonal matrix turns a vector of units, and here no matrix stands at the hop"
        )
        raise ScenarioError(scenario.name, reason, key=KIND, value=kind)
    scheme: Changes = {SCHEME: "delta_orthogonal" if kind == "cnn" else "orthogonal"}
    turned = scenario.with_changes(scheme, source=scenario.name)
    try:
        return scheme | _critical(turned)
    except ScenarioError:
        # Without an edge to be at, lengths are kept as they are.
        return scheme | {ARCHITECTURES[kind].hop_scale: 1.0}


def _identity(scenario: Scenario) -> Changes:
    kind = scenario.network.kind
    if ARCHITECTURES[kind].layer.gates:
        reason = "its state passes through a gate, not through U; the forget bias opens that"
        raise ScenarioError(scenario.name, reason, key=KIND, value=kind)
    return {SCHEME: "identity", ARCHITECTURES[kind].hop_scale: 1.0}


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
    architecture = ARCHITECTURES[network.kind]
    if architecture.recurrent:
        return {"network.norm": "layer"}
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
    ),
    Remedy(
        "bound",
        "bound on u",
        "Keeps |u|^T at 2 or below from the start and after every update, so that no neuron's "
        "gradient can grow further.",
        "Li et al. 2018, section 3.1",
        _bound,
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
        "Gives what W hands on a variance of 1, whatever its scale. A recurrent U, and with it "
        "the way back through time, is left alone.",
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
):
    REMEDIES.register(_remedy)
