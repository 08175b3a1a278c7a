"""Finite-time Lyapunov exponents of a recurrent network along a trajectory, by the QR method.

What a small difference of states, or a gradient, is multiplied by over n steps is the product of
the n Jacobians d h_t / d h_{t-1}; its exponents are log singular values divided by n. The product
itself would leave float64, so it is kept as Q R: Benettin et al. 1980; for recurrent networks
Engelken, Wolf, Abbott 2023.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from engine.linearisation import in_float64

if TYPE_CHECKING:
    from engine.arrays import Array, HostArray
    from engine.network import Network

#: A linear map on the rows of (K, H).
Map: TypeAlias = "Callable[[Array], Array]"

#: What a direction must keep in one step, relative to the best one, to be told from rounding.
_RESOLUTION = 1e-15
#: Directions carried beside those asked for: exponents close together settle sooner.
_SPARE = 8


def leading_exponents(network: Network, x: Array, count: int, cell: int = 0) -> HostArray:
    """The largest exponents of a recurrent network as it is now, in nats per time step.

    They are those of d h_T / d h_1 of the last layer, for lstm of the state (h, c), along the
    trajectory through the first sample of `x`, which is as `evaluate` takes it but on the host.
    (count,), largest first, or as many as the state has dimensions. Computed in float64 on the
    host, on a copy. No gradient of this sample grows by more than the first; a typical one follows
    it in the long run.

    Raises ValueError for a network without time steps to cross, ForwardOverflow, MemoryShortage.
    """
    if network.spec.time_steps < 2:
        raise ValueError("a single time step has no hop to multiply")
    copy = in_float64(network, cell, "cpu")
    hops = copy.linearise(copy.backend.asarray(x[cell : cell + 1, :, : copy.spec.batch_size]))
    size = hops[0].inputs
    push, pull = [hop.push for hop in hops], [hop.pull for hop in hops]
    return exponents(push, pull, size, min(count + _SPARE, size))[:count]


def exponents(push: Sequence[Map], pull: Sequence[Map], size: int, count: int) -> HostArray:
    """The `count` largest exponents of a product of Jacobians in nats per step, largest first.

    Args:
        push: each step's Jacobian, in time order, as a map of the rows of (count, size).
        pull: their transposes, in the same order.
        size: how many dimensions the state has.
        count: from 1 to `size`; a few cost far less than all.

    -inf marks directions that die within a step, as behind closed ReLUs. A first pass backwards in
    time aligns the directions, so that a few hundred steps give the log singular values of the
    product divided by their number; where those come in groups of nearly equal size single values
    blur within a group, and their sum is right.
    """
    import numpy as np

    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((size, count)))[0]
    # Backwards with transposed Jacobians: the basis turns to the product's right singular vectors.
    for step in reversed(pull):
        basis = np.linalg.qr(step(basis.T).T)[0]
    total = np.zeros(count)
    for step in push:
        basis, upper = np.linalg.qr(step(basis.T).T)
        grown = abs(np.diagonal(upper))
        lost = grown <= _RESOLUTION * grown.max()
        with np.errstate(divide="ignore"):
            total += np.where(lost, -math.inf, np.log(grown))
    result: HostArray = np.sort(total / len(push))[::-1]
    return result
