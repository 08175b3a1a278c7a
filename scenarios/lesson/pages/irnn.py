"""Page: Hinton's IRNN starts the recurrent matrix at the identity."""

from __future__ import annotations

from scenarios.lesson.blocks import Beside, Chart, Curve, Formula, Plane, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import first_frame, log10_of, power, profile, recurrent
from scenarios.plain import finite


def _read(settings: Settings) -> Reading:
    import numpy as np

    from engine.theory import spectral_radius
    from scenarios.runner import Run

    steps, scale = settings.whole("steps"), settings.number("scale")
    updates = settings.whole("updates")
    hops = steps - 1
    start = recurrent(
        "irnn",
        "Lesson: IRNN",
        "irnn",
        {
            "init.scheme": "identity",
            "init.recurrent_scale": scale,
            "task.time_steps": steps,
        },
    )
    trained = {"training.steps": updates, "training.clip_norm": 1.0, "training.learning_rate": 0.01}
    scenario = start.with_changes(trained)
    run = Run(scenario)
    frames = list(run.frames())
    first, last = frames[0], frames[-1]
    u = run.network.parameters["layer1.U"][0]
    values = tuple(complex(value) for value in np.linalg.eigvals(u))
    radius = spectral_radius(u)
    gaussian = start.with_changes(
        {"network.kind": "rnn", "network.activation": "relu", "init.scheme": "gaussian"}
    )
    _, beside = first_frame(gaussian)
    opened = 1.0 - float(first.zero_fraction.mean())
    per_hop = log10_of(scale)
    bound = per_hop * hops
    above, below = (power(log10_of(scale + off) * hops) for off in (0.02, -0.02))
    before, after, other = profile(first), profile(last), profile(beside)
    curves = [
        Curve("IRNN", tuple(before)),
        Curve(f"Gaussian U of gain {scale:g}, ReLU", tuple(other)),
    ]
    if updates:
        curves.insert(1, Curve(f"IRNN after {updates} updates", tuple(after)))
    blocks = (
        Text(
            "Le, Jaitly and Hinton: keep the plain RNN, but use ReLU and start {U} as the "
            "identity matrix"
            + (
                ". Every eigenvalue is 1, every slope 0 or 1. A unit that is on copies its past, "
                "and its gradient, unchanged:"
                if scale == 1.0
                else f", here times {scale:g}. Every eigenvalue is {scale:g} at the start, every "
                "slope 0 or 1. A unit that is on hands on its past, and its gradient, times "
                f"{scale:g}:"
            )
        ),
        Formula(
            (
                "hₜ = ReLU(xₜ · W + hₜ₋₁ · {U} + b),   "
                + ("{U = I}" if scale == 1.0 else f"{{U = {scale:g} I}}")
                + ",   b = 0",
                f"while a unit is on:  ∂hₜ/∂hₜ₋₁ = [1] · {{{scale:g}}} = {scale:g}",
            )
        ),
        Beside(
            (
                Plane(
                    "eigenvalues of U" + (f" after {updates} updates" if updates else ""), values
                ),
                Chart("log10 of |∂L/∂h|", "time", tuple(curves)),
            )
        ),
        Text(
            f"Measured over {hops} steps: *{power(before[0])}* for the IRNN, {power(other[0])} "
            f"for a Gaussian U of the same gain. Were every unit on all the time it would be "
            f"{power(bound)}. It is less, because only *{opened:.0%}* of the units are on: where "
            "the input turns a unit off, that unit's gradient stops."
            + (" So it is not exactly 1, only much closer to it." if scale == 1.0 else "")
        ),
        Text(
            "And I is where U starts, not where it stays. "
            + (
                f"After {updates} updates the largest |λ| is *{radius:.4f}*, which over {hops} "
                f"steps can make {power(log10_of(radius) * hops)}: U is a matrix like page "
                "6's again."
                if updates
                else "Nothing holds it there: turn up the updates, and it becomes a matrix like "
                "page 6's again."
            )
            + f" The path is narrow: 0.02 off the scale is {above} or {below} over {hops} steps."
        ),
        Text(
            "Set the updates to 100 and watch the eigenvalues leave their point. Then set the "
            "scale to 0.9 and to 1.1, without updates: how narrow is the path?",
            asks=True,
        ),
    )
    numbers = {
        "decades": finite(before[0]),
        "bound_decades": finite(bound),
        "gaussian_decades": finite(other[0]),
        "share_on": finite(opened),
        "decades_after_updates": finite(after[0]),
        "spectral_radius_after_updates": finite(radius),
    }
    return Reading(blocks, numbers, scenario)


PAGE = Page(
    name="irnn",
    title="Hinton's IRNN: start at the identity",
    knobs=(
        Knob("scale", "scale of I", 1.0, 0.0, 3.0, 0.01),
        Knob("updates", "updates", 0, 0, 200, 10),
        Knob("steps", "steps", 100, 2, 300, 10),
    ),
    source="Le, Jaitly and Hinton 2015, A simple way to initialize recurrent networks of rectified "
    "linear units, section 2",
    read=_read,
)
