"""Page: an RNN multiplies by the same matrix at every step, so its eigenvalues decide."""

from __future__ import annotations

import math

from scenarios.lesson.blocks import Beside, Chart, Curve, Formula, Plane, Table, Text
from scenarios.lesson.page import Knob, Number, Page, Reading, Settings
from scenarios.lesson.runs import (
    activation_title,
    change,
    first_frame,
    log10_of,
    many,
    part,
    power,
    profile,
    recurrent,
)
from scenarios.plain import finite

_ACTIVATIONS = ("linear", "tanh", "relu", "sigmoid")


def _read(settings: Settings) -> Reading:
    import numpy as np

    from engine.theory import largest_singular_value, spectral_radius

    steps, gain = settings.whole("steps"), settings.number("gain")
    chosen = settings.word("activation")
    hops = steps - 1
    numbers: dict[str, Number] = {}
    rows, total = [], 0.0
    for activation in _ACTIVATIONS:
        tried = recurrent(
            "rnn",
            "Lesson: one matrix, again and again",
            "rnn",
            {
                "network.activation": activation,
                "init.recurrent_scale": gain,
                "task.time_steps": steps,
            },
        )
        run, frame = first_frame(tried)
        assert frame.log10_grad_a is not None
        h, a = frame.log10_grad_h[0], frame.log10_grad_a[0]
        slopes, weights = part(a[1:], h[1:]), part(h[:-1], a[1:])
        found = profile(frame)
        name = activation_title(activation)
        rows.append((name, f"[{change(slopes)}]", f"{{{change(weights)}}}", power(found[0])))
        numbers[f"{activation}_decades"] = finite(found[0])
        if activation == chosen:
            scenario, u = tried, run.network.parameters["layer1.U"][0]
            curve, total = found, found[0]
    radius, norm = spectral_radius(u), largest_singular_value(u)
    values = tuple(complex(value) for value in np.linalg.eigvals(u))
    per_hop = log10_of(radius)
    straight = [per_hop * back if back else 0.0 for back in range(hops, -1, -1)]
    blocks = (
        Text(
            "Unroll an RNN over time and it is a network as deep as the sequence is long. But "
            "where a deep network has new weights in every layer, an RNN has the same {U} at "
            "every step (and takes in another input xₜ · W):"
        ),
        Formula(
            (
                "CNN   h₁ ─{W₂}→ h₂ ─{W₃}→ h₃ ─{W₄}→ ··· ─{W_D}→ h_D → loss",
                "RNN   h₁ ─{U}→ h₂ ─{U}→ h₃ ─{U}→ ··· ─{U}→ h_T → loss",
            )
        ),
        Text("The gradient comes back through {U} as often:"),
        Formula(
            (
                "∂L/∂h₁ = ∂L/∂h_T ⊙ [φ′(a_T)] · {Uᵀ} ⊙ ··· ⊙ [φ′(a₂)] · {Uᵀ}",
                "linear φ:  U = Q Λ Q⁻¹,  so  U^t = Q Λ^t Q⁻¹:  each λ becomes λ^t",
            )
        ),
        Beside(
            (
                Plane("eigenvalues of U, unit circle", values),
                Chart(
                    "log10 of |∂L/∂h|",
                    "time",
                    (
                        Curve(f"measured, {activation_title(chosen)}", tuple(curve)),
                        Curve("|λ|^t, largest λ", tuple(straight)),
                    ),
                ),
            )
        ),
        Text(
            f"The largest |λ| of this U, drawn at gain {gain:g}, is *{radius:.3f}*. Over {hops} "
            f"steps that makes *{power(straight[0])}*; measured, with {activation_title(chosen)}: "
            f"*{power(total)}*. {_circle(radius)}"
        ),
        Table(
            "<<<>",
            ("φ", "[φ′]", "{U}", f"over {many(hops, 'step')}"),
            tuple(rows),
            "the same U under four activations, each split into its two parts",
        ),
        Text(
            "None of these slopes exceeds 1, so [φ′] only ever takes. Where {U} shrinks, every φ "
            "makes it worse; where {U} grows, φ would have to take exactly as much, at every "
            "step (tanh comes near it: the larger its state, the flatter its slope)."
            # 10 % of nothing is nothing.
            + (
                f" A gain 10 % higher is a factor *{power(hops * math.log10(1.1))}* after {hops} "
                f"steps, 10 % lower *{power(hops * math.log10(0.9))}*."
                if gain
                else ""
            )
        ),
        Text(
            f"The largest singular value of U is {norm:.3f}: no step can do more than that. "
            + (
                "It is below 1, so with slopes up to 1 the gradient must vanish."
                if norm < 1.0
                else "Above 1 an explosion is possible, not certain: some directions grow for a "
                "few steps, and in the long run the eigenvalues count."
            )
        ),
        Text(
            "Move the gain in steps of 0.05 and look for a level line, linear first, then relu. "
            "Does the same gain serve both, and does it still serve for 300 steps?",
            asks=True,
        ),
    )
    numbers |= {
        "spectral_radius": radius,
        "largest_singular_value": norm,
        "radius_decades": finite(straight[0]),
        "decades": finite(total),
        "eigenvalues": [[value.real, value.imag] for value in values],
    }
    return Reading(blocks, numbers, scenario)


def _circle(radius: float) -> str:
    if radius < 1.0:
        return "All λ lie inside the unit circle: U^t goes to 0."
    return "Some λ lie outside the unit circle: U^t grows without end."


PAGE = Page(
    name="rnn",
    title="An RNN: one W, again and again, W^t",
    knobs=(
        Knob("gain", "gain", 0.9, 0.0, 5.0, 0.05),
        Knob("activation", "φ", "linear", choices=_ACTIVATIONS),
        Knob("steps", "steps", 100, 2, 500, 10),
    ),
    source="Pascanu, Mikolov and Bengio 2013, On the difficulty of training recurrent neural "
    "networks, section 2.1",
    read=_read,
)
