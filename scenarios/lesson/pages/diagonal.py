"""Page: what a vector u gives up against a matrix, which is little once a layer stands on top."""

from __future__ import annotations

from scenarios.lesson.blocks import Formula, Plane, Table, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import recurrent
from scenarios.plain import finite


def _read(settings: Settings) -> Reading:
    import numpy as np

    from scenarios.runner import Run

    units, largest = settings.whole("units"), settings.number("largest")
    sizes = {
        "network.activation": "linear",
        "network.hidden_size": units,
        "network.bias": False,
        "init.weight_scale": 1.0,
        "task.time_steps": settings.whole("steps"),
    }
    title = "Lesson: two linear IndRNN layers"
    scenario = recurrent("diagonal", title, "indrnn", {**sizes, "network.depth": 2})
    stack = Run(scenario)
    matrix = Run(scenario.with_changes({"network.kind": "rnn", "network.depth": 1}))
    ours, theirs = stack.network.parameters, matrix.network.parameters
    u = np.linspace(-largest, largest, units)
    ours["layer1.u"][0] = u
    ours["layer2.u"][0] = 0.0
    mixing = ours["layer2.W"][0]
    theirs["layer1.W"][0] = ours["layer1.W"][0] @ mixing
    theirs["layer1.U"][0] = np.linalg.solve(mixing, u[:, None] * mixing)
    theirs["readout.W"][0] = ours["readout.W"][0]
    one, other = next(stack.frames()), next(matrix.frames())
    full = theirs["layer1.U"][0]
    values = np.linalg.eigvals(full)
    # The chain rule through W_s: dL/dW of the lower layer is that of W W_s, times W_s^T.
    below = matrix.network.gradient("layer1.W")[0] @ mixing.T
    gradient = stack.network.gradient("layer1.W")[0]
    apart = float(abs(gradient - below).max() / (abs(gradient).max() or 1.0))
    eigenvalues_apart = float(abs(np.sort(values.real) - u).max())
    zeros = float((full == 0.0).mean())
    blocks = (
        Text(
            "Neurons that hear only themselves: is that still a recurrent network? The next layer "
            "mixes them. Take a linear IndRNN and one linear layer {W_s} on top of it:"
        ),
        Formula(
            (
                "hₜ = xₜ · W + {u} ⊙ hₜ₋₁,      yₜ = hₜ · {W_s}",
                "yₜ = xₜ · W · {W_s} + yₜ₋₁ · {U},      {U} = {W_s}⁻¹ · diag({u}) · {W_s}",
            )
        ),
        Text("The second line is an RNN with a full matrix U, and the eigenvalues of U are the u."),
        Table(
            "<>>",
            ("", "IndRNN + layer", "RNN"),
            (
                ("numbers in the recurrence", f"{units}", f"{units * units}"),
                ("loss", f"{one.loss:.6g}", f"{other.loss:.6g}"),
            ),
            f"both networks, {units} units, on the same data",
        ),
        Text(
            "The losses agree, and the gradients of W do, to a relative "
            f"*{apart:.1g}*. {zeros:.0%} of U's entries are 0, and its eigenvalues are the u to "
            f"within {eigenvalues_apart:.1g}."
        ),
        Plane("eigenvalues of U", tuple(complex(value) for value in values)),
        Text(
            "So the vector gives up little: every U that can be diagonalised with real "
            "eigenvalues is within reach. What it gains is that the eigenvalues, which decide "
            "everything on page 6, are parameters now: to be read, bounded and learnt one by one."
        ),
        Text(
            "Let the largest u be 1.1. Which network can you repair by changing one number?",
            asks=True,
        ),
    )
    numbers = {
        "loss_indrnn": finite(one.loss),
        "loss_rnn": finite(other.loss),
        "gradient_difference": finite(apart),
        "eigenvalue_difference": finite(eigenvalues_apart),
    }
    return Reading(blocks, numbers, scenario)


PAGE = Page(
    name="diagonal",
    title="Does u give up too much? A layer on top gives it back",
    knobs=(
        Knob("largest", "largest u", 0.95, 0.0, 1.5, 0.05),
        Knob("units", "units", 16, 2, 64),
        Knob("steps", "steps", 50, 2, 300, 10),
    ),
    source="Li et al. 2018, Independently recurrent neural network (IndRNN): two linear "
    "IndRNN layers and an RNN with a diagonalisable U",
    read=_read,
)
