"""Connections beside the chain from layer to layer: residual skips and dense concatenation.

A feed-forward layer carries its skip itself, h_l = phi(a_l) + h_{l-1} (He et al. 2016); the others
reach over several layers and live here.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from engine.magnitude import ScaledGradient, add_scaled

if TYPE_CHECKING:
    from engine.arrays import Array, Exponents
    from engine.backend import Backend
    from engine.layer import LayerPlan, Shape
    from engine.spec import NetworkSpec


def plan_skip(recurrent: bool, plan: LayerPlan, input_shape: Shape) -> None:
    """Add to a layer's plan what a residual network keeps for it."""
    if recurrent:
        plan.shared["stream"] = plan.shared["grad_p"] = plan.own["a"]
    elif input_shape == plan.output_shape:
        # Slopes are computed from phi(a), which h no longer is.
        plan.own["phi"] = plan.shared["branch"] = plan.own["h"]


class SkipStream:
    """The residual IndRNN's skip, x + [norm, recurrence, dense] twice, in pre-activation form.

    What it carries is the projection: p_l = h_{l-1} W_l + p_{l-2} for odd l >= 3, p_1 = x W_1 (Li
    et al. 2018, figure 2b; Li et al. 2019, whose code ends in an odd layer too). All odd layers
    share one stream; even layers lie inside a block.
    """

    def __init__(self, backend: Backend, data: Array) -> None:
        self._backend = backend
        self._data = data
        self._gradient: ScaledGradient | None = None
        self._empty = True

    def start(self) -> None:
        """Forget what is carried: a pass begins, forward or backward."""
        self._empty, self._gradient = True, None

    def forward(self, p: Array) -> None:
        """Add p_{l-2} to p, (S, T, B, H), which holds h_{l-1} W_l."""
        xp = self._backend.xp
        if not self._empty:
            xp.add(p, self._data, out=p)
        xp.copyto(self._data, p)
        self._empty = False

    def backward(self, gradient: ScaledGradient) -> None:
        """Add to a layer's own dL/dp_l, every step at a scale of its own, that of p_{l+2}."""
        xp = self._backend.xp
        if self._gradient is None:
            xp.copyto(self._data, gradient.data)
            self._gradient = ScaledGradient(self._data, gradient.exponent)
            return
        self._gradient = add_scaled(self._backend, self._gradient, gradient, self._data)
        xp.copyto(gradient.data, self._data)
        gradient.exponent = self._gradient.exponent


class DenseBlock:
    """Dense connections: a layer reads the input and the outputs of all layers below, side by side.

    Huang et al. 2017; for IndRNN Li et al. 2019. The whole network is one block.
    """

    def __init__(
        self, spec: NetworkSpec, backend: Backend, values: Array, gradients: Array
    ) -> None:
        self._backend = backend
        self._inputs, self._size = prod(spec.input_shape), spec.hidden_size
        self._top = spec.depth - 1
        self._values = values
        self._gradients = gradients
        self._exponent: Exponents

    def start(self, x: Array) -> Array:
        """What the first layer reads, given the network's input."""
        self._values[..., : self._inputs] = x
        return self.input(0)

    def append(self, index: int, h: Array) -> Array:
        """What the layer above layer `index` (from 0) reads, given the output h of that layer."""
        if index == self._top:
            return h
        above = self.input(index + 1)
        above[..., -self._size :] = h
        return above

    def input(self, index: int) -> Array:
        """What layer `index` reads, (S, T, B, F + index H)."""
        return self._values[..., : self._inputs + index * self._size]

    def collect(self, index: int, gradient: ScaledGradient) -> ScaledGradient:
        """Add dL/dx of layer `index` > 0 to what layers above gave; return dL/dh of the one below.

        A layer gets its share from all layers above it, so one scale for all columns of a step
        loses nothing.
        """
        total = self._gradients[..., : self._inputs + index * self._size]
        if index == self._top:
            self._backend.xp.copyto(total, gradient.data)
            self._exponent = gradient.exponent
        else:
            sofar = ScaledGradient(total, self._exponent)
            self._exponent = add_scaled(self._backend, sofar, gradient, total).exponent
        return ScaledGradient(total[..., -self._size :], self._exponent)


#: Shared buffers of a `DenseBlock`: what layers read, and the gradients of that.
DENSE_BUFFERS = ("dense_values", "dense_gradients")


def dense_input(spec: NetworkSpec, index: int) -> Shape:
    """The shape of one sample of what layer `index` (from 0) of a dense block reads."""
    return (prod(spec.input_shape) + index * spec.hidden_size,)


def plan_dense(spec: NetworkSpec, cells: int) -> dict[str, Shape]:
    """The buffers of a `DenseBlock`."""
    leading = (cells, spec.time_steps, spec.batch_size)
    return dict.fromkeys(DENSE_BUFFERS, (*leading, *dense_input(spec, spec.depth - 1)))
