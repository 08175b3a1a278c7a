"""Page: ReLU's slope is 0 or 1, so it stops a path or leaves it alone."""

from __future__ import annotations

import math

from scenarios.lesson.blocks import Chart, Curve, Formula, Table, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import factor, fate, first_frame, many, part, power, profile, small
from scenarios.plain import finite


def _read(settings: Settings) -> Reading:
    from scenarios.predictions import predict

    depth, width, gain = settings.whole("layers"), settings.whole("width"), settings.number("gain")
    curves, rows, numbers = [], [], {}
    for activation, title in (("relu", "ReLU"), ("sigmoid", "sigmoid")):
        scenario = small(
            "relu",
            f"Lesson: {title}",
            {
                "network.kind": "mlp",
                "network.activation": activation,
                "network.depth": depth,
                "network.hidden_size": width,
                "task.input_size": width,
                "init.weight_scale": gain,
            },
        )
        _, frame = first_frame(scenario)
        assert frame.log10_grad_a is not None
        grad_h, grad_a = frame.log10_grad_h[:, 0], frame.log10_grad_a[:, 0]
        slopes = part(grad_a[1:], grad_h[1:])
        weights = part(grad_h[:-1], grad_a[1:])
        relative = profile(frame)
        # Behind an exact zero there is nothing that a part could act on.
        slope_hops = max(int((grad_h[1:] != -math.inf).sum()), 1)
        weight_hops = int((grad_a[1:] != -math.inf).sum())
        rows.append(
            (
                title,
                f"[{factor(slopes / slope_hops)}]",
                f"{{{factor(weights / weight_hops)}}}" if weight_hops else "{none}",
                power(relative[0]),
                fate(relative[0]),
            )
        )
        curves.append(Curve(title, tuple(relative)))
        numbers[f"{activation}_decades"] = finite(relative[0])
        numbers[f"{activation}_slope_decades"] = finite(slopes)
        if activation == "relu":
            opened = 1.0 - float(frame.zero_fraction[:, 0].mean())
            relu_scenario, relu_decades = scenario, relative[0]
    numbers["share_of_slopes_1"] = opened
    edge = predict(scenario.with_changes({"init.weight_scale": 1.0})).critical_weight_scale
    assert edge is not None
    numbers["critical_gain_sigmoid"] = edge
    blocks = (
        Text(
            "ReLU has only two slopes. A unit that is on passes the gradient on whole, a unit "
            "that is off stops it. Along any path that is on, however long, the slopes multiply "
            "to exactly *1*, where a sigmoid's would multiply to 0.25^n at best."
        ),
        Formula(("[φ′(a)] = 1 where a > 0, else 0",)),
        Chart(
            f"log10 of |∂L/∂h|: {depth} layers, the same weights, two activations",
            "layer",
            tuple(curves),
        ),
        Table(
            "<>>><",
            ("", "[φ′] a hop", "{W} a hop", f"over {many(depth - 1, 'hop')}", ""),
            tuple(rows),
        ),
        Text(
            f"*{opened:.0%}* of all ReLU slopes are 1 here, the others 0. Stopping half of the "
            "paths costs a factor √(1/2) = 0.707 in the RMS, and weights of gain √2 = 1.414 pay "
            f"for it exactly; the gain is {gain:g}. {_dead(relu_decades, gain)}For the "
            f"sigmoid theory puts that gain at {edge:.3g}: no initialiser draws such weights, "
            "and nearly every unit would lie where φ is flat."
        ),
        Text(
            ("Find the price of 0: make the network 2 units wide. " if width > 2 else "")
            + "Where does the gradient become exactly 0, and why can no training repair that?",
            asks=True,
        ),
    )
    return Reading(blocks, numbers, relu_scenario)


def _dead(decades: float, gain: float) -> str:
    if fate(decades) != "dead":
        return ""
    if gain == 0.0:
        return "Weights of 0 pass nothing: layer 1 gets exactly 0. "
    return "Here every path is off somewhere: layer 1 gets exactly 0. "


PAGE = Page(
    name="relu",
    title="ReLU: the slope is 0 or 1",
    knobs=(
        Knob("layers", "layers", 50, 2, 300, 10),
        Knob("gain", "gain", 1.4, 0.0, 10.0, 0.1),
        Knob("width", "width", 64, 1, 128),
    ),
    source="Glorot, Bordes and Bengio 2011, Deep sparse rectifier neural networks; He et al. 2015, "
    "eq. 10 (gain √2)",
    read=_read,
)
