"""IndRNN's constraint on u: |u|^T <= gamma, as drawn and after every update.

Li et al. 2018, section 3.1: |u| <= gamma^(1/T) keeps a ReLU neuron's gradient from growing by more
than gamma over T steps. The authors set gamma = 2 and cut u back to the bound after each step of
the optimiser, whose own state (momentum, Adam's averages) is left as it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.arrays import Array, HostArray
    from engine.backend import Backend


def largest_size(gamma: float, time_steps: int) -> float:
    """The largest |u| allowed: gamma^(1/T), or inf for gamma = 0, which leaves u free."""
    return math.pow(gamma, 1.0 / time_steps) if gamma else math.inf


class RecurrentBound:
    """Cuts the u of S stacked networks, each to its own bound.

    Args:
        gammas: the bound on |u|^T, one a cell; 0 leaves that cell's u free.
        time_steps: T.
        weights: every u, (S, H).
    """

    def __init__(
        self, backend: Backend, gammas: Sequence[float], time_steps: int, weights: list[Array]
    ) -> None:
        import numpy as np

        sizes = np.array([largest_size(gamma, time_steps) for gamma in gammas])
        rounded = sizes.astype(backend.dtype)
        # Rounded up, the T-th power would be above gamma.
        above = rounded.astype(np.float64) > sizes
        rounded[above] = np.nextafter(rounded[above], backend.dtype.type(0.0))
        high: HostArray = rounded[:, None]
        self._weights = weights if np.isfinite(sizes).any() else []
        self._high, self._low = backend.asarray(high), backend.asarray(-1.0 * high)
        self._xp = backend.xp

    def apply(self) -> None:
        """Cut every u back to its bound, in place; nan stays nan."""
        for u in self._weights:
            self._xp.minimum(u, self._high, out=u)
            self._xp.maximum(u, self._low, out=u)
