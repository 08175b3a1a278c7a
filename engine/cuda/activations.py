"""Activations on a device, each in a single kernel."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from engine.activations import Activation
from engine.cuda.kernels import has_formula, read
from engine.layer import SATURATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.arrays import Array, ArrayModule
    from engine.cuda.compiler import Compiler
    from engine.layer import Layer


class FusedActivation(Activation):
    """An activation as activations.cuh has it; nan stays nan in all of them."""

    def __init__(self, activation: Activation, compiler: Compiler) -> None:
        name, formulas = activation.name, read("activations.cuh")
        self.name = name
        self.title = activation.title
        self.formula = activation.formula
        self.max_slope = activation.max_slope
        self.monotone = activation.monotone
        self.flat_where_zero = activation.flat_where_zero
        self._forward = compiler.elementwise(
            "T a", "T h", f"h = phi_{name}(a)", f"nablascope_{name}", formulas
        )
        self._slope = compiler.elementwise(
            "T a, T h", "T slope", f"slope = slope_{name}(a, h)", f"nablascope_d{name}", formulas
        )

    def forward(self, xp: ArrayModule, a: Array, out: Array) -> None:
        self._forward(a, out)

    def slope(self, xp: ArrayModule, a: Array, h: Array, out: Array) -> None:
        self._slope(a, h, out)


@cache
def fused(activation: Activation, compiler: Compiler) -> Activation:
    """The activation in single kernels; as it is, operation by operation, without a formula."""
    return FusedActivation(activation, compiler) if has_formula(activation) else activation


def flatness(activation: Activation) -> str:
    """An expression that tells from `slope` whether a unit is saturated."""
    return f"fabs(slope) < T({SATURATION * activation.max_slope!r})"


@cache
def saturated(activation: Activation, compiler: Compiler) -> Callable[..., object]:
    """A kernel (a, h, flat) that marks where a unit is saturated, `flat` being booleans.

    For an activation with a formula.
    """
    name = activation.name
    return compiler.elementwise(
        "T a, T h",
        "bool flat",
        f"T slope = slope_{name}(a, h); flat = {flatness(activation)}",
        f"nablascope_flat_{name}",
        read("activations.cuh"),
    )


def record_saturated(layer: Layer, flat: Array) -> None:
    """Record the share of saturated units of all steps, marked in a mask (S, T, ...)."""
    import numpy as np

    zeros, share = layer.probe.zero_fraction, layer.probe.saturated_fraction
    layer.backend.put_share(flat, share)
    if layer.activation.flat_where_zero:
        layer.backend.settle(partial(np.copyto, zeros, share))
