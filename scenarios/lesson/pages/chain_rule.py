"""Page: the chain rule multiplies by phi' and by W at every layer."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from scenarios.lesson.blocks import Chart, Curve, Formula, Table, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import activation_title, change, factor, first_frame, many, minus, small
from scenarios.plain import finite

if TYPE_CHECKING:
    from scenarios.runner import Run

#: How far a weight is moved to see what the loss does. Small enough for the square of it to be
#: nothing, large enough for the difference of two losses to keep its digits.
_NUDGE = 1e-5


def _read(settings: Settings) -> Reading:
    depth, gain = settings.whole("layers"), settings.number("gain")
    activation = settings.word("activation")
    scenario = small(
        "chain-rule",
        "Lesson: the chain rule",
        {
            "network.kind": "mlp",
            "network.activation": activation,
            "network.depth": depth,
            "network.hidden_size": 32,
            "task.input_size": 32,
            "init.weight_scale": gain,
        },
    )
    run, frame = first_frame(scenario)
    assert frame.log10_grad_a is not None
    grad_h = [float(value) for value in frame.log10_grad_h[:, 0]]
    grad_a = [float(value) for value in frame.log10_grad_a[:, 0]]
    slopes = [minus(grad_a[layer], grad_h[layer]) for layer in range(1, depth)]
    weights = [minus(grad_h[layer - 1], grad_a[layer]) for layer in range(1, depth)]
    total = minus(grad_h[0], grad_h[-1])
    backprop, measured = _nudged(run)
    rows = [
        (
            f"{layer + 1} to {layer}",
            f"{10.0 ** grad_h[layer]:.3g}",
            f"[{factor(slopes[layer - 1])}]",
            f"{{{factor(weights[layer - 1])}}}",
            f"{10.0 ** grad_h[layer - 1]:.3g}",
        )
        for layer in range(depth - 1, 0, -1)
    ]
    blocks = (
        Text(
            "Backpropagation runs the two forward lines in reverse. φ brings its slope, the "
            "product brings the weights, transposed:"
        ),
        Formula(
            (
                "∂L/∂aₗ   = ∂L/∂hₗ ⊙ [φ′(aₗ)]      ⊙: number by number",
                "∂L/∂hₗ₋₁ = ∂L/∂aₗ · {Wₗᵀ}",
            )
        ),
        Text("Put one into the other, down to layer 1, and nothing but a long product is left:"),
        Formula(("∂L/∂h₁ = ∂L/∂h_D ⊙ [φ′(a_D)] · {W_Dᵀ} ⊙ ··· ⊙ [φ′(a₂)] · {W₂ᵀ}",)),
        Table(
            "<>>>>",
            ("layer", "|∂L/∂h|", "times [φ′]", "times {W}", "= |∂L/∂h| below"),
            tuple(rows),
            f"from the loss down: {activation_title(activation)}, gain {gain:g}, sizes as RMS",
        ),
        Chart(
            "log10 of what each has done by then, from the loss on",
            "layer",
            (
                Curve("[φ′] alone", _added_up(slopes)),
                Curve("{W} alone", _added_up(weights)),
                Curve(
                    "both: |∂L/∂h|",
                    _added_up([sum(hop) for hop in zip(slopes, weights, strict=True)]),
                ),
            ),
        ),
        Text(
            f"Over {many(depth - 1, 'hop')} [φ′] *{change(sum(slopes))}* and {{W}} "
            f"*{change(sum(weights))}*: a factor of {factor(total)}. The split is exact, and the "
            "rest of this lesson asks only who wins this product."
        ),
        Text(
            f"Is it true? Move one weight of layer 1 by {_NUDGE:g} up and down and watch the "
            f"loss: its slope is *{measured:.6g}*. Backpropagation says *{backprop:.6g}*."
        ),
        Text("Which φ makes [φ′] take nothing at all? What does {W} do at gain 2?", asks=True),
    )
    numbers = {
        "slope_decades": finite(sum(slopes)),
        "weight_decades": finite(sum(weights)),
        "decades": finite(total),
        "nudged_slope": measured,
        "backprop_slope": backprop,
    }
    return Reading(blocks, numbers, scenario)


def _added_up(hops: list[float]) -> tuple[float, ...]:
    """Decades from the loss to each layer, from those of each hop, lowest first."""
    return (*reversed([*accumulate(reversed(hops))]), 0.0)


def _nudged(run: Run) -> tuple[float, float]:
    """dL/dw of layer 1's weight with the largest gradient: by backprop, by moving the weight."""
    import numpy as np

    network = run.network
    gradient = network.gradient("layer1.W")[0]
    place = np.unravel_index(np.argmax(abs(gradient)), gradient.shape)
    weight = network.parameters["layer1.W"][0]
    x, target = run.input[None], run.target[None]
    before = float(weight[place])
    losses = []
    for moved in (before + _NUDGE, before - _NUDGE):
        weight[place] = moved
        losses.append(float(network.loss(x, target)[0]))
    weight[place] = before
    return float(gradient[place]), (losses[0] - losses[1]) / (2.0 * _NUDGE)


PAGE = Page(
    name="chain-rule",
    title="Backward: the chain rule brings [φ′] and {W}",
    knobs=(
        Knob("activation", "φ", "tanh", choices=("sigmoid", "tanh", "relu", "linear")),
        Knob("gain", "gain", 1.0, 0.1, 10.0, 0.1),
        Knob("layers", "layers", 6, 2, 20),
    ),
    source="Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating "
    "errors; in this form Glorot and Bengio 2010",
    read=_read,
)
