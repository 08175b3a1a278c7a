"""What all recurrent layers share: the time loop forward, and backward through time with exponents.

Time is cut into blocks that stay in cache. Inside a block the loop runs on bare arrays; afterwards
all its magnitudes are taken at once. Should one have left the window, the block is resumed from the
last step before it, rescaled by a power of two. A run that stays in range never pays for this.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from engine.layer import Layer, Shape, matrix_gradient, sum_over_samples
from engine.magnitude import TRUSTED, WINDOW, ScaledGradient, log2_rms, multiply_by_power

if TYPE_CHECKING:
    from engine.arrays import Array, Exponents, HostArray
    from engine.spec import NetworkSpec

#: Values of one time block, chosen so that its four working arrays stay in a core's L2 cache.
_BLOCK_VALUES = 2**16


class RecurrentLayer(Layer):
    """A layer h_t = phi(x_t W + recurrence(h_{t-1}) + b) with h_0 = 0.

    A subclass writes the two tight loops and the gradient of its recurrent weight.
    """

    recurrent: ClassVar[bool] = True

    def _prepare_forward(self) -> None:
        """Lay out what `_forward_steps` reads; called once a pass."""

    def _prepare_backward(self) -> None:
        """Lay out what `_backward_steps` reads; called once a pass."""

    @abstractmethod
    def _forward_steps(self, a: Array, h: Array, scratch: Array) -> None:
        """Run one block of n steps forward.

        `a` (n, ..., B, H) holds x_t W + b and receives the pre-activation; `h` (n + 1, ..., B, H)
        starts with the h before the block and receives the rest; `scratch` is (..., B, H). The
        stack axis S stands where the dots are, and is dropped for a stack of one.
        """

    @abstractmethod
    def _backward_steps(
        self, slope: Array, grad_h: Array, grad_a: Array, external: Array | None
    ) -> None:
        """Run n steps backward, all arrays (n, ..., B, H) but grad_h (n + 1, ..., B, H).

        `grad_h[n]` is the total dL/dh of the last step. For each step k from the last down, write
        grad_a[k] = grad_h[k + 1] * slope[k] and grad_h[k] = what a recurrent hop makes of it, plus
        external[k - 1] where k > 0.
        """

    @abstractmethod
    def _recurrent_gradient(self, h: Array, grad_a: Array) -> None:
        """Fill the recurrent weight's gradient from h_{t-1} and dL/da_t, both (S, T - 1, B, H)."""

    def forward(self, x: Array) -> Array:
        xp, a, h = self.backend.xp, self.arrays.own["a"], self.arrays.own["h"]
        parameters = self.arrays.parameters
        flat = a.reshape(self.cells, -1, a.shape[-1])
        xp.matmul(x.reshape(self.cells, -1, x.shape[-1]), parameters["W"], out=flat)
        scratch = self.shared("step", self._step_shape())
        self._prepare_forward()
        for block in self._blocks():
            steps = a[:, block]
            if "b" in parameters:
                xp.add(steps, parameters["b"][:, None, None], out=steps)
            span = h[:, block.start : block.stop + 1]
            self._forward_steps(self.loop(steps), self.loop(span), self.cell(scratch))
            self._probe_activations(span[:, 1:], block)
        return h[:, 1:]

    def backward(self, x: Array, gradient: ScaledGradient, into: Array | None) -> ScaledGradient:
        import numpy as np

        a, h = self.arrays.own["a"], self.arrays.own["h"]
        exponents = np.zeros((self.cells, self.spec.time_steps), dtype=np.int64)
        self._through_time(gradient, exponents)
        below = ScaledGradient(into, exponents)
        grad_a = ScaledGradient(a, exponents)
        flat = a.reshape(self.cells, -1, a.shape[-1])
        if into is not None:
            weight = self.arrays.parameters["W"].swapaxes(-1, -2)
            rows = into.reshape(self.cells, -1, into.shape[-1])
            self.backend.xp.matmul(flat, weight, out=rows)
        probe = self.probe
        # What a step's dL/da meets in the two weight gradients: x_t, and h_{t-1} with h_0 = 0.
        log2_x = np.broadcast_to(self.log2_x, probe.log2_h.shape).copy()
        np.maximum(log2_x[:, 1:], probe.log2_h[:, :-1], out=log2_x[:, 1:])
        exponent = self.align(grad_a, probe.log2_grad_a, log2_x)
        samples = x.reshape(self.cells, -1, x.shape[-1])
        matrix_gradient(self.backend, samples, flat, self.arrays.gradients["W"])
        self._recurrent_gradient(h[:, 1:-1], a[:, 1:])
        if "b" in self.arrays.parameters:
            sum_over_samples(self.backend, a, self.arrays.gradients["b"])
        self.arrays.exponents.update(dict.fromkeys(self.arrays.parameters, exponent))
        return below

    def _through_time(self, gradient: ScaledGradient, exponents: Exponents) -> None:
        """Fill a's buffer with dL/da, `exponents` (S, T) with its scales, and the probe."""
        import numpy as np

        xp, a, h = self.backend.xp, self.arrays.own["a"], self.arrays.own["h"]
        probe, steps = self.probe, self.spec.time_steps
        length = self._block_length()
        grad_h = self.shared("grad_h", (self.cells, length + 1, *self._step_shape()[1:]))
        external = _External(self, gradient)
        self._prepare_backward()
        scale: Exponents = np.zeros(self.cells, dtype=np.int64)
        above: HostArray = np.zeros(self.cells)
        for block in reversed(self._blocks()):
            start, count = block.start, block.stop - block.start
            slope = self.shared("slope", (self.cells, count, *self._step_shape()[1:]))
            self.activation.slope(xp, a[:, block], h[:, start + 1 : block.stop + 1], slope)
            self._probe_slopes(slope, block)
            if block.stop < steps:
                grad_h[:, count] = grad_h[:, 0]
            stop, resumed, force = block.stop, False, False
            while stop > start:
                top = grad_h[:, stop - start : stop - start + 1]
                if resumed:
                    scale = self._normalise(top, scale, force)
                else:
                    scale = external.join(top, stop - 1, scale, fresh=stop == steps)
                scale, low = external.reach(start, stop, scale, top)
                self._backward_steps(
                    self.loop(slope[:, low - start : stop - start]),
                    self.loop(grad_h[:, low - start : stop - start + 1]),
                    self.loop(a[:, low:stop]),
                    external.steps(low, stop, scale),
                )
                size = log2_rms(self.backend, grad_h[:, low - start + 1 : stop - start + 1])
                cut, force = _first_departure(size, above, resumed, force)
                if cut < stop - low:
                    kept = slice(low + cut, stop)
                    size_a = log2_rms(self.backend, a[:, kept])
                    probe.log2_grad_h[:, kept] = size[:, cut:] + scale[:, None]
                    probe.log2_grad_a[:, kept] = size_a + scale[:, None]
                    exponents[:, kept] = scale[:, None]
                    above = size[:, cut]
                # A step reached inside the loop has its external part; one at its end has not.
                stop, resumed = low + cut, cut > 0

    def _normalise(self, top: Array, scale: Exponents, force: bool) -> Exponents:
        """Bring dL/dh at one step to magnitude 1 if it left the window, or by `force`."""
        import numpy as np

        size = log2_rms(self.backend, top)[:, 0]
        if not force and not (np.isfinite(size) & (np.abs(size) > WINDOW)).any():
            return scale
        shift = np.where(np.isfinite(size), np.rint(size), 0.0).astype(np.int64)
        multiply_by_power(self.backend, top, -shift[:, None])
        result: Exponents = scale + shift
        return result

    def _blocks(self) -> list[slice]:
        length, steps = self._block_length(), self.spec.time_steps
        return [slice(t, min(t + length, steps)) for t in range(0, steps, length)]

    def _block_length(self) -> int:
        return block_length(self.spec, self.cells)

    def _step_shape(self) -> Shape:
        return (self.cells, self.spec.batch_size, self.spec.hidden_size)

    def shared(self, name: str, shape: Shape) -> Array:
        return self.arrays.shared[name][: math.prod(shape)].reshape(shape)

    def loop(self, array: Array) -> Array:
        """(S, n, B, H) with time in front, and without the stack axis for a stack of one."""
        return array[0] if self.cells == 1 else array.swapaxes(0, 1)

    def cell(self, array: Array) -> Array:
        """A per-cell array (S, ...) as the time loop wants it."""
        return array[0] if self.cells == 1 else array


