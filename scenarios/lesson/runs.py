"""The small runs behind the pages, and their numbers in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.activations import ACTIVATIONS
from engine.verdict import verdict_name

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.frame import Frame
    from scenarios.runner import Run
    from scenarios.scenario import Scenario

#: On the CPU, where a run this small is fastest, and at double precision, so that a page reads the
#: same everywhere.
_SETTINGS = {"training.steps": 0, "run.device": "cpu", "run.dtype": "float64"}


def small(page: str, title: str, values: Mapping[str, object]) -> Scenario:
    """The scenario of a page."""
    from scenarios.scenario import define

    question = "A run of the lesson: L goes back to the page it belongs to."
    return define(f"learn-{page}", title, {**_SETTINGS, **values}, question=question)


def recurrent(page: str, title: str, kind: str, values: Mapping[str, object]) -> Scenario:
    """A recurrent net of 32 units and small inputs, so that what the steps do stands out."""
    common = {"network.kind": kind, "network.hidden_size": 32, "init.weight_scale": 0.1}
    sizes = {"task.batch_size": 16, "task.input_size": 8}
    return small(page, title, {**common, **sizes, **values})


def first_frame(scenario: Scenario) -> tuple[Run, Frame]:
    """The network as it is drawn, and the one frame it gives."""
    from scenarios.runner import Run

    run = Run(scenario)
    return run, next(run.frames())


def profile(frame: Frame) -> list[float]:
    """log10 |dL/dh| over the axis that the verdict judges, relative to the loss end."""
    return relative(frame.profile())


def relative(values: Sequence[float] | HostArray) -> list[float]:
    """Values minus their last one, the loss end."""
    found = [float(value) for value in values]
    return [minus(value, found[-1]) for value in found]


def minus(one: float, other: float) -> float:
    """The difference; an exact zero stays one, whatever it is compared with."""
    return -math.inf if one == -math.inf else one - other


def log10_of(value: float) -> float:
    """log10 of a size; -inf where there is none."""
    return -math.inf if value <= 0.0 else math.log10(value)


def part(after: Iterable[float], before: Iterable[float]) -> float:
    """What one part of every hop did in all, in decades, over the hops to which anything came."""
    pairs = ((float(one), float(other)) for one, other in zip(after, before, strict=True))
    return sum((one - other for one, other in pairs if other != -math.inf), 0.0)


def draws(scenario: Scenario, count: int, *, tied: bool, nudged: float = 1.0) -> HostArray:
    """log10 |dL/dh|, (count, layers): one feed-forward net at `count` seeds, on the same data.

    `tied` gives every layer from the second on the weights of the second. `nudged` multiplies the
    weights of one middle layer, which are those of all layers where they are tied.
    """
    import numpy as np

    from engine.backend import open_backend
    from engine.network import Network
    from scenarios.runner import init_spec, network_spec
    from scenarios.tasks import TASKS

    spec = network_spec(scenario)
    inits = [replace(init_spec(scenario), seed=seed) for seed in range(count)]
    network = Network(spec, inits, open_backend("cpu", spec.dtype))
    weights = [network.parameters[f"layer{layer}.W"] for layer in range(2, spec.depth + 1)]
    if tied:
        for weight in weights[1:]:
            weight[...] = weights[0]
    middle = len(weights) // 2
    for weight in weights if tied else weights[middle : middle + 1]:
        weight *= nudged
    inputs, targets = next(TASKS[scenario.task.name].batches(scenario))
    x = np.repeat(inputs[None], count, axis=0)
    target = np.repeat(targets[None], count, axis=0)
    field: HostArray = network.evaluate(x, target).log10_grad_h[:, :, 0]
    return field


def max_slope(activation: str) -> float:
    """The largest |phi'|."""
    return ACTIVATIONS[activation].max_slope


def activation_title(name: str) -> str:
    """As it is written in a sentence."""
    return ACTIVATIONS[name].title


def power(decades: float) -> str:
    """A power of ten, as in 10^-5.9; in words where it is none."""
    if math.isnan(decades):
        return "an overflow"
    if math.isinf(decades):
        return "exactly 0" if decades < 0 else "infinity"
    return "1" if decades == 0.0 else f"10^{round(decades, 1) + 0.0:.1f}"


def factor(decades: float) -> str:
    """A factor given as its logarithm, as in 0.22; as a power of ten where it is extreme."""
    if not -3.0 <= decades < 4.0:
        return power(decades)
    return f"{10.0**decades:.3g}"


def change(decades: float) -> str:
    """What a part did, as in "took 3.1 decades" or "gave 0.4 decades"."""
    if not math.isfinite(decades):
        return "left nothing" if decades < 0 else "left the range of numbers"
    rounded = round(abs(decades), 1)
    if rounded == 0:
        return "took nothing" if decades <= 0 else "gave nothing"
    return f"{'took' if decades < 0 else 'gave'} {rounded:.1f} decades"


def many(count: int, word: str) -> str:
    """So many of something, as in 1 hop and 9 hops."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def fate(decades: float) -> str:
    """The verdict on so many decades, in a word."""
    if math.isnan(decades):
        return "overflow"
    if decades == -math.inf:
        return "dead"
    return verdict_name(decades)
