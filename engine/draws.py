"""The draw of a stack of networks' parameters."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.architectures import ARCHITECTURES
from engine.initialisers import INITIALISERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from engine.arrays import Array, HostArray
    from engine.backend import Backend
    from engine.initialisers import WeightSpec
    from engine.plan import NetworkPlan
    from engine.spec import InitSpec


def draw_parameters(
    kind: str,
    plan: NetworkPlan,
    inits: Sequence[InitSpec],
    backend: Backend,
    parameters: Mapping[str, Array],
) -> None:
    """Draw every parameter from a generator of its own, so that depth changes no draw.

    Cells of one seed and scheme share a draw, each with a scale of its own. `parameters` are
    those of a network of this kind by name, (S, *shape), S = len(inits). Raises ValueError
    where an initialiser cannot draw a weight of the shape asked for.
    """
    architecture = ARCHITECTURES[kind]
    hop_scale = architecture.hop_scale.rpartition(".")[2]
    for index, layer in enumerate(plan.layers):
        prefix = f"layer{index + 1}."
        for place, (name, weight) in enumerate(layer.weights.items()):
            # What multiplies the gradient at every hop has a scale of its own.
            scale_name = hop_scale if weight.role == architecture.hop_role else "weight_scale"
            shared: dict[tuple[object, ...], HostArray] = {}
            for cell, init in enumerate(inits):
                known = (init.seed, init.scheme, init.recurrent_lower, init.recurrent_upper)
                if known not in shared:
                    shared[known] = _unit_draw(weight, init, index, place)
                drawn = shared[known] * getattr(init, scale_name)
                parameters[prefix + name][cell] = backend.asarray(drawn)
        for name in layer.gains:
            parameters[prefix + name].fill(1.0)
        for place, (name, shape) in enumerate(layer.biases.items()):
            gate = architecture.layer.forget_gate if name == "b" else None
            standard: dict[int, HostArray] = {}
            for cell, init in enumerate(inits):
                if init.seed not in standard:
                    numbers = (index + 1, len(layer.weights) + place)
                    standard[init.seed] = _generator(init, *numbers).standard_normal(shape)
                drawn = standard[init.seed] * init.bias_scale
                if gate is not None:
                    gates = architecture.layer.gates
                    drawn.reshape(len(gates), -1)[gates.index(gate)] += init.forget_bias
                parameters[prefix + name][cell] = backend.asarray(drawn)
    fan_in, outputs = plan.parameters["readout.W"]
    readout: dict[int, HostArray] = {}
    for cell, init in enumerate(inits):
        if init.seed not in readout:
            drawn = _generator(init, 0, 0).standard_normal((fan_in, outputs))
            readout[init.seed] = drawn / math.sqrt(fan_in)
        parameters["readout.W"][cell] = backend.asarray(readout[init.seed])
    parameters["readout.b"].fill(0.0)


def _unit_draw(weight: WeightSpec, init: InitSpec, index: int, place: int) -> HostArray:
    """The draw of one weight of layer `index` at scale 1; every scheme is linear in its scale."""
    import numpy as np

    scheme = INITIALISERS[init.scheme]
    # A scheme that only makes sense at the hop leaves the input weights Gaussian.
    if weight.role not in scheme.roles:
        scheme = INITIALISERS["gaussian"]
    rng = _generator(init, index + 1, place)
    columns = weight.shape[-1] // weight.blocks
    block = replace(weight, shape=(*weight.shape[:-1], columns), blocks=1)
    drawn = [scheme.draw(rng, block, 1.0, init) for _ in range(weight.blocks)]
    return drawn[0] if len(drawn) == 1 else np.concatenate(drawn, axis=-1)


def _generator(init: InitSpec, *numbers: int) -> np.random.Generator:
    """The stream of random numbers that belongs to one parameter."""
    import numpy as np

    return np.random.default_rng([init.seed, *numbers])
