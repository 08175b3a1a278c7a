"""A network as a chain of linear maps at one sample: the factors of its Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.arrays import Array


@dataclass(frozen=True, slots=True)
class Hop:
    """The Jacobian of one hop, a layer or a time step, as two maps on K vectors at a time.

    Attributes:
        push: tangents (K, inputs) to J v, (K, outputs).
        pull: cotangents (K, outputs) to J^T u, (K, inputs).
        inputs, outputs: how many values a vector has on either side, images flattened.
        work: multiplications one vector costs, to choose a method by.
    """

    push: Callable[[Array], Array]
    pull: Callable[[Array], Array]
    inputs: int
    outputs: int
    work: int
