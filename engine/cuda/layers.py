"""Layers on a device: the engine's own, recurrent ones with their time loops in one kernel each.

What does not fit such a kernel runs step by step, in two launches each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.architectures.cnn import ConvolutionLayer
from engine.architectures.gru import GRULayer
from engine.architectures.indrnn import IndRNNLayer
from engine.architectures.irnn import IRNNLayer
from engine.architectures.lstm import LSTMLayer
from engine.architectures.rnn import RNNLayer
from engine.cuda.feedforward import DeviceCNN
from engine.cuda.kernels import MatrixLoop, SampleLoop, UnitLoop, has_formula, read
from engine.cuda.steps import StepLoop
from engine.matrix_recurrence import MatrixRecurrence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.arrays import Array
    from engine.backend import Backend
    from engine.layer import Arrays, Layer
    from engine.spec import NetworkSpec

#: Units whose block of threads a GPU can hold.
_MOST_UNITS = 1024
#: Bytes of U that a block reads at each step in about the time of a few launches.
_MOST_BYTES = 2**22


class DeviceIndRNN(IndRNNLayer):
    """Units do not meet, so each takes its own thread through time."""

    one_block: ClassVar[bool] = True

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._loop: UnitLoop | None = None
        if backend.compiler is not None and has_formula(self.activation):
            shape, phi = self._step_shape(), self.activation.name
            self._loop = UnitLoop("indrnn", backend.compiler, backend.dtype, shape, phi)

    def _forward_steps(self, block: slice) -> None:
        loop, own = self._loop, self.arrays.own
        if loop is None:
            return super()._forward_steps(block)
        a = self.loop(own["a"][:, block])
        h = self.loop(own["h"][:, block.start : block.stop + 1])
        u, bias = (self.arrays.parameters.get(name) for name in ("u", "b"))
        loop.forward(len(a), u, bias, loop.steps(a), loop.steps(h))

    def _add_bias(self, block: slice) -> None:
        # In the kernel it costs nothing, here a pass over all of `a`.
        if self._loop is None:
            super()._add_bias(block)

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        loop = self._loop
        if loop is None:
            return super()._backward_steps(local, states, steps, external)
        grad_a = self.loop(self.arrays.own["a"][:, steps])
        fields = map(loop.steps, (*local, grad_a, *states, external))
        loop.backward(len(grad_a), self.arrays.parameters["u"], *fields)

    def _recurrent_gradients(self, steps: slice, out: Mapping[str, Array]) -> None:
        # einsum would allocate an array of this size; what came from above has been added by now.
        h_before, grad_a = self.arrays.own["h"][:, steps], self.a[:, 0, steps]
        met = self.shared("external", grad_a.shape)
        self.backend.xp.multiply(h_before, grad_a, out=met)
        self.sum_over_samples(met[:, None], out["u"])


def _matrix_loop(layer: MatrixRecurrence, name: str) -> MatrixLoop | None:
    """What takes the layer through time; None where its activation has no formula.

    Samples each take a block of threads if it has units for them and its U is small enough.
    """
    spec, backend, gates = layer.spec, layer.backend, max(1, len(layer.gates))
    units, phi = spec.hidden_size, layer.activation
    size = gates * units * units * backend.dtype.itemsize
    if backend.compiler is None or not has_formula(phi):
        return None
    if units > _MOST_UNITS or size > _MOST_BYTES:
        return StepLoop(layer, name)
    shape = (layer.cells, spec.batch_size, units)
    return SampleLoop(name, backend.compiler, backend.dtype, shape, phi.name, gates)


def _elementwise(
    layer: Layer, inputs: str, outputs: str, operation: str, name: str
) -> Callable[..., object]:
    """One kernel in place of a chain of operations on whole blocks."""
    assert layer.backend.compiler is not None
    formulas = read("activations.cuh")
    return layer.backend.compiler.elementwise(inputs, outputs, operation, name, formulas)


class DeviceRNN(RNNLayer):
    """Samples do not meet, so each takes a block of threads through time."""

    one_block: ClassVar[bool] = True

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._loop = _matrix_loop(self, "rnn")

    def _forward_steps(self, block: slice) -> None:
        loop, own = self._loop, self.arrays.own
        if loop is None:
            return super()._forward_steps(block)
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
        loop = self._loop
        if loop is None:
            return super()._backward_steps(local, states, steps, external)
        grad_a = self.loop(self.arrays.own["a"][:, steps])
        fields = map(loop.steps, (*local, grad_a, *states, external))
        loop.backward(states[0], self.transposed(), *fields)


class DeviceIRNN(DeviceRNN, IRNNLayer):
    """The same with ReLU and a U that starts as the identity."""


class DeviceLSTM(LSTMLayer):
    """The same, a thread doing all four gates of its unit."""

    one_block: ClassVar[bool] = True

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._loop = _matrix_loop(self, "lstm")
        self._finish = _elementwise(
            self,
            "T gate_i, T gate_g, T gate_o, T c_before, T c, T tanh_c",
            "T to_i, T to_f, T to_g, T to_o, T slope_c",
            "to_i *= gate_g; to_f *= c_before; to_g *= gate_i; to_o *= tanh_c; "
            "slope_c = slope_tanh(c, tanh_c) * gate_o",
            "nablascope_lstm_local",
        )

    def _local_gradients(self, block: slice) -> tuple[Array, ...]:
        own, slope = self.arrays.own, self.gate_slopes(block)
        i, f, g, o = own["gates"][:, :, block].swapaxes(0, 1)
        before, c = own["c"][:, block], own["c"][:, block.start + 1 : block.stop + 1]
        slope_c = self.shared("slope_c", c.shape)
        tanh_c = own["tanh_c"][:, block]
        self._finish(i, g, o, before, c, tanh_c, *slope.swapaxes(0, 1), slope_c)
        return slope.swapaxes(1, 2), slope_c, f

    def _forward_steps(self, block: slice) -> None:
        loop, own = self._loop, self.arrays.own
        if loop is None:
            return super()._forward_steps(block)
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
        loop = self._loop
        if loop is None:
            return super()._backward_steps(local, states, steps, external)
        slope, slope_c, forget = local
        grad_a = self.steps_by_gate(self.a[:, :, steps])
        grad_c = self.loop(self._grad_c(steps.stop - steps.start))
        fields = map(loop.steps, (grad_c, *states, external))
        loop.backward(
            states[0],
            self.transposed(),
            loop.steps(slope, by_gate=True),
            loop.steps(slope_c),
            loop.steps(forget),
            loop.steps(grad_a, by_gate=True),
            *fields,
        )


class DeviceGRU(GRULayer):
    """The same, a thread doing all three gates of its unit."""

    one_block: ClassVar[bool] = True

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._loop = _matrix_loop(self, "gru")
        self._finish = _elementwise(
            self,
            "T gate_r, T gate_z, T gate_n, T recalled, T h_before",
            "T to_r, T to_z, T to_n, T to_recalled",
            "to_z *= h_before - gate_n; to_n *= T(1) - gate_z; to_r *= recalled * to_n; "
            "to_recalled = gate_r * to_n",
            "nablascope_gru_local",
        )

    def _local_gradients(self, block: slice) -> tuple[Array, ...]:
        own, slope = self.arrays.own, self.gate_slopes(block)
        r, z, n = own["gates"][:, :, block].swapaxes(0, 1)
        recalled, before = own["recalled"][:, block], own["h"][:, block]
        to_recalled = self.shared("slope_recalled", recalled.shape)
        self._finish(r, z, n, recalled, before, *slope.swapaxes(0, 1), to_recalled)
        return slope.swapaxes(1, 2), to_recalled, z

    def _forward_steps(self, block: slice) -> None:
        loop, own = self._loop, self.arrays.own
        if loop is None:
            return super()._forward_steps(block)
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
        loop = self._loop
        if loop is None:
            return super()._backward_steps(local, states, steps, external)
        slope, to_recalled, update = local
        grad_a = self.steps_by_gate(self.a[:, :, steps])
        grad_recalled = self.loop(self.arrays.own["recalled"][:, steps])
        kept = self.loop(self._kept(steps.stop - steps.start))
        fields = map(loop.steps, (grad_recalled, kept, *states, external))
        loop.backward(
            states[0],
            self.transposed(),
            loop.steps(slope, by_gate=True),
            loop.steps(to_recalled),
            loop.steps(update),
            loop.steps(grad_a, by_gate=True),
            *fields,
        )


_ON_DEVICE: dict[type[Layer], type[Layer]] = {
    ConvolutionLayer: DeviceCNN,
    IndRNNLayer: DeviceIndRNN,
    RNNLayer: DeviceRNN,
    IRNNLayer: DeviceIRNN,
    LSTMLayer: DeviceLSTM,
    GRULayer: DeviceGRU,
}


def on_device(layer: type[Layer]) -> type[Layer]:
    """The layer with kernels in place of what a device does one by one, where there are any."""
    return _ON_DEVICE.get(layer, layer)
