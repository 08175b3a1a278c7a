"""Page: the whole answer, all networks over the same distance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from scenarios.lesson.blocks import Chart, Curve, Table, Text
from scenarios.lesson.page import Knob, Page, Reading, Settings
from scenarios.lesson.runs import fate, first_frame, power, profile, recurrent, small
from scenarios.plain import finite

if TYPE_CHECKING:
    from scenarios.scenario import Scenario


def _networks(length: int) -> list[tuple[str, str, Scenario]]:
    """Name, what a hop multiplies by, and scenario: all over the same number of hops."""
    images = {
        "network.kind": "cnn",
        "network.depth": length,
        "network.hidden_size": 16,
        "network.padding": "circular",
        "task.batch_size": 4,
        "task.image_size": 6,
    }

    def cnn(activation: str, gain: float) -> Scenario:
        values = {**images, "network.activation": activation, "init.weight_scale": gain}
        return small("answer", "Lesson: the answer", values)

    def steps(kind: str, **values: Any) -> Scenario:
        named = {key.replace("__", "."): value for key, value in values.items()}
        return recurrent("answer", "Lesson: the answer", kind, {**named, "task.time_steps": length})

    def rnn(activation: str, gain: float) -> Scenario:
        return steps("rnn", network__activation=activation, init__recurrent_scale=gain)

    indrnn = {"network__activation": "relu", "init__scheme": "recurrent_range"}
    return [
        ("CNN, sigmoid", "[≤ 1/4] · {W₁}, {W₂}, …", cnn("sigmoid", 1.0)),
        ("CNN, ReLU, gain √2", "[0 or 1] · {W₁}, {W₂}, …", cnn("relu", math.sqrt(2.0))),
        ("RNN, tanh, gain 0.9", "[≤ 1] · {U}, {U}, …", rnn("tanh", 0.9)),
        ("RNN, ReLU, gain 1.8", "[0 or 1] · {U}, {U}, …", rnn("relu", 1.8)),
        ("IRNN", "[0 or 1] · {I}, at the start", steps("irnn", init__scheme="identity")),
        ("IndRNN", "[0 or 1] · {u}, number by number", steps("indrnn", **indrnn)),
        ("LSTM, bias 0", "{f}, number by number", steps("lstm", init__forget_bias=0.0)),
        (
            "LSTM, bias ln(T − 1)",
            "{f}, opened",
            steps("lstm", init__forget_bias=math.log(max(length - 1, 1))),
        ),
    ]


#: Those that stand in the picture.
_DRAWN = ("CNN, ReLU, gain √2", "RNN, tanh, gain 0.9", "RNN, ReLU, gain 1.8", "IndRNN")


def _read(settings: Settings) -> Reading:
    length = settings.whole("length")
    rows, curves, numbers = [], [], {}
    for name, hop, tried in _networks(length):
        _, frame = first_frame(tried)
        found = profile(frame)
        rows.append((name, hop, power(found[0]), fate(found[0])))
        numbers[name] = finite(found[0])
        if name in _DRAWN:
            curves.append(Curve(name, tuple(found)))
        if name == "IndRNN":
            scenario = tried
    blocks = (
        Text(
            "Why do gradients vanish or explode? Because backpropagation is a product, one "
            "[φ′] and one {W} for every layer or time step, and a long product of numbers that "
            "are not 1 is soon very small or very large."
        ),
        Chart(f"log10 of |∂L/∂h|, all over {length - 1} hops", "hop", tuple(curves)),
        Table("<<><", ("", "a hop multiplies by", "in all", ""), tuple(rows)),
        Text(
            "[φ′]: a sigmoid's slope is at most 1/4, so with any usual weights it vanishes; "
            "ReLU's is 0 or 1 (pages 4, 5). {W}: a CNN's are independent, so at the right gain "
            "their errors cancel (page 7); an RNN meets one matrix again and again, and W^t "
            "vanishes or explodes unless it is just so (page 6)."
        ),
        Text(
            "What helps follows from the same product. Choose φ with slope 1 and weights at the "
            "critical gain. In time, start at the identity (IRNN), replace the matrix by numbers "
            "that can be kept in range (IndRNN), or let the network set them (LSTM, GRU; open "
            "the gate at the start). Clipping a gradient's norm stops explosions; it brings "
            "nothing back that has vanished."
        ),
        Text(
            "Double the length: whose decades double, and whose stay?",
            asks=True,
        ),
    )
    return Reading(blocks, numbers, scenario)


PAGE = Page(
    name="answer",
    title="The answer, in one picture",
    knobs=(Knob("length", "length", 100, 3, 300, 10),),
    source="pages 1 to 11; clipping the norm: Pascanu, Mikolov and Bengio 2013",
    read=_read,
)
