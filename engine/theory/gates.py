"""lstm and gru: the product of gates that the carried state meets, sigmoid(b_f)^k.

LSTM: dc_t / dc_{t-1} = f_t along the cell state; GRU: dh_t / dh_{t-1} = z_t along the carried h.
With weights of 0 nothing else is left, and every gate is sigmoid of its bias. Hochreiter and
Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000; Cho et al. 2014.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.theory.prediction import Draft

if TYPE_CHECKING:
    from engine.spec import InitSpec, NetworkSpec
    from engine.theory.prediction import Prediction


def log10_gate(bias: float) -> float:
    """log10 sigmoid(bias), right also where the gate itself is below the smallest float."""
    decay = math.log1p(math.exp(-abs(bias))) + max(-bias, 0.0)
    return -decay / math.log(10.0)


def gate_path(bias: float, hops: int) -> list[float]:
    """log10 sigmoid(bias)^k, [hops + 1], lag k = hops first and 0 last."""
    per_hop = log10_gate(bias)
    return [*(per_hop * lag for lag in range(hops, 0, -1)), 0.0]


def chrono_bias(time_steps: int) -> float:
    """ln(T - 1), the forget bias whose gate remembers T steps: sigmoid of it is 1 - 1/T.

    Tallec and Ollivier 2018, chrono initialisation, at the longest dependency T. Raises ValueError
    for T < 2.
    """
    if time_steps < 2:
        raise ValueError(f"there is nothing to remember over {time_steps} time step")
    return math.log(time_steps - 1)


def predict_gated(spec: NetworkSpec, init: InitSpec, input_variance: float) -> Prediction:
    """The gate path of the last layer, from init.forget_bias."""
    hops = spec.time_steps - 1
    bias = init.forget_bias if spec.bias else 0.0
    curve = gate_path(bias, hops)
    carrier = "c" if spec.kind == "lstm" else "h"
    gate = "forget gate" if spec.kind == "lstm" else "update gate z"
    draft = Draft(spec.kind, "tanh", "time", f"the path through the {gate}")
    draft.give(
        gate=math.pow(10.0, log10_gate(bias)),
        curve="path",
        log10_gradient=tuple(curve),
        decades=curve[0] - curve[-1],
        decades_per_hop=log10_gate(bias),
        reach=hops,
    )
    draft.assume(
        f"the curve is dL/d{carrier} along the {gate} alone, at weights of 0; other paths add to "
        f"it, and inputs move the gate"
    )
    draft.refuse("the path at weights of 0 does not depend on the draw", "spread_decades")
    return draft.finish(
        f"gates depend on the data, so no fixed matrix is met at every hop: only the path through "
        f"the {gate} is known beforehand"
    )
