"""Finite-time Lyapunov exponents of a recurrent network along a trajectory, by the QR method.

The Jacobian of step t is J_t = diag(phi'(a_t)) U^T (U acts on row vectors from the right). What a
small difference of states, or a gradient, is multiplied by over n steps is the product of n of
them; its exponents are log singular values divided by n. The product itself would leave float64, so
it is kept as Q R: Benettin et al. 1980; for recurrent networks Engelken, Wolf, Abbott 2023.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from engine.arrays import HostArray

#: What a direction must keep in one step, relative to the best one, to be told from rounding.
_RESOLUTION = 1e-15


def lyapunov_exponents(
    u: NDArray[Any], slopes: NDArray[Any], count: int | None = None
) -> HostArray:
    """The `count` largest exponents in nats per time step, (count,), largest first; all by default.

    Args:
        u: (H, H), the recurrent matrix of h_t = phi(x_t W + h_{t-1} U + b).
        slopes: (n, H), phi'(a_t) of one sequence at the n >= 1 steps to multiply, in time order.
        count: from 1 to H; a few cost far less than all.

    Divide by ln 10 for decades per step: what the amplitude of a gradient changes by along the
    direction that loses least. -inf marks directions that die within a step, as behind closed
    ReLUs. A first pass backwards in time aligns the directions, so that a few hundred steps give
    the log singular values of the product divided by n; where those come in groups of nearly equal
    size single values blur within a group, and their sum is right.

    Raises ValueError for shapes that do not fit or a count that is not there.
    """
    import numpy as np

    size = u.shape[0]
    if u.shape != (size, size) or slopes.ndim != 2 or slopes.shape[1] != size or not len(slopes):
        raise ValueError(f"u of shape {u.shape} does not fit slopes of shape {slopes.shape}")
    kept = size if count is None else count
    if not 1 <= kept <= size:
        raise ValueError(f"there are 1 to {size} exponents to ask for, not {count}")
    matrix, steps = np.asarray(u, dtype=np.float64), np.asarray(slopes, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal((size, kept))
    basis = np.linalg.qr(start)[0]
    # Backwards with transposed Jacobians: the basis turns to the product's right singular vectors.
    for slope in steps[::-1]:
        basis = np.linalg.qr(matrix @ (slope[:, None] * basis))[0]
    total = np.zeros(kept)
    for _, gains in _forwards(matrix, steps, basis):
        total += gains
    result: HostArray = np.sort(total / len(steps))[::-1]
    return result


def _forwards(
    matrix: HostArray, steps: HostArray, basis: HostArray
) -> Iterator[tuple[HostArray, HostArray]]:
    """For each step the new basis and the log factors, (count,), by which its directions grew."""
    import numpy as np

    for slope in steps:
        basis, upper = np.linalg.qr(slope[:, None] * (matrix.T @ basis))
        size = abs(np.diagonal(upper))
        lost = size <= _RESOLUTION * size.max()
        with np.errstate(divide="ignore"):
            yield basis, np.where(lost, -math.inf, np.log(size))
