"""A network as a chain of linear maps at one sample: the factors of its Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.backend import open_backend

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.network import Network


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


def in_float64(network: Network, cell: int, device: str | None = None) -> Network:
    """A copy of one cell for a batch of one, or of all samples where they are coupled.

    On the device of `network` unless another is named. Raises MemoryShortage.
    """
    from engine.network import Network as Copy

    batch = network.spec.batch_size if network.spec.norm == "batch" else 1
    backend = open_backend(device or str(network.backend.description["device"]), "float64")
    spec = replace(network.spec, batch_size=batch, dtype="float64")
    parameters = {name: array[cell] for name, array in network.parameters.items()}
    if device is not None:
        parameters = {name: network.backend.to_host(array) for name, array in parameters.items()}
    return Copy.from_parameters(spec, parameters, backend)
