"""Page: the forward equations of an MLP, a CNN and an RNN are one equation."""

from __future__ import annotations

import math

from scenarios.lesson.blocks import Chart, Curve, Formula, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import activation_title, first_frame, log10_of, small
from scenarios.plain import finite


def _read(settings: Settings) -> Reading:
    depth, gain = settings.whole("layers"), settings.number("gain")
    activation = settings.word("activation")
    scenario = small(
        "forward",
        "Lesson: forward",
        {
            "network.kind": "mlp",
            "network.activation": activation,
            "network.depth": depth,
            "init.weight_scale": gain,
        },
    )
    _, frame = first_frame(scenario)
    sizes = [float(size) for size in frame.activation_rms[:, 0]]
    logs = [log10_of(size) for size in sizes]
    zeros = float(frame.zero_fraction[:, 0].mean())
    saturated = float(frame.saturated_fraction[:, 0].mean())
    blocks = (
        Text(
            "Every network in this lesson does the same two things, again and again: multiply by "
            "weights, apply φ. [ ] marks a slope φ′ from here on, { } a weight."
        ),
        Formula(
            (
                "MLP   aₗ = hₗ₋₁ · {Wₗ} + bₗ              hₗ = φ(aₗ)",
                "CNN   the same, with im2col's patches for hₗ₋₁",
                "RNN   aₜ = xₜ · W + hₜ₋₁ · {U} + b       hₜ = φ(aₜ)",
            )
        ),
        Text(
            "An MLP or a CNN has a new {W} in each layer. An RNN has one {U} for all time steps "
            "(many books call it W, too). Keep that difference in mind: it decides the lesson."
        ),
        Chart("log10 of the size of h, layer by layer", "layer", (Curve("h", tuple(logs)),)),
        Text(
            f"{depth} {activation_title(activation)} layers of 64 units, weights of variance "
            f"{gain:g}²/64: the size of h (its RMS) goes from *{sizes[0]:.3g}* in layer 1 to "
            f"*{sizes[-1]:.3g}* in layer {depth}. {_observed(sizes)} Exactly 0: {zeros:.0%} "
            f"of all h. Where φ is flat: {saturated:.0%} of all units."
        ),
        Text(
            "With relu, which gain keeps the size level? ReLU sets half of all units to 0, which "
            "halves the square of the size at every layer.",
            asks=True,
        ),
    )
    numbers = {
        "rms_first": finite(sizes[0]),
        "rms_last": finite(sizes[-1]),
        "zero_fraction": finite(zeros),
        "saturated_fraction": finite(saturated),
    }
    return Reading(blocks, numbers, scenario)


def _observed(sizes: list[float]) -> str:
    ratio = sizes[-1] / sizes[0] if sizes[0] else 0.0
    if not math.isfinite(ratio):
        return "It has left the range of numbers."
    if ratio < 0.1:
        return "The signal fades on its way in."
    return "The signal grows on its way in." if ratio > 10.0 else "The signal gets through."


PAGE = Page(
    name="forward",
    title="Forward: multiply by weights, apply φ, repeat",
    knobs=(
        Knob("activation", "φ", "tanh", choices=("sigmoid", "tanh", "relu", "linear")),
        Knob("gain", "gain", 1.0, 0.0, 10.0, 0.1),
        Knob("layers", "layers", 20, 2, 300, 5),
    ),
    source="Poole et al. 2016 (weights of variance gain²/fan-in); Li et al. 2018 for "
    "the recurrent form",
    read=_read,
)
