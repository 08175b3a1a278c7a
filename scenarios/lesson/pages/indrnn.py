"""Page: IndRNN replaces the matrix by a vector, so that each neuron's power is its own."""

from __future__ import annotations

from scenarios.lesson.blocks import Chart, Curve, Formula, Table, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import fate, first_frame, log10_of, power, profile, recurrent
from scenarios.plain import finite


def _read(settings: Settings) -> Reading:
    steps = settings.whole("steps")
    lower, upper = settings.number("lower"), settings.number("upper")
    hops = steps - 1
    scenario = recurrent(
        "indrnn",
        "Lesson: IndRNN",
        "indrnn",
        {
            "network.activation": "relu",
            "init.scheme": "recurrent_range",
            "init.recurrent_lower": lower,
            "init.recurrent_upper": upper,
            "task.time_steps": steps,
        },
    )
    run, frame = first_frame(scenario)
    u = sorted(float(value) for value in run.network.parameters["layer1.u"][0])
    smallest, median, largest = u[0], u[len(u) // 2], u[-1]
    low, high = lower ** (1.0 / steps), upper ** (1.0 / steps)
    measured = profile(frame)
    opened = 1.0 - float(frame.zero_fraction.mean())
    rows = tuple(
        (name, f"{value:.5f}", power(log10_of(value) * hops), fate(log10_of(value) * hops))
        for name, value in (("smallest u", smallest), ("median u", median), ("largest u", largest))
    )
    blocks = (
        Text(
            "An eigenvalue of U belongs to all units at once and to nobody in particular. Li et "
            "al. give every neuron one recurrent weight of its own instead: the matrix {U} "
            "becomes a vector {u}, the product a Hadamard product ⊙, number by number."
        ),
        Formula(
            (
                "hₜ = φ(xₜ · W + {u} ⊙ hₜ₋₁ + b)",
                "neuron n:  ∂L/∂h₁ = ∂L/∂h_T · {u^(T−1)} · [φ′(a_T)] ··· [φ′(a₂)]",
            )
        ),
        Text(
            "Nothing mixes: the power is one of a single number, and what one neuron does leaves "
            "the others alone. With ReLU, keep u between two limits and u^T stays between two "
            f"others. For T = {steps} and u^T from {lower:g} to {upper:g}:"
        ),
        Formula(
            (
                f"{{u}} between {lower:g}^(1/{steps}) = {low:.5f}"
                f" and {upper:g}^(1/{steps}) = {high:.5f}",
            )
        ),
        Chart(
            "log10 of |∂L/∂h|",
            "time",
            (
                Curve("measured, all neurons", tuple(measured)),
                Curve("largest u: u^t", tuple(_line(largest, hops))),
                Curve("smallest u: u^t", tuple(_line(smallest, hops))),
            ),
        ),
        Table("<>><", ("", "u", f"u^{hops}", ""), rows),
        Text(
            f"Measured over {hops} steps: *{power(measured[0])}*, {fate(measured[0])}. ReLU takes "
            f"its share ({opened:.0%} of the units are on), u^t cannot leave its range. The "
            "authors clip u back into it after every training step. To do that with a matrix, "
            "you would have to find its eigenvalues every time."
        ),
        Text(
            "For 500 steps, is 2^(1/T) still far from 1? "
            + (
                "Let u^T go up to 10^6: who explodes, all neurons or some?"
                if upper < 1e6
                else "And u^T goes up to 10^6 here: who explodes, all neurons or some?"
            ),
            asks=True,
        ),
    )
    numbers = {
        "u_lower": low,
        "u_upper": high,
        "u": [finite(value) for value in u],
        "decades": finite(measured[0]),
        "share_on": finite(opened),
        "smallest_u_decades": finite(log10_of(smallest) * hops),
        "largest_u_decades": finite(log10_of(largest) * hops),
    }
    return Reading(blocks, numbers, scenario)


def _line(value: float, hops: int) -> list[float]:
    return [log10_of(value) * back if back else 0.0 for back in range(hops, -1, -1)]


PAGE = Page(
    name="indrnn",
    title="IndRNN: a vector u, and every neuron its own u^t",
    knobs=(
        Knob("steps", "steps", 100, 2, 500, 10),
        Knob("upper", "u^T at most", 2.0, 1.0, 1e6, times=10.0),
        Knob("lower", "u^T at least", 0.5, 0.0, 1.0, 0.1),
    ),
    source="Li et al. 2018, Independently recurrent neural network (IndRNN), eq. 2 and section 3",
    read=_read,
)
