"""Page: a CNN's layers are drawn independently, and independent errors do not add up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scenarios.lesson.blocks import Chart, Curve, Formula, Table, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import draws, factor, fate, many, minus, power, small
from scenarios.plain import finite

if TYPE_CHECKING:
    from engine.arrays import HostArray

_DRAWS, _DRAWN = 8, 4
_SIZE, _KERNEL = 6, 3
_NUDGE = 1.1


def _read(settings: Settings) -> Reading:
    depth, gain = settings.whole("layers"), settings.number("gain")
    scenario = small(
        "cnn",
        "Lesson: a CNN with weights of its own in each layer",
        {
            "network.kind": "cnn",
            "network.activation": settings.word("activation"),
            "network.depth": depth,
            "network.hidden_size": 16,
            "network.kernel_size": _KERNEL,
            "network.padding": "circular",
            "init.weight_scale": gain,
            "task.batch_size": 4,
            "task.image_size": _SIZE,
            "task.image_channels": 16,
        },
    )
    names = {False: "own W in each layer", True: "one W for all"}
    rows, curves, ends, nudged = [], [], {}, {}
    hops = depth - 1
    quarter = max(hops // 4, 1)
    spreads = (f"spread, {many(quarter, 'hop')}", f"spread, {hops}")
    for tied, name in names.items():
        field = draws(scenario, _DRAWS, tied=tied)
        found = [_decades(cell) for cell in field]
        ends[tied] = found
        moved = draws(scenario, 1, tied=tied, nudged=_NUDGE)
        nudged[tied] = minus(_decades(moved[0]), found[0])
        healthy = sum(fate(end) == "healthy" for end in found)
        rows.append(
            (
                name,
                f"{healthy} of {_DRAWS}",
                power(min(found)),
                power(max(found)),
                f"{_spread([_decades(cell[-1 - quarter :]) for cell in field]):.1f}",
                f"{_spread(found):.1f}",
            )
        )
        for cell in field[:_DRAWN]:
            curve = tuple(minus(float(value), float(cell[-1])) for value in cell)
            curves.append(Curve(name, curve))
    share = 1.0 - _KERNEL**2 / _SIZE**2
    blocks = (
        Text(
            "A deep CNN is a long product, too. Why can it be trained? Here is one CNN twice: "
            "as usual, and with the weights of layer 2 copied into all later layers. Tied like "
            "that, layers are time steps: it is an RNN that gets its input once."
        ),
        Formula(
            (
                "CNN   ∂L/∂h₁ = ∂L/∂h_D ⊙ [φ′] · {W_Dᵀ} ⊙ ··· ⊙ [φ′] · {W₃ᵀ} ⊙ [φ′] · {W₂ᵀ}",
                "tied  ∂L/∂h₁ = ∂L/∂h_D ⊙ [φ′] · {Wᵀ}  ⊙ ··· ⊙ [φ′] · {Wᵀ}  ⊙ [φ′] · {Wᵀ}",
            )
        ),
        Chart(
            f"log10 of |∂L/∂h|, {_DRAWN} draws each: only the copying differs",
            "layer",
            tuple(curves),
        ),
        Table("<>>>>>", (f"{_DRAWS} draws", "healthy", "lowest", "highest", *spreads), tuple(rows)),
        Text(
            f"Same φ, same gain, same sparse filters (each output reads {_KERNEL**2} of "
            f"{_SIZE**2} positions, so {share:.0%} of the full matrix are 0). Each {{W}} is a "
            "little too strong or too weak by chance. Independent errors go both ways and mostly "
            "cancel: the spread between draws, in decades, grows like √hops. One W makes the "
            "same error every time, and its spread grows like the hops themselves: "
            f"*{_spread(ends[False]):.1f}* against *{_spread(ends[True]):.1f}* decades."
        ),
        Text(
            f"It is the same in training. Multiply the weights of one layer by {_NUDGE:g}: the "
            f"gradient at layer 1 changes by a factor *{factor(nudged[False])}*. Multiply the one "
            f"W of the tied network by {_NUDGE:g}: *{factor(nudged[True])}*. "
            "A small update of a recurrent W is a huge one for the gradient."
        ),
        Text(
            "Independence does not choose the gain, though. At gain 1.2 what becomes of both? "
            "Double the layers: which spread doubles with them?",
            asks=True,
        ),
    )
    numbers = {
        "independent_decades": [finite(end) for end in ends[False]],
        "tied_decades": [finite(end) for end in ends[True]],
        "independent_spread": finite(_spread(ends[False])),
        "tied_spread": finite(_spread(ends[True])),
        "independent_nudge_decades": finite(nudged[False]),
        "tied_nudge_decades": finite(nudged[True]),
    }
    return Reading(blocks, numbers, scenario)


def _decades(cell: HostArray) -> float:
    return minus(float(cell[0]), float(cell[-1]))


def _spread(ends: list[float]) -> float:
    """The standard deviation between draws."""
    mean = sum(ends) / len(ends)
    return math.sqrt(sum((end - mean) ** 2 for end in ends) / len(ends))


PAGE = Page(
    name="cnn",
    title="Why a CNN's independent W do not do this",
    knobs=(
        Knob("layers", "layers", 50, 3, 200, 10),
        Knob("gain", "gain", 1.4, 0.1, 10.0, 0.1),
        Knob("activation", "φ", "relu", choices=("relu", "tanh", "linear")),
    ),
    source="Xiao et al. 2018, Dynamical isometry and a mean field theory of CNNs; tied and untied "
    "weights: Chen, Pennington and Schoenholz 2018, section 3",
    read=_read,
)
