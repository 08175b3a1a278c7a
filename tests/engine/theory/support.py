"""An activation whose theory has a closed form, and networks to hold the theory against."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from engine.activations import Activation
from engine.backend import open_backend
from engine.network import Network
from engine.spec import InitSpec, NetworkSpec


class Erf(Activation):
    """phi = erf: E[phi phi'] = 2 / pi asin(2 q c / (1 + 2 q)) (Williams 1997)."""

    name = "erf"
    title = "erf"
    formula = "erf(a)"
    max_slope = 2.0 / math.sqrt(math.pi)

    def forward(self, xp, a, out):
        from scipy.special import erf

        erf(a, out=out)

    def slope(self, xp, a, h, out):
        xp.multiply(a, a, out=out)
        xp.negative(out, out=out)
        xp.exp(out, out=out)
        out *= self.max_slope


def erf_kernel(q, c=1.0):
    return 2.0 / math.pi * math.asin(2.0 * q * c / (1.0 + 2.0 * q))


def measure(spec: NetworkSpec, inits: list[InitSpec], input_seed: int = 0):
    """Fields of networks fed with their own N(0, 1) noise each, averaged over the inits.

    Returns log10 RMS dL/dh relative to the loss end, (layers, time_steps), and activation_rms.
    """
    curves, sizes = [], []
    for place, init in enumerate(inits):
        # A key of its own: plain seeds are what networks draw their weights from.
        rng = np.random.default_rng(np.random.SeedSequence(input_seed + place, spawn_key=(1,)))
        shape = (1, spec.time_steps, spec.batch_size, *spec.input_shape)
        x = rng.standard_normal(shape).astype(spec.dtype)
        target = rng.standard_normal((1, spec.batch_size, spec.output_size)).astype(spec.dtype)
        network = Network(spec, [init], open_backend("cpu", spec.dtype))
        fields = network.evaluate(x, target)
        curves.append(fields.log10_grad_h[0] - fields.log10_grad_h[0, -1, -1])
        sizes.append(fields.activation_rms[0])
    return np.mean(curves, axis=0), np.mean(sizes, axis=0)


def seeds(init: InitSpec, count: int) -> list[InitSpec]:
    return [replace(init, seed=seed) for seed in range(count)]


def chi_of(decades: float, hops: int) -> float:
    """The factor of the squared gradient a hop, from decades of its amplitude."""
    return 10.0 ** (2.0 * decades / hops)
