"""What a stack of networks allocates, known before anything is."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from engine.architectures import ARCHITECTURES
from engine.connections import dense_input, plan_dense, plan_skip
from engine.layer import LayerPlan, Shape
from engine.normalisation import plan_normalisation
from engine.recurrence import RecurrentLayer
from engine.recurrence_plan import plan_sums, sums_by_run

if TYPE_CHECKING:
    from engine.backend import Backend
    from engine.layer import Layer
    from engine.spec import NetworkSpec


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """All that a stack of networks allocates.

    Attributes:
        layers: each layer's own.
        reads: the shape of one sample of each layer's input.
        shared: scratch that layers use one after another, by name, with the stack axis.
        parameters: shapes by name, without it.
    """

    layers: list[LayerPlan]
    reads: list[Shape]
    shared: dict[str, Shape]
    parameters: dict[str, Shape]


def plan_network(spec: NetworkSpec, cells: int, backend: Backend | None = None) -> NetworkPlan:
    """Plan `cells` stacked networks; without a backend for the CPU."""
    layer_type = layer_class(spec, backend)
    layers: list[LayerPlan] = []
    inputs: list[Shape] = []
    shape = spec.input_shape
    shared: dict[str, Shape] = plan_dense(spec, cells) if spec.dense else {}
    parameters: dict[str, Shape] = {}
    widest = samples = 0
    for index in range(spec.depth):
        reads = dense_input(spec, index) if spec.dense else shape
        plan = layer_type.plan(spec, index, reads, cells)
        if spec.norm != "none":
            plan_normalisation(spec.norm, plan)
        if spec.residual:
            plan_skip(layer_type.recurrent, plan, reads)
        if issubclass(layer_type, RecurrentLayer) and sums_by_run(spec, cells):
            plan_sums(layer_type, spec, plan, cells)
        layers.append(plan)
        inputs.append(reads)
        for name, wanted in plan.shared.items():
            if prod(wanted) > prod(shared.get(name, (0,))):
                shared[name] = wanted
        for name, parameter in plan.parameters().items():
            parameters[f"layer{index + 1}.{name}"] = parameter
        shape = plan.output_shape
        # Gradients of outputs, and, above the first layer, of what is read.
        widest = max(widest, prod(shape), prod(reads) if index else 0)
        samples = max(samples, spec.time_steps * spec.batch_size * prod(shape[:-1]))
    parameters["readout.W"] = (shape[-1], spec.output_size)
    parameters["readout.b"] = (spec.output_size,)
    steps = spec.time_steps if spec.depth > 1 else spec.readout_steps
    shared["grad"] = (cells, steps, spec.batch_size, widest)
    shared["ones"] = (max(samples, *shared.get("ones", (0,))),)
    return NetworkPlan(layers, inputs, shared, parameters)


def layer_class(spec: NetworkSpec, backend: Backend | None) -> type[Layer]:
    """The class of the layers, as the backend runs it; without one as the CPU does."""
    layer = ARCHITECTURES[spec.kind].layer
    return layer if backend is None else backend.layer(layer, spec.activation)


def parameter_shapes(spec: NetworkSpec) -> dict[str, Shape]:
    """The shape of every parameter, without a stack axis."""
    return plan_network(spec, 1).parameters


def workspace_bytes(
    spec: NetworkSpec, cells: int = 1, slots: int = 0, backend: Backend | None = None
) -> int:
    """Bytes that `Network` allocates for `cells` stacked networks, input and target included.

    `slots` is the optimiser's number of state arrays a parameter. Without a backend it is the CPU.
    """
    plan = plan_network(spec, cells, backend)
    width = 8 if spec.dtype == "float64" else 4
    values = sum(prod(shape) for layer in plan.layers for shape in layer.own.values())
    values += sum(prod(shape) for shape in plan.shared.values())
    values += cells * (2 + slots) * sum(prod(shape) for shape in plan.parameters.values())
    samples = cells * spec.batch_size
    outputs = spec.readout_steps * spec.output_size
    values += samples * (spec.time_steps * prod(spec.input_shape) + 3 * outputs)
    return values * width
