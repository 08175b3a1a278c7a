"""Page: LSTM and GRU put a gate where IndRNN has u."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scenarios.lesson.blocks import Chart, Curve, Formula, Table, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import factor, fate, first_frame, minus, power, recurrent, relative
from scenarios.plain import finite

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.frame import Frame

_FORMULAS = {
    "lstm": (
        "cₜ = {fₜ} ⊙ cₜ₋₁ + iₜ ⊙ gₜ,    hₜ = oₜ ⊙ tanh(cₜ)",
        "fₜ = σ(xₜ · W_f + hₜ₋₁ · U_f + b_f)          the forget gate, between 0 and 1",
        "along c alone:  ∂L/∂c₁ = ∂L/∂c_T ⊙ {f_T} ⊙ ··· ⊙ {f₃} ⊙ {f₂}",
    ),
    "gru": (
        "hₜ = {zₜ} ⊙ hₜ₋₁ + (1 − zₜ) ⊙ nₜ",
        "zₜ = σ(xₜ · W_z + hₜ₋₁ · U_z + b_z)          the update gate, between 0 and 1",
        "along h alone:  ∂L/∂h₁ = ∂L/∂h_T ⊙ {z_T} ⊙ ··· ⊙ {z₃} ⊙ {z₂}",
    ),
}


def _read(settings: Settings) -> Reading:
    from engine.theory import chrono_bias, predict
    from engine.theory.gates import gate_path
    from scenarios.runner import init_spec, network_spec

    kind, steps = settings.word("cell"), settings.whole("steps")
    bias = settings.number("bias")
    hops = steps - 1
    scenario = recurrent(
        "gates",
        f"Lesson: {kind.upper()}",
        kind,
        {"init.forget_bias": bias, "task.time_steps": steps},
    )
    _, frame = first_frame(scenario)
    carried = _carried(frame, kind)
    total = carried[0]
    at, kept = _field(frame, kind), frame.log10_path["kept"][0]
    gates = sum(minus(float(kept[t]), float(at[t])) for t in range(1, steps))
    theory = predict(network_spec(scenario), init_spec(scenario), 1.0).gate
    assert theory is not None
    letter, state = ("f", "c") if kind == "lstm" else ("z", "h")
    chrono = chrono_bias(steps) if steps > 1 else 0.0
    rows = []
    for tried, name in ((0.0, "0"), (1.0, "1"), (chrono, f"ln(T − 1) = {chrono:.2f}")):
        _, other = first_frame(scenario.with_changes({"init.forget_bias": tried}))
        found = _carried(other, kind)[0]
        only = gate_path(tried, hops)[0]
        rows.append((f"bias {name}", factor(only / hops), power(only), power(found), fate(found)))
    blocks = (
        Text(
            "LSTM and GRU had the idea before: carry a state along by a Hadamard product. In place "
            f"of IndRNN's u stands a gate {{{letter}}} that the network computes at every step. "
            f"There is no φ on that path, so no [φ′] either: the product of gates is all."
        ),
        Formula(_FORMULAS[kind]),
        Chart(
            f"log10 of |∂L/∂{state}|",
            "time",
            (
                Curve("measured", tuple(carried)),
                Curve("σ(bias)^t, the gates alone", tuple(gate_path(bias, hops))),
            ),
        ),
        Text(
            f"As drawn, a gate stands near σ(bias) = σ({bias:g}) = *{theory:.3f}*; measured, it "
            f"keeps *{factor(gates / hops)}* a step. The gates alone leave {power(gates)} over "
            f"{hops} steps, all paths together *{power(total)}*: the rest comes round through "
            "the gates' own weights, by page 6's matrix product."
        ),
        Table("<>>><", ("", "a gate keeps", "gates alone", "measured", ""), tuple(rows)),
        Text(
            "A gate at one half halves what passes it, step after step. A bias of 1, or ln(T − 1) "
            "for T steps, opens it. Unlike u the gate then depends on the "
            "data: the network can learn when to keep and when to forget."
        ),
        Text("Which bias keeps 300 steps healthy? Is a GRU as forgetful as an LSTM?", asks=True),
    )
    numbers = {
        "gate": theory,
        "gate_measured": finite(10.0 ** (gates / hops)) if math.isfinite(gates) else 0.0,
        "gate_decades": finite(gates),
        "decades": finite(total),
        "chrono_bias": chrono,
    }
    return Reading(blocks, numbers, scenario)


def _field(frame: Frame, kind: str) -> HostArray:
    """log10 of the gradient of the state that the gates carry, (time_steps,)."""
    field: HostArray = (frame.log10_path["c"] if kind == "lstm" else frame.log10_grad_h)[0]
    return field


def _carried(frame: Frame, kind: str) -> list[float]:
    return relative(_field(frame, kind))


PAGE = Page(
    name="gates",
    title="LSTM and GRU: gates on the same product",
    knobs=(
        Knob("cell", "cell", "lstm", choices=("lstm", "gru")),
        Knob("bias", "gate bias", 0.0, -10.0, 20.0, 0.5),
        Knob("steps", "steps", 100, 2, 300, 10),
    ),
    source="Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000 (forget gate); Cho "
    "et al. 2014 (GRU); Jozefowicz et al. 2015 (bias 1); Tallec and Ollivier 2018 (ln(T − 1))",
    read=_read,
)
