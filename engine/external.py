"""What a recurrent layer's dL/dh gets from the layer above, at a scale of its own each step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.magnitude import WINDOW, multiply_by_power

if TYPE_CHECKING:
    from engine.arrays import Array, Exponents
    from engine.magnitude import ScaledGradient
    from engine.recurrence import RecurrentLayer


class ExternalGradient:
    """dL/dh from the layer above, joined step by step with what comes back through time."""

    def __init__(self, layer: RecurrentLayer, gradient: ScaledGradient) -> None:
        self._layer = layer
        self._backend = layer.backend
        self._data = gradient.data
        self._exponent = gradient.exponent.copy()
        #: First time step that has an external part.
        self._first = layer.spec.time_steps - gradient.data.shape[1]

    def join(self, top: tuple[Array, ...], t: int, scale: Exponents, fresh: bool) -> Exponents:
        """Add step t's external part to dL/dh, top[0], and return the scale that `top` has then.

        `fresh` says that nothing has come back through time yet: `top` is zero.
        """
        import numpy as np

        if t < self._first:
            return scale
        place = slice(t - self._first, t - self._first + 1)
        part, exponent = self._data[:, place], self._exponent[:, place]
        if fresh:
            top[0][...] = part
            return exponent[:, 0].copy()
        if (exponent[:, 0] == scale).all():
            self._backend.xp.add(top[0], part, out=top[0])
            return scale
        recurrent = self._layer.size_of(top)
        # An exact zero has no scale of its own to defend.
        mine = np.where(recurrent == -math.inf, exponent[:, 0], scale)
        shared = np.maximum(mine, exponent[:, 0])
        for state in top:
            multiply_by_power(self._backend, state, (scale - shared)[:, None])
        multiply_by_power(self._backend, part, exponent - shared[:, None])
        self._backend.xp.add(top[0], part, out=top[0])
        result: Exponents = shared
        return result

    def reach(
        self, start: int, stop: int, scale: Exponents, top: tuple[Array, ...]
    ) -> tuple[Exponents, int]:
        """How far down from step stop - 1 the loop may run, and at which scale.

        It ends above a step whose external part is too large for the scale, and at the first step
        that has one. Where `top` is an exact zero the scale is the next part's own.
        """
        import numpy as np

        first = max(start, self._first)
        if first >= stop - 1:
            return scale, start
        exponent = self._exponent[:, first - self._first : stop - 1 - self._first]
        if (exponent == scale[:, None]).all():
            return scale, first
        dead = np.isneginf(self._layer.size_of(top))
        scale = np.where(dead, exponent[:, -1], scale)
        blocked = np.flatnonzero((exponent - scale[:, None] > WINDOW).any(axis=0))
        return scale, first + int(blocked[-1]) + 1 if blocked.size else first

    def steps(self, low: int, stop: int, scale: Exponents) -> Array | None:
        """External parts of steps low .. stop - 2 at `scale`, None where there are none.

        `reach` sees to it that either all of these steps have one or none has.
        """
        if low < self._first or stop - 1 <= low:
            return None
        places = slice(low - self._first, stop - 1 - self._first)
        parts = self._data[:, places]
        excess = self._exponent[:, places] - scale[:, None]
        if excess.any():
            # Scaled in a copy: what underflows here may matter again once the scale has sunk.
            copy = self._layer.shared("external", parts.shape)
            copy[...] = parts
            multiply_by_power(self._backend, copy, excess)
            parts = copy
        return self._layer.loop(parts)
