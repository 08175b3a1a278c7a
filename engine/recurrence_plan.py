"""What recurrent layers allocate: buffers for all time steps, scratch for a block of them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from engine.layer import mask_shape
from engine.small_products import SUMMED, most_parts

if TYPE_CHECKING:
    from engine.layer import LayerPlan, Shape
    from engine.recurrence import RecurrentLayer
    from engine.spec import NetworkSpec

#: Values of one time block: long enough that what is done once a block costs little, short enough
#: that its working arrays stay in cache.
_BLOCK_VALUES = 2**18


def plan_recurrence(
    layer: type[RecurrentLayer], spec: NetworkSpec, cells: int
) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """The buffers every recurrent layer keeps, and its scratch."""
    batch, size = spec.batch_size, spec.hidden_size
    width = size * max(1, len(layer.gates))
    length = block_length(layer, spec, cells)
    own: dict[str, Shape] = {
        # The projection's shape, which normalisation asks for; gates lie in it one after another.
        "a": (cells, spec.time_steps, batch, width),
        "h": (cells, spec.time_steps + 1, batch, size),
    }
    shared: dict[str, Shape] = {
        "slope": (cells, length, batch, width),
        "mask": mask_shape((cells, length, batch, width)),
        "external": (cells, length, batch, size),
        "step": (cells, batch, width),
    }
    if spec.bias:
        shared["repeated_b"] = shared["step"]
    for index in range(layer.states):
        shared[f"grad_state{index}"] = (cells, length + 1, batch, size)
    if layer.gates and spec.norm != "none":
        shared["rows"] = own["a"]
    return own, shared


def sums_by_run(spec: NetworkSpec, cells: int) -> bool:
    """Whether parameter gradients are summed run by run: many cells have runs too short for it."""
    return cells == 1 and spec.norm == "none" and not spec.residual


def plan_sums(layer: type[RecurrentLayer], spec: NetworkSpec, plan: LayerPlan, cells: int) -> None:
    """Add to a layer's plan room for what one run of time steps adds to each gradient."""
    samples = spec.batch_size * block_length(layer, spec, cells)
    partial = 0
    for name, shape in plan.parameters().items():
        plan.shared[f"part_{name}"] = (cells, *shape)
        if len(shape) == 2:
            count = most_parts(samples, shape[0] * spec.hidden_size, SUMMED)
            partial = max(partial, count * cells * prod(shape))
    # A device adds up what it has multiplied in one go.
    if not layer.one_block:
        plan.shared["partial_sums"] = (partial,)


def block_length(layer: type[RecurrentLayer], spec: NetworkSpec, cells: int) -> int:
    """Time steps in one block."""
    if layer.one_block:
        return spec.time_steps
    values = cells * spec.batch_size * spec.hidden_size * max(1, len(layer.gates))
    return max(1, min(spec.time_steps, _BLOCK_VALUES // values))
