"""Page: ten sigmoids leave at most 0.25^10."""

from __future__ import annotations

import math

from engine.verdict import THRESHOLD_DECADES
from scenarios.lesson.blocks import Chart, Curve, Formula, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import (
    activation_title,
    factor,
    first_frame,
    log10_of,
    max_slope,
    minus,
    part,
    power,
    small,
)
from scenarios.plain import finite


def _read(settings: Settings) -> Reading:
    from engine.theory import slope_bound, slope_bound_decades

    depth, weight = settings.whole("layers"), settings.number("weight")
    activation = settings.word("activation")
    scenario = small(
        "sigmoid",
        "Lesson: a chain of slopes",
        {
            "network.kind": "mlp",
            "network.activation": activation,
            "network.depth": depth,
            "network.hidden_size": 1,
            "network.bias": False,
            "task.input_size": 1,
            "init.scheme": "identity",
            "init.weight_scale": weight,
        },
    )
    _, frame = first_frame(scenario)
    assert frame.log10_grad_a is not None
    grad_h = [float(value) for value in frame.log10_grad_h[:, 0]]
    grad_a = [float(value) for value in frame.log10_grad_a[:, 0]]
    # The gradient of a_l has crossed the slopes of layers l to D; that of a_1 all of them.
    measured = [minus(value, grad_h[-1]) for value in grad_a]
    steepest = max_slope(activation)
    bound = slope_bound_decades(steepest, depth)
    taken = part(grad_a, grad_h)
    reached = sum(value != -math.inf for value in grad_h)
    formula = f"{steepest:.4g}^{depth}", f"{slope_bound(steepest, depth):.3g}", power(bound)
    weights = log10_of(weight)
    # One weight fewer than slopes: the loss lies right above the last slope.
    most = [
        slope_bound_decades(steepest, slopes) + (weights * (slopes - 1) if slopes > 1 else 0.0)
        for slopes in range(depth, 0, -1)
    ]
    name = activation_title(activation)
    blocks = (
        Text(
            "Make the weights as dull as can be: one unit a layer, every weight "
            f"{weight:g}, no bias. What can still change along the way is the slopes. "
            + (
                "A sigmoid's slope is φ′(a) = φ(a)(1 − φ(a)), largest at a = 0, where it is "
                f"*1/4*. {depth} layers multiply {depth} such slopes:"
                if activation == "sigmoid"
                else f"The slope of {name} is at most *{steepest:.4g}*. The product of all:"
            )
        ),
        Formula((f"[φ′(a₁)] · [φ′(a₂)] ··· [φ′(a_D)]  ≤  {' = '.join(dict.fromkeys(formula))}",)),
        Chart(
            "log10 of what is left, from the loss back to layer 1",
            "layer",
            (
                Curve("measured |∂L/∂a|", tuple(measured)),
                Curve("the most possible, were every slope the steepest", tuple(most)),
            ),
        ),
        Text(
            f"Measured over {depth} {name} layers: the slopes "
            + ("" if reached == depth else f"of the {reached} that anything reaches ")
            + f"leave *{power(taken)}*, which is {factor(taken / reached)} a layer. "
            f"Weights and slopes together leave *{power(measured[0])}*. "
            f"{_meaning(measured[0], weight)}"
        ),
        Text(
            _question(activation, weight),
            asks=True,
        ),
    )
    numbers = {
        "max_slope": steepest,
        "bound_decades": bound,
        "slope_decades": finite(taken),
        "decades": finite(measured[0]),
    }
    return Reading(blocks, numbers, scenario)


def _meaning(decades: float, weight: float) -> str:
    if decades == -math.inf:
        return "A slope is exactly 0 on every path." if weight else "Nothing passes a weight of 0."
    if decades < -45.0:
        return (
            "Numbers of 32 bits end at 10^-45: a framework prints 0 here. The engine keeps the "
            "exponent apart, so this is the true size."
        )
    if decades < -THRESHOLD_DECADES:
        return "Layer 1 learns that many times more slowly than the last: the gradient vanishes."
    return "Layer 1 still learns." if decades <= THRESHOLD_DECADES else "The gradient explodes."


def _question(activation: str, weight: float) -> str:
    if activation != "sigmoid":
        return (
            "Compare the weights 1 and 4: what do the slopes alone leave at each? And the "
            "sigmoid, whose slope never exceeds 1/4?"
        )
    start = (
        "Four times 1/4 is 1, and the weight is 4. Why is it worse than at 1? (Look where a lies, "
        if weight == 4.0
        else "Four times 1/4 is 1, so set the weight to 4. Why does it get worse? (Look where a "
        "lies then, "
    )
    return f"{start}and what the slopes alone leave.) And tanh, whose slope reaches 1?"


PAGE = Page(
    name="sigmoid",
    title="Ten sigmoids: 0.25^10",
    knobs=(
        Knob("layers", "layers", 10, 2, 500),
        Knob("weight", "weight", 1.0, 0.0, 20.0, 0.5),
        Knob(
            "activation",
            "φ",
            "sigmoid",
            choices=("sigmoid", "tanh", "softplus", "gelu", "relu", "linear"),
        ),
    ),
    source="Hochreiter 1991; Bengio, Simard and Frasconi 1994; Glorot and Bengio 2010",
    read=_read,
)