class _External:
    """dL/dh from the layer above, joined step by step with what comes back through time."""

    def __init__(self, layer: RecurrentLayer, gradient: ScaledGradient) -> None:
        self._layer = layer
        self._backend = layer.backend
        self._data = gradient.data
        self._exponent = gradient.exponent.copy()
        #: First time step that has an external part.
        self._first = layer.spec.time_steps - gradient.data.shape[1]

    def join(self, top: Array, t: int, scale: Exponents, fresh: bool) -> Exponents:
        """Add step t's external part to `top` (S, 1, B, H) and return the scale they share.

        `fresh` says that nothing has come back through time yet, so `top` is written, not added to.
        """
        import numpy as np

        if t < self._first:
            return scale
        place = slice(t - self._first, t - self._first + 1)
        part, exponent = self._data[:, place], self._exponent[:, place]
        if fresh:
            top[...] = part
            return exponent[:, 0].copy()
        if (exponent[:, 0] == scale).all():
            self._backend.xp.add(top, part, out=top)
            return scale
        recurrent = log2_rms(self._backend, top)[:, 0]
        # An exact zero has no scale of its own to defend.
        mine = np.where(recurrent == -math.inf, exponent[:, 0], scale)
        shared = np.maximum(mine, exponent[:, 0])
        multiply_by_power(self._backend, top, (scale - shared)[:, None])
        multiply_by_power(self._backend, part, exponent - shared[:, None])
        self._backend.xp.add(top, part, out=top)
        result: Exponents = shared
        return result

    def reach(self, start: int, stop: int, scale: Exponents, top: Array) -> tuple[Exponents, int]:
        """How far down from step stop - 1 the loop may run, and at which scale.

        It ends above a step whose external part is too large for the scale. Where `top` is an
        exact zero the scale is the next part's own.
        """
        import numpy as np

        first = max(start, self._first)
        if first >= stop - 1:
            return scale, start
        exponent = self._exponent[:, first - self._first : stop - 1 - self._first]
        if (exponent == scale[:, None]).all():
            return scale, start
        dead = np.isneginf(log2_rms(self._backend, top)[:, 0])
        scale = np.where(dead, exponent[:, -1], scale)
        blocked = np.flatnonzero((exponent - scale[:, None] > WINDOW).any(axis=0))
        return scale, first + int(blocked[-1]) + 1 if blocked.size else start

    def steps(self, low: int, stop: int, scale: Exponents) -> Array | None:
        """External parts of steps low .. stop - 2 at `scale`, None where there are none.

        A block the gradient from above only partly covers does not occur: it covers the last step
        alone or all of them.
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


def _first_departure(
    size: HostArray, above: HostArray, resumed: bool, forced: bool
) -> tuple[int, bool]:
    """Where to cut a run of n steps, given log2 RMS (S, n) of dL/dh, run from the last index down.

    Args:
        size: what the run gave.
        above: (S,), the size of the step before its first, one nearer to the loss.
        resumed: its first step was brought back into the window where it could be.
        forced: its first step was brought to magnitude 1.

    Returns the index of the first step to keep, and whether the step below it must be brought to
    magnitude 1 before going on. The step below a cut still holds a sound value.
    """
    import numpy as np

    inside = np.abs(size) <= WINDOW
    if inside.all():
        return 0, False
    steps = size.shape[1]
    before = np.concatenate([size[:, 1:], above[:, None]], axis=1)
    # A gradient that stays exactly 0 or nan has nothing to rescue.
    settled = (np.isneginf(size) & np.isneginf(before)) | np.isnan(before)
    departed = ~inside & ~settled
    departed[:, -1] &= not resumed
    where = np.flatnonzero(departed.any(axis=0))
    if not where.size:
        return 0, False
    last = int(where[-1])
    lost = departed[:, last] & ~(np.abs(size[:, last]) <= TRUSTED)
    if not lost.any() or (forced and last == steps - 2):
        return last + 1, False
    # The hop itself lost the value: repeat it from a step of magnitude 1.
    return min(last + 2, steps), True


def plan_recurrence(spec: NetworkSpec, cells: int) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """The buffers every recurrent layer keeps, and its scratch."""
    step = (spec.batch_size, spec.hidden_size)
    length = block_length(spec, cells)
    own: dict[str, Shape] = {
        "a": (cells, spec.time_steps, *step),
        "h": (cells, spec.time_steps + 1, *step),
    }
    shared: dict[str, Shape] = {
        "grad_h": (cells, length + 1, *step),
        "slope": (cells, length, *step),
        "mask": (cells, length, *step),
        "external": (cells, length, *step),
        "step": (cells, *step),
    }
    return own, shared


def block_length(spec: NetworkSpec, cells: int) -> int:
    """Time steps in one block."""
    values = cells * spec.batch_size * spec.hidden_size
    return max(1, min(spec.time_steps, _BLOCK_VALUES // values))
