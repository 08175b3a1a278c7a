"""What all recurrent layers share: the time loop forward, and backward through time with exponents.

Time is cut into blocks that stay in cache. Inside a block the loop runs on bare arrays; afterwards
all its magnitudes are taken at once. Should one have left the window, the block is resumed from the
last step before it, rescaled by a power of two. A run that stays in range never pays for this.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING, ClassVar

from engine.external import ExternalGradient
from engine.layer import Layer, Shape, matrix_gradient, sum_over_samples
from engine.linearisation import Hop
from engine.magnitude import (
    TRUSTED,
    WINDOW,
    ScaledGradient,
    log2_rms,
    multiply_by_power,
    put_each_log2_rms,
    untouched,
    within,
)
from engine.recurrence_plan import block_length, sums_by_run
from engine.running_sums import RunningSums
from engine.small_products import MULTIPLIED, SUMMED, in_parts, part_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from engine.arrays import Array, Exponents, HostArray
    from engine.backend import Backend
    from engine.layer import Arrays
    from engine.spec import NetworkSpec

#: |log2 RMS| of what counts as close to 1: above TRUSTED, a product still has room for it.
_CLOSE = 8.0


class RecurrentLayer(Layer):
    """A layer fed with x_t W + b at every step, whose h_0 = 0 it carries on by a recurrence.

    A subclass writes the two tight loops, what they multiply by, and the gradients of its recurrent
    weights. The buffers `a` and `h` are the base's; whatever else is kept, the subclass plans.

    G is the number of gates, 1 for a cell without. What has G values a unit lies gate by gate,
    (S, G, T, B, H), so that what is done to one gate at one step runs over contiguous memory.

    Attributes:
        states: how many gradients travel back through time beside each other, dL/dh the first.
        one_block: whether all steps are one block, as on a device whose loop is a single kernel.
        a: x_t W + b, then the pre-activations, (S, G, T, B, H).
        grad_a: dL/da, (S, G, T, B, H), written over `a` unless the loop back still needs that.
    """

    recurrent: ClassVar[bool] = True
    states: ClassVar[int] = 1
    one_block: ClassVar[bool] = False

    @property
    def shares_work(self) -> bool:
        return self._sums is not None

    def _prepare_forward(self) -> None:
        """Lay out what `_forward_steps` reads; called once a pass."""

    def _prepare_backward(self) -> None:
        """Lay out what `_backward_steps` reads; called once a pass."""

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._each_step: dict[str, list[Array]] = {}
        self._width = max(1, len(self.gates))
        length, steps = block_length(type(self), spec, cells), spec.time_steps
        self._blocks = [slice(t, min(t + length, steps)) for t in range(0, steps, length)]
        shape = (cells, length + 1, *self._step_shape()[1:])
        self._grad_states = tuple(self.shared(f"grad_state{i}", shape) for i in range(self.states))
        self.a = self.grad_a = self.by_gate(arrays.own["a"])
        #: What sums the parameters' gradients while time is gone back through, None for afterwards.
        self._sums: RunningSums | None = None
        if sums_by_run(spec, cells):
            gradients = arrays.gradients
            parts = {name: self.shared(f"part_{name}", g.shape) for name, g in gradients.items()}
            self._sums = RunningSums(backend, gradients, parts)

    @abstractmethod
    def _forward_steps(self, block: slice) -> None:
        """Run the steps of one block forward.

        `a` holds x_t W + b there and receives the pre-activations; h is read one step before the
        block and written in it. `loop` gives views for the loop.
        """

    @abstractmethod
    def _local_gradients(self, block: slice) -> tuple[Array, ...]:
        """What the backward loop multiplies by at each step of a block, each (S, n, ..., B, H).

        Also records the share of saturated units. May use up the block's part of `a`.
        """

    def _loop_factors(self, block: slice) -> tuple[Array, ...]:
        """`_local_gradients` for the loop back; () where that works them out as it goes."""
        return self._local_gradients(block)

    @abstractmethod
    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        """Run n steps backward through time.

        `local` are views of what `_loop_factors` gave, n steps each. Every array of `states` is
        (n + 1, ..., B, H) and its last entry the total gradient of the last step. For each step k
        from the last down, write dL/da to `grad_a` at steps.start + k, and states[.][k] from
        states[.][k + 1]; add external[k - 1] to dL/dh where k > 0. The stack axis S stands where
        the dots are, and is dropped for a stack of one. Steps may be run again.
        """

    @abstractmethod
    def _push_step(self, local: tuple[Array, ...], tangent: Array) -> Array:
        """J v of one time step for K tangents v of what the cell carries, (K, states * H).

        `local` is what `_local_gradients` gave, at that step of one sample, each (...).
        """

    @abstractmethod
    def _pull_step(self, local: tuple[Array, ...], cotangent: Array) -> Array:
        """J^T u of one time step, shapes and `local` as in `_push_step`."""

    @abstractmethod
    def _recurrent_gradients(self, steps: slice, out: Mapping[str, Array]) -> None:
        """Write the recurrent weights' gradients, summed over these steps, to `out`, by name.

        Of h_{t-1}, which is own["h"] at `steps`, and dL/da.
        """

    def _path_gradients(self, states: tuple[Array, ...]) -> dict[str, Array]:
        """The gradients at the points `path` names, (S, n, B, H), of the n steps just run.

        `states` are those that `_backward_steps` was given, with the stack axis S in front.
        """
        return {}

    def forward(self, x: Array) -> Array:
        h, blocks = self.arrays.own["h"], self._blocks
        if "b" in self.arrays.parameters:
            # Repeated over the batch, it is added to whole arrays instead of one row at a time.
            bias = self.arrays.parameters["b"].reshape(self.cells, self._width, 1, 1, -1)
            self._repeated_bias()[...] = bias
        self._prepare_forward()
        for block, _ in zip(blocks, self._projected(x, blocks), strict=True):
            self._forward_steps(block)
            after = h[:, block.start + 1 : block.stop + 1]
            self._probe_activations(after, after, block)
        return h[:, 1:]

    def _projected(self, x: Array, blocks: list[slice]) -> Iterator[None]:
        """Write x W + b to `a`, one block before each time of asking."""
        if self._sums is None:
            if self.plain:
                self._multiply_input(x, self.a)
            else:
                self._project_rows(x)
            for block in blocks:
                self._add_bias(block)
                yield
        elif self.backend.companion is None:
            # Block by block the projection is still in cache when the loop gets to it.
            for block in blocks:
                self._project_block(x, block)
                yield
        else:
            submit = self.backend.companion.submit
            for begun in [submit(self._project_block, x, block) for block in blocks]:
                begun.result()
                yield

    def _project_block(self, x: Array, block: slice) -> None:
        self._multiply_input(x[:, block], self.a[:, :, block])
        self._add_bias(block)

    def _add_bias(self, block: slice) -> None:
        if "b" in self.arrays.parameters:
            steps = self.a[:, :, block]
            self.backend.xp.add(steps, self._repeated_bias(), out=steps)

    def _repeated_bias(self) -> Array:
        """Room for b once a sample, (S, G, 1, B, H)."""
        cells, batch, size = self._step_shape()
        return self.shared("repeated_b", (cells, self._width, 1, batch, size))

    def _multiply_input(self, x: Array, out: Array) -> None:
        """Write x W, x (S, n, B, F), to `out`, (S, G, n, B, H): one GEMM a gate, or small ones."""
        weight = self.columns(self.arrays.parameters["W"])
        samples = x.reshape(self.cells, 1, -1, x.shape[-1])
        rows = out.reshape(self.cells, self._width, -1, out.shape[-1])
        count = self._parts(samples, rows, MULTIPLIED)
        if count > 1:
            samples, rows = in_parts(samples, count), in_parts(rows, count)
            self.backend.xp.matmul(samples, weight[:, :, None], out=rows)
        elif self._width == 1:
            self.backend.product(samples[:, 0], weight[:, 0], rows[:, 0])()
        else:
            self.backend.xp.matmul(samples, weight, out=rows)

    def _parts(self, samples: Array, rows: Array, least: int) -> int:
        """Into how many parts to cut the products of samples (..., N, F) and rows (..., N, H)."""
        if not self.backend.small_products:
            return 1
        return part_count(samples.shape[-2], samples.shape[-1] * rows.shape[-1], least)

    def _project_rows(self, x: Array) -> None:
        """Write to `a` what x W becomes where something lies between it and the bias."""
        rows = self._rows()
        flat = rows.reshape(self.cells, -1, rows.shape[-1])
        samples = x.reshape(self.cells, -1, x.shape[-1])
        self.backend.xp.matmul(samples, self.arrays.parameters["W"], out=flat)
        self._project(rows)
        if self.gates:
            self.backend.xp.copyto(self.a, self._by_gate_of_rows(rows))

    def _rows(self) -> Array:
        """Room for a sample's gates side by side, (S, T, B, G H): `a` itself if there is one."""
        own = self.arrays.own["a"]
        return self.shared("rows", own.shape) if self.gates else own

    def _by_gate_of_rows(self, rows: Array) -> Array:
        """A view (S, G, n, B, H) of (S, n, B, G H)."""
        return rows.reshape(*rows.shape[:3], self._width, -1).transpose(0, 3, 1, 2, 4)

    def backward(self, x: Array, gradient: ScaledGradient, into: Array | None) -> ScaledGradient:
        import numpy as np

        exponents = np.zeros((self.cells, self.spec.time_steps), dtype=np.int64)
        self._through_time(x, gradient, exponents)
        grad_a = ScaledGradient(self.grad_a.swapaxes(1, 2), exponents)
        grad_p, log2_grad_p = self._projection_gradient(grad_a)
        below = ScaledGradient(into, grad_p.exponent)
        if into is not None:
            self._input_gradient(grad_p.data, into)
        if self.fills_gradients:
            self._fill_gradients(x, grad_a, grad_p, log2_grad_p)
        return below

    def _projection_gradient(
        self, grad_a: ScaledGradient, out: HostArray | None = None
    ) -> tuple[ScaledGradient, HostArray]:
        if self.plain:
            return super()._projection_gradient(grad_a, out)
        if self.gates and self.normaliser is not None and self.normaliser.across_time:
            import numpy as np

            # Before the copy, so that both have one scale.
            sizes = self.probe.log2_grad_a
            exponent = self.align(grad_a, sizes, np.zeros_like(sizes), self._scaled_like_a())
            grad_a.exponent = exponent[:, None].repeat(sizes.shape[1], axis=1)
        rows = ScaledGradient(self.grad_a[:, 0], grad_a.exponent)
        if self.gates:
            rows.data = self._rows()
            self.backend.xp.copyto(self._by_gate_of_rows(rows.data), self.grad_a)
        result = super()._projection_gradient(rows, out)
        grad_a.exponent = rows.exponent
        return result

    def _input_gradient(self, grad_p: Array, into: Array) -> None:
        """Write dL/dx to `into`, (S, T, B, F), given dL/d(x W) by gate or as rows."""
        xp, size = self.backend.xp, self.arrays.own["a"].shape[-1]
        weight = self.arrays.parameters["W"].swapaxes(-1, -2)
        by_gate = self.plain and bool(self.gates)
        # To copy a block into rows costs less than a product a gate, each to be added.
        for block in self._blocks if by_gate else [slice(None)]:
            rows = part = grad_p[:, block]
            if by_gate:
                rows = self._spare((*part.shape[:2], part.shape[3], size))
                xp.copyto(self._by_gate_of_rows(rows).swapaxes(1, 2), part)
            out = into[:, block]
            flat = out.reshape(self.cells, -1, out.shape[-1])
            xp.matmul(rows.reshape(self.cells, -1, size), weight, out=flat)

    def _spare(self, shape: Shape) -> Array:
        """Room for a block of dL/da once the loop back is done, (S, n, B, G H)."""
        return self.shared("slope", shape)

    def _fill_gradients(
        self, x: Array, grad_a: ScaledGradient, grad_p: ScaledGradient, log2_grad_p: HostArray
    ) -> None:
        """The parameters' gradients, from dL/da and dL/d(x W), whose scales they use up."""
        if self._sums is not None:
            exponent = self._sums.finish()
            self._probe_parameters(exponent, exponent)
            return
        every = slice(0, self.spec.time_steps)
        sizes, met = self.probe.log2_grad_a, self._log2_met(every, own_input=grad_p is grad_a)
        of_weights = exponent = self.align(grad_a, sizes, met, self._scaled_like_a())
        if grad_p is not grad_a:
            of_weights = self.align(grad_p, log2_grad_p, self.log2_x)
        by_gate = self.grad_a if self.plain else self._by_gate_of_rows(grad_p.data)
        self._sum_gradients(x, by_gate, every, self.arrays.gradients)
        if self.normaliser is not None:
            self.normaliser.sum_gain()
        self._probe_parameters(exponent, of_weights)

    def _log2_met(self, steps: slice, own_input: bool) -> HostArray:
        """log2 RMS of the larger of what these steps' dL/da meet in parameter gradients, (S, n).

        That is h_{t-1} with h_0 = 0, and with `own_input` x_t. Where all are close to 1, one 0 a
        cell stands for them, (S, 1).
        """
        import numpy as np

        log2_h, log2_x = self.probe.log2_h, self.log2_x
        nearby = log2_h[:, max(steps.start - 1, 0) : steps.stop]
        if within(nearby, -_CLOSE, _CLOSE) and (not own_input or within(log2_x, -_CLOSE, _CLOSE)):
            return np.zeros((self.cells, 1))
        met: HostArray = np.zeros_like(log2_h)
        if own_input:
            met[...] = log2_x
        np.maximum(met[:, 1:], log2_h[:, :-1], out=met[:, 1:])
        return met[:, steps]

    def _sum_gradients(
        self, x: Array, grad_p: Array, steps: slice, out: Mapping[str, Array]
    ) -> None:
        """Write to `out`, by name, the parameters' gradients summed over these steps.

        `grad_p` is dL/d(x W) of all steps by gate, (S, G, T, B, H).
        """
        self.matrix_gradient(x[:, steps], grad_p[:, :, steps], self.columns(out["W"]))
        self._recurrent_gradients(steps, out)
        if "b" in out:
            self.sum_over_samples(self.grad_a[:, :, steps], out["b"])

    def _add_run(self, x: Array, steps: slice, exponents: Exponents) -> None:
        """Add to the parameters' gradients what these steps, of one scale, have to add."""
        if self._sums is None or not self.fills_gradients:
            return
        sizes = self.probe.log2_grad_a[:, steps]
        # Zeros add nothing, and have no scale.
        if sizes.item(0) == -math.inf and sizes.max() == -math.inf:
            return
        run = ScaledGradient(self.grad_a[:, :, steps].swapaxes(1, 2), exponents[:, steps])
        beside = [part[:, steps] for part in self._scaled_like_a()]
        exponent = self.align(run, sizes, self._log2_met(steps, own_input=True), beside)
        exponents[:, steps] = exponent[:, None]
        self._sums.add(exponent, partial(self._sum_gradients, x, self.grad_a, steps))

    def linearise(self, x: Array) -> list[Hop]:
        hops = []
        size = self.states * self.spec.hidden_size
        parameters = self.arrays.parameters
        work = size + sum(array[0].size for name, array in parameters.items() if name != "W")
        for block in self._blocks:
            # One sample's, and copied: the next block uses the same scratch.
            local = tuple(part[0][..., 0, :].copy() for part in self._local_gradients(block))
            for step in range(block.start or 1, block.stop):
                own = tuple(part[step - block.start] for part in local)
                push, pull = partial(self._push_step, own), partial(self._pull_step, own)
                hops.append(Hop(push, pull, size, size, work))
        # A single step has no hop, and d h_1 / d h_1 = I.
        return hops or [Hop(_unchanged, _unchanged, size, size, 0)]

    def _through_time(self, x: Array, gradient: ScaledGradient, exponents: Exponents) -> None:
        """Fill `grad_a`, `exponents` (S, T) with its scales, and the probe."""
        import numpy as np

        grad_a, steps = self.grad_a, self.spec.time_steps
        length = self._blocks[0].stop
        states = self._grad_states
        external = ExternalGradient(self, gradient)
        if self._sums is not None:
            self._sums.start()
        self._prepare_backward()
        scale: Exponents = np.zeros(self.cells, dtype=np.int64)
        above: HostArray = np.zeros(self.cells)
        # How a hop changed log2 RMS on average, in the last run.
        pace: HostArray = np.zeros(self.cells)
        # After a departure the next is likely as far off: what runs beyond it is run again.
        ahead = length
        for block in reversed(self._blocks):
            start, count = block.start, block.stop - block.start
            local = self._loop_factors(block)
            for state in states:
                state[:, count] = state[:, 0] if block.stop < steps else 0.0
            stop, resumed, force = block.stop, False, False
            while stop > start:
                top = tuple(state[:, stop - start : stop - start + 1] for state in states)
                if resumed:
                    scale = self._normalise(top, scale, 0.0 if force else WINDOW)
                else:
                    scale = external.join(top, stop - 1, scale, fresh=stop == steps)
                    if stop < steps and (np.abs(above + pace * count) > WINDOW).any():
                        # Better now than half way through the block.
                        least = np.where(np.abs(above + pace * count) > WINDOW, 0.0, WINDOW)
                        scale = self._normalise(top, scale, least)
                scale, low = external.reach(max(start, stop - ahead), stop, scale, top)
                run = tuple(state[:, low - start : stop - start + 1] for state in states)
                self._backward_steps(
                    tuple(self.loop(part[:, low - start : stop - start]) for part in local),
                    tuple(self.loop(state) for state in run),
                    slice(low, stop),
                    external.steps(low, stop, scale),
                )
                points = self._path_gradients(run)
                of_states = [state[:, 1:] for state in run]
                of_all = self._log2_sizes([grad_a[:, :, low:stop], *of_states, *points.values()])
                of_a, *sizes = of_all
                sizes, of_points = sizes[: len(run)], sizes[len(run) :]
                size = _largest(sizes)
                cut, force = _first_departure(size, above, resumed, force)
                if not self._at_hand:
                    self._disregard(of_all, cut)
                if cut < stop - low:
                    kept = slice(low + cut, stop)
                    found = of_a[:, :, cut:], sizes[0][:, cut:], [one[:, cut:] for one in of_points]
                    self.backend.settle(partial(self._probe_run, kept, scale, points, *found))
                    exponents[:, kept] = scale[:, None]
                    if self.witness is not None:
                        self.witness(run[0][:, cut + 1 :], exponents[:, kept], kept)
                    # Last, since it may give dL/da another scale than dL/dh has.
                    self._add_run(x, kept, exponents)
                    above, pace = size[:, cut], (size[:, cut] - size[:, -1]) / (stop - low - cut)
                    ahead = 5 * (stop - low - cut) // 4 + 1 if cut else 2 * ahead
                # A step reached inside the loop has its external part; one at its end has not.
                stop, resumed = low + cut, cut > 0

    def _log2_sizes(self, measured: list[Array]) -> list[HostArray]:
        """log2 RMS of arrays (S, ..., n, B, H), each (S, ..., n)."""
        import numpy as np

        sizes: list[HostArray] = [np.empty(array.shape[:-2]) for array in measured]
        put_each_log2_rms(self.backend, list(zip(measured, sizes, strict=True)))
        return sizes

    def _disregard(self, found: list[HostArray], cut: int) -> None:
        """Tell what of a run's sizes, dL/da's the first, decides nothing."""
        import numpy as np

        of_a = found[0]
        dead = np.isneginf(of_a)
        # One gate's zeros beside another's gradients; as where r meets h_0 = 0.
        self.backend.disregard(of_a, dead & ~dead.all(axis=1, keepdims=True))
        for sizes in found:
            # These steps are run again.
            self.backend.disregard(sizes, (..., slice(cut)))

    def _probe_run(
        self,
        steps: slice,
        scale: Exponents,
        points: Iterable[str],
        of_a: HostArray,
        of_h: HostArray,
        of_points: list[HostArray],
    ) -> None:
        """Record log2 RMS of these steps' gradients, which have this scale (S,).

        That is of dL/da by gate, (S, G, n), of dL/dh, (S, n), and of those at `points`.
        """
        probe = self.probe
        if not untouched(scale):
            exponent = scale[:, None]
            of_h, of_a = of_h + exponent, of_a + exponent[:, None]
            of_points = [size + exponent for size in of_points]
        probe.log2_grad_h[:, steps] = of_h
        for index, name in enumerate(self.gates):
            probe.log2_grad_gates[name][:, steps] = of_a[:, index]
        # A cell with gates has no single dL/da to report; its largest part decides how to sum.
        probe.log2_grad_a[:, steps] = of_a.max(axis=1) if self.gates else of_a[:, 0]
        for name, size in zip(points, of_points, strict=True):
            probe.log2_path[name][:, steps] = size

    def _normalise(
        self, top: tuple[Array, ...], scale: Exponents, least: float | HostArray
    ) -> Exponents:
        """Bring the gradients of one step to magnitude 1 in cells whose |log2 RMS| is over `least`.

        Returns the scale that `top` has then.
        """
        import numpy as np

        size = self.size_of(top)
        outside = np.isfinite(size) & (np.abs(size) > least)
        if not outside.any():
            return scale
        shift = np.where(outside, np.rint(size), 0.0).astype(np.int64)
        for state in top:
            multiply_by_power(self.backend, state, -shift[:, None])
        result: Exponents = scale + shift
        return result

    def size_of(self, top: tuple[Array, ...]) -> HostArray:
        """log2 RMS (S,) of the largest of the gradients at one step, each (S, 1, B, H)."""
        return _largest([log2_rms(self.backend, state) for state in top])[:, 0]

    def _step_shape(self) -> Shape:
        return (self.cells, self.spec.batch_size, self.spec.hidden_size)

    def shared(self, name: str, shape: Shape) -> Array:
        return self.arrays.shared[name][: math.prod(shape)].reshape(shape)

    def by_gate(self, array: Array) -> Array:
        """A buffer of G values a unit as (S, G, n, B, H), n being whatever it has room for."""
        return array.reshape(self.cells, self._width, -1, *self._step_shape()[1:])

    def columns(self, weight: Array) -> Array:
        """A view (S, G, F, H) of weights or their gradients, (S, F, G H)."""
        return weight.reshape(*weight.shape[:2], self._width, -1).swapaxes(1, 2)

    def matrix_gradient(self, x: Array, by_gate: Array, out: Array) -> None:
        """Write to `out`, (S, G', F, H), the sum over steps and batch of x^T times a gradient.

        `x` is (S, n, B, F), the gradient (S, G', n, B, H).
        """
        samples = x.reshape(self.cells, 1, -1, x.shape[-1])
        rows = by_gate.reshape(*by_gate.shape[:2], -1, by_gate.shape[-1])
        # Many cells, whose gradients are not summed by run, have no room for parts.
        count = 1 if self._sums is None else self._parts(samples, rows, SUMMED)
        if count > 1:
            sums = self.shared("partial_sums", (*rows.shape[:2], count, *out.shape[2:]))
            samples, rows = in_parts(samples, count), in_parts(rows, count)
            self.backend.xp.matmul(samples.swapaxes(-1, -2), rows, out=sums)
            self.backend.xp.add.reduce(sums, axis=2, out=out)
        elif self._width == 1:
            matrix_gradient(self.backend, samples[:, 0], rows[:, 0], out[:, 0])
        else:
            matrix_gradient(self.backend, samples, rows, out)

    def sum_over_samples(self, by_gate: Array, out: Array) -> None:
        """Write to `out`, (S, G' H), the sum over steps and batch of a gradient as above."""
        rows = by_gate.reshape(by_gate.shape[0] * by_gate.shape[1], -1, by_gate.shape[-1])
        ones, sums = self.arrays.shared["ones"], out.reshape(len(rows), -1)
        sum_over_samples(self.backend, ones, rows, sums)()

    @staticmethod
    def downwards(
        grad_a: list[Array], slope: Array, grad_h: Array, external: Array | None
    ) -> Iterator[tuple[Array, Array, Array, Array | None]]:
        """What a backward loop meets at each step, the last first: dL/da, the slope, dL/dh of the
        step before, and what the layer above adds to that, None where it adds nothing.
        """
        parts = RecurrentLayer.parts(external)
        return zip(grad_a[::-1], slope[::-1], grad_h[-2::-1], parts, strict=False)

    @staticmethod
    def parts(external: Array | None) -> Iterator[Array | None]:
        """What the layer above adds to dL/dh below each step, the last first, then None."""
        return repeat(None) if external is None else chain(external[::-1], repeat(None))

    def each_step(self, name: str) -> list[Array]:
        """Views (..., B, H) of an own buffer's steps, made once for all passes."""
        if name not in self._each_step:
            self._each_step[name] = list(self.loop(self.arrays.own[name]))
        return self._each_step[name]

    def stepper(self) -> Callable[..., object]:
        """The activation as a function (a_t, out=h_t) for the time loop."""
        return self.activation.stepper(self.backend.xp, self.cell(self.arrays.own["h"][:, 0]))

    def slopes(self, block: slice) -> Array:
        """The slopes phi' over a block, (S, n, B, H), for a cell with a single pre-activation."""
        a, h = self.arrays.own["a"][:, block], self.arrays.own["h"]
        slope = self.shared("slope", a.shape)
        self.activation.slope(self.backend.xp, a, h[:, block.start + 1 : block.stop + 1], slope)
        self._probe_saturation(slope, block)
        return slope

    def loop(self, array: Array) -> Array:
        """(S, n, ...) with time in front, and without the stack axis for a stack of one."""
        return array[0] if self.cells == 1 else array.swapaxes(0, 1)

    def cell(self, array: Array) -> Array:
        """A per-cell array (S, ...) as the time loop wants it."""
        return array[0] if self.cells == 1 else array


def _unchanged(vectors: Array) -> Array:
    return vectors


def _largest(sizes: list[HostArray]) -> HostArray:
    """The largest of several log2 sizes, place by place; nan where any is nan."""
    import numpy as np

    return sizes[0] if len(sizes) == 1 else np.maximum.reduce(sizes)


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

    if within(size, -WINDOW, WINDOW):
        return 0, False
    inside = np.abs(size) <= WINDOW
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
