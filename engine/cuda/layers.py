"""Layers on a device: the engine's own, recurrent ones with their time loops in one kernel each.

What does not fit such a kernel runs step by step, in two launches each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.activations import ACTIVATIONS
from engine.architectures.cnn import ConvolutionLayer
from engine.architectures.gru import GRULayer
from engine.architectures.indrnn import IndRNNLayer
from engine.architectures.irnn import IRNNLayer
from engine.architectures.lstm import LSTMLayer
from engine.architectures.mlp import DenseLayer
from engine.architectures.rnn import RNNLayer
from engine.cuda.activations import record_saturated, saturated
from engine.cuda.feedforward import DeviceCNN, DeviceMLP
from engine.cuda.kernels import MatrixLoop, SampleLoop, UnitLoop, has_formula
from engine.cuda.steps import StepLoop
from engine.matrix_recurrence import MatrixRecurrence
from engine.recurrence import RecurrentLayer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.arrays import Array
    from engine.backend import Backend
    from engine.layer import Arrays, Layer, LayerPlan, Shape
    from engine.spec import NetworkSpec

#: Units whose block of threads a GPU can hold.
_MOST_UNITS = 1024
#: Bytes of U that a block reads at each step in about the time of a few launches.
_MOST_BYTES = 2**22


class DeviceLayer(RecurrentLayer):
    """A layer whose kernels work out slopes as they go back through time.

    Steps may be run again, for which `a` stays as it is: dL/da has the room of the slopes that are
    not written down, and the room of `a` is free once the loop is done.
    """

    one_block: ClassVar[bool] = True

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self.grad_a = self.by_gate(self.shared("slope", arrays.own["a"].shape))

    def _spare(self, shape: Shape) -> Array:
        return self.arrays.own["a"].reshape(shape)

    def _loop_factors(self, block: slice) -> tuple[Array, ...]:
        if self.statistics:
            self._probe_flat()
        return ()

    def _probe_flat(self) -> None:
        """Record the share of saturated units of all steps, from slopes that no one keeps."""
        own, compiler = self.arrays.own, self.backend.compiler
        assert compiler is not None
        a = self.a.swapaxes(1, 2)
        phi = own["gates"].swapaxes(1, 2) if self.gates else own["h"][:, 1:, None]
        mask = self._mask[: a.size].reshape(a.shape)
        squashes = [ACTIVATIONS[name] for name in self.squashes] or [self.activation]
        for gate, squash in enumerate(squashes):
            places = (slice(None), slice(None), gate)
            saturated(squash, compiler)(a[places], phi[places], mask[places])
        record_saturated(self, mask)


class DeviceIndRNN(DeviceLayer, IndRNNLayer):
    """Units do not meet, so each takes its own thread through time."""

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        assert backend.compiler is not None
        shape, phi = self._step_shape(), self.activation.name
        self._loop = UnitLoop("indrnn", backend.compiler, backend.dtype, shape, phi)

    def _forward_steps(self, block: slice) -> None:
        loop, own = self._loop, self.arrays.own
        a = self.loop(own["a"][:, block])
        h = self.loop(own["h"][:, block.start : block.stop + 1])
        u, bias = (self.arrays.parameters.get(name) for name in ("u", "b"))
        loop.forward(len(a), u, bias, loop.steps(a), loop.steps(h))

    def _add_bias(self, block: slice) -> None:
        """Nothing: in the kernel it costs nothing, here a pass over all of `a`."""

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        loop, own = self._loop, self.arrays.own
        h = own["h"][:, steps.start + 1 : steps.stop + 1]
        fields = map(self.loop, (own["a"][:, steps], h, self.grad_a[:, 0, steps]))
        arguments = map(loop.steps, (*fields, *states, external))
        loop.backward(steps.stop - steps.start, self.arrays.parameters["u"], *arguments)

    def _recurrent_gradients(self, steps: slice, out: Mapping[str, Array]) -> None:
        # einsum would allocate an array of this size; what came from above has been added by now.
        h_before, grad_a = self.arrays.own["h"][:, steps], self.grad_a[:, 0, steps]
        met = self.shared("external", grad_a.shape)
        self.backend.xp.multiply(h_before, grad_a, out=met)
        self.sum_over_samples(met[:, None], out["u"])


def _matrix_loop(layer: MatrixRecurrence, name: str) -> MatrixLoop:
    """What takes the layer through time.

    Samples each take a block of threads if it has units for them and its U is small enough.
    """
    spec, backend, gates = layer.spec, layer.backend, max(1, len(layer.gates))
    units, phi = spec.hidden_size, layer.activation
    size = gates * units * units * backend.dtype.itemsize
    assert backend.compiler is not None
    if units > _MOST_UNITS or size > _MOST_BYTES:
        return StepLoop(layer, name)
    shape = (layer.cells, spec.batch_size, units)
    return SampleLoop(name, backend.compiler, backend.dtype, shape, phi.name, gates)


class DeviceRNN(DeviceLayer, RNNLayer):
    """Samples do not meet, so each takes a block of threads through time."""

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._loop = _matrix_loop(self, "rnn")

    def _forward_steps(self, block: slice) -> None:
        loop, own = self._loop, self.arrays.own
        a = self.loop(own["a"][:, block])
        h = self.loop(own["h"][:, block.start : block.stop + 1])
        loop.forward(h, self.arrays.parameters["U"], loop.steps(a), loop.steps(h))

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        loop, own = self._loop, self.arrays.own
        h = own["h"][:, steps.start + 1 : steps.stop + 1]
        fields = map(self.loop, (own["a"][:, steps], h, self.grad_a[:, 0, steps]))
        arguments = map(loop.steps, (*fields, *states, external))
        loop.backward(states[0], self.transposed(), *arguments)


class DeviceIRNN(DeviceRNN, IRNNLayer):
    """The same with ReLU and a U that starts as the identity."""


class DeviceLSTM(DeviceLayer, LSTMLayer):
    """The same, a thread doing all four gates of its unit."""

    @classmethod
    def plan(cls, spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        plan = super().plan(spec, index, input_shape, cells)
        # dL/dc has the room of what else it would be multiplied by.
        del plan.shared["grad_c"]
        return plan

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._loop = _matrix_loop(self, "lstm")

    def _grad_c(self, steps: int) -> Array:
        return self.shared("slope_c", (self.cells, steps, *self._step_shape()[1:]))

    def _forward_steps(self, block: slice) -> None:
        loop, own = self._loop, self.arrays.own
        a, gates = (
            loop.steps(self.steps_by_gate(array[:, :, block]), by_gate=True)
            for array in (self.a, own["gates"])
        )
        after = slice(block.start, block.stop + 1)
        h, c, tanh_c = (
            self.loop(own[name][:, steps])
            for name, steps in (("h", after), ("c", after), ("tanh_c", block))
        )
        loop.forward(h, self._u(), a, gates, *map(loop.steps, (h, c, tanh_c)))

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        loop, own = self._loop, self.arrays.own
        a, gates, grad_a = (
            loop.steps(self.steps_by_gate(array[:, :, steps]), by_gate=True)
            for array in (self.a, own["gates"], self.grad_a)
        )
        c = own["c"][:, steps.start : steps.stop + 1]
        c, tanh_c, grad_c = (
            loop.steps(self.loop(array))
            for array in (c, own["tanh_c"][:, steps], self._grad_c(steps.stop - steps.start))
        )
        arguments = (a, gates, c, tanh_c, grad_a, grad_c, *map(loop.steps, (*states, external)))
        loop.backward(states[0], self.transposed(), *arguments)


class DeviceGRU(DeviceLayer, GRULayer):
    """The same, a thread doing all three gates of its unit."""

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._loop = _matrix_loop(self, "gru")

    def _grad_recalled(self) -> Array:
        # What was recalled is needed as long as `a` is.
        return self.shared("slope_recalled", self.arrays.own["recalled"].shape)

    def _forward_steps(self, block: slice) -> None:
        loop, own = self._loop, self.arrays.own
        a, gates = (
            loop.steps(self.steps_by_gate(array[:, :, block]), by_gate=True)
            for array in (self.a, own["gates"])
        )
        recalled = loop.steps(self.loop(own["recalled"][:, block]))
        h = self.loop(own["h"][:, block.start : block.stop + 1])
        bias = self.arrays.parameters.get("c")
        loop.forward(h, self._u(), bias, a, gates, recalled, loop.steps(h))

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        loop, own = self._loop, self.arrays.own
        a, gates, grad_a = (
            loop.steps(self.steps_by_gate(array[:, :, steps]), by_gate=True)
            for array in (self.a, own["gates"], self.grad_a)
        )
        recalled, h, grad_recalled = (
            loop.steps(self.loop(array[:, steps]))
            for array in (own["recalled"], own["h"], self._grad_recalled())
        )
        kept = self.loop(self._kept(steps.stop - steps.start))
        fields = map(loop.steps, (kept, *states, external))
        arguments = (a, gates, recalled, h, grad_a, grad_recalled, *fields)
        loop.backward(states[0], self.transposed(), *arguments)


_ON_DEVICE: dict[type[Layer], type[Layer]] = {
    DenseLayer: DeviceMLP,
    ConvolutionLayer: DeviceCNN,
    IndRNNLayer: DeviceIndRNN,
    RNNLayer: DeviceRNN,
    IRNNLayer: DeviceIRNN,
    LSTMLayer: DeviceLSTM,
    GRULayer: DeviceGRU,
}


def on_device(layer: type[Layer], activation: str) -> type[Layer]:
    """The layer with kernels in place of what a device does one by one, where there are any.

    There is no time loop in a kernel for an activation without a formula.
    """
    chosen = _ON_DEVICE.get(layer, layer)
    phi = ACTIVATIONS[layer.fixed_activation or activation]
    return layer if issubclass(chosen, DeviceLayer) and not has_formula(phi) else chosen
