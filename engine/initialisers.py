"""Initialisers: how the weights that a gradient crosses at every hop are drawn.

Draws are made on the host in float64 from a generator of the parameter's own, so they are the same
on every device, and scaling a network does not change its draw.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from engine.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from engine.arrays import HostArray
    from engine.spec import InitSpec

#: matrix: a feed-forward layer's W; square: a recurrent U; kernel: a convolution's (k, k, C_in,
#: C_out); vector: IndRNN's u; identity: IRNN's U; input: the input weights of a recurrent layer,
#: crossed once.
Role = Literal["matrix", "square", "kernel", "vector", "identity", "input"]


@dataclass(frozen=True, slots=True)
class WeightSpec:
    """One weight to draw.

    `blocks` counts the gates side by side in its columns, drawn one by one. `time_steps` and
    `last_layer` matter only to recurrent_range.
    """

    shape: tuple[int, ...]
    role: Role
    fan_in: int
    fan_out: int
    time_steps: int = 1
    last_layer: bool = True
    blocks: int = 1


class Initialiser(ABC):
    """A distribution over weights.

    Attributes:
        name: the word to type.
        title: the name to show.
        formula: what is drawn, s being the scale.
        roles: the kinds of weight it can draw.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    formula: ClassVar[str]
    roles: ClassVar[frozenset[Role]]

    @abstractmethod
    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        """Draw one weight of `weight.shape`, float64, scaled by `scale`."""


INITIALISERS: Registry[Initialiser] = Registry()

_DENSE: frozenset[Role] = frozenset({"matrix", "square", "kernel", "input"})


class Gaussian(Initialiser):
    """W ~ N(0, s^2 / fan_in), the mean-field convention (Poole et al. 2016, eq. 2)."""

    name = "gaussian"
    title = "Gaussian"
    formula = "N(0, s^2 / fan_in)"
    roles = _DENSE | {"vector"}

    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        return rng.standard_normal(weight.shape) * (scale / math.sqrt(weight.fan_in))


class Uniform(Initialiser):
    """W ~ U(-r, r) with r = s sqrt(3 / fan_in), of the same variance as gaussian."""

    name = "uniform"
    title = "uniform"
    formula = "U(-r, r), r = s sqrt(3 / fan_in)"
    roles = _DENSE | {"vector"}

    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        return rng.uniform(-1.0, 1.0, weight.shape) * (scale * math.sqrt(3.0 / weight.fan_in))


class Orthogonal(Initialiser):
    """Saxe, McClelland, Ganguli 2014: a Haar-random (semi-)orthogonal matrix times s.

    A kernel is drawn as its (k k C_in, C_out) matrix.
    """

    name = "orthogonal"
    title = "orthogonal"
    formula = "s Q, Q^T Q = I"
    roles = _DENSE

    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        columns = weight.shape[-1]
        rows = weight.fan_in
        return scale * _haar(rng, rows, columns).reshape(weight.shape)


class DeltaOrthogonal(Initialiser):
    """Xiao et al. 2018, algorithm 1: zero but at the kernel's centre, orthogonal there.

    Needs C_out >= C_in, so that the norm is kept.
    """

    name = "delta_orthogonal"
    title = "delta-orthogonal"
    formula = "s Q at the kernel's centre, 0 elsewhere, Q Q^T = I"
    roles = frozenset({"kernel"})

    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        import numpy as np

        size, _, inputs, outputs = weight.shape
        if outputs < inputs:
            raise ValueError(
                f"delta_orthogonal needs at least as many output as input channels, "
                f"not {inputs} to {outputs}"
            )
        kernel = np.zeros(weight.shape)
        kernel[(size - 1) // 2, (size - 1) // 2] = scale * _haar(rng, inputs, outputs)
        return kernel


class Identity(Initialiser):
    """s I (Le, Jaitly, Hinton 2015 for U); for a kernel, at its centre; for u, all s."""

    name = "identity"
    title = "identity"
    formula = "s I"
    roles = frozenset({"matrix", "square", "kernel", "vector", "identity"})

    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        import numpy as np

        if weight.role == "vector":
            return np.full(weight.shape, scale)
        if weight.role == "kernel":
            size, _, inputs, outputs = weight.shape
            kernel = np.zeros(weight.shape)
            kernel[(size - 1) // 2, (size - 1) // 2] = scale * np.eye(inputs, outputs)
            return kernel
        rows, columns = weight.shape
        return scale * np.eye(rows, columns)


class Glorot(Initialiser):
    """Glorot and Bengio 2010, eq. 16: U(-r, r), r = s sqrt(6 / (fan_in + fan_out))."""

    name = "glorot"
    title = "Glorot"
    formula = "U(-r, r), r = s sqrt(6 / (fan_in + fan_out))"
    roles = _DENSE

    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        limit = scale * math.sqrt(6.0 / (weight.fan_in + weight.fan_out))
        return rng.uniform(-1.0, 1.0, weight.shape) * limit


class He(Initialiser):
    """He et al. 2015, eq. 10: N(0, 2 s^2 / fan_in), critical for ReLU at s = 1."""

    name = "he"
    title = "He"
    formula = "N(0, 2 s^2 / fan_in)"
    roles = _DENSE

    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        return rng.standard_normal(weight.shape) * (scale * math.sqrt(2.0 / weight.fan_in))


class LeCun(Initialiser):
    """LeCun et al. 1998, eq. 16: N(0, s^2 / fan_in) truncated at two standard deviations.

    Resampled beyond two sigma and rescaled to keep the variance, as the common frameworks do.
    """

    name = "lecun"
    title = "LeCun"
    formula = "truncated N(0, s^2 / fan_in)"
    roles = _DENSE

    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        import numpy as np

        draw = rng.standard_normal(weight.shape)
        while (outside := np.abs(draw) > 2.0).any():
            draw[outside] = rng.standard_normal(int(outside.sum()))
        # 0.8796 is the standard deviation of a standard normal cut at +-2.
        return draw * (scale / math.sqrt(weight.fan_in) / 0.87962566103423978)


class RecurrentRange(Initialiser):
    """Li et al. 2018, section 3: |u|^T kept in [lower, upper], so u ~ U(lower^(1/T), upper^(1/T)).

    As in the authors' code the lower bound holds the last layer alone: layers below may forget,
    and draw from U(0, upper^(1/T)). `recurrent_lower`, `recurrent_upper` are eps and gamma.
    """

    name = "recurrent_range"
    title = "recurrent range"
    formula = "u ~ s U(lower^(1/T), upper^(1/T)); U(0, upper^(1/T)) below the last layer"
    roles = frozenset({"vector"})

    def draw(
        self, rng: np.random.Generator, weight: WeightSpec, scale: float, init: InitSpec
    ) -> HostArray:
        root = 1.0 / weight.time_steps
        low = math.pow(init.recurrent_lower, root) if weight.last_layer else 0.0
        high = math.pow(init.recurrent_upper, root)
        return scale * (low + (high - low) * rng.random(weight.shape))


def _haar(rng: np.random.Generator, rows: int, columns: int) -> HostArray:
    """A (rows, columns) matrix with orthonormal rows or columns, whichever are fewer.

    QR of a Gaussian with R's diagonal made positive (Mezzadri 2007), which makes it Haar.
    """
    import numpy as np

    gaussian = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(gaussian)
    q *= np.where(np.diagonal(r) < 0.0, -1.0, 1.0)
    return q if rows >= columns else q.T


for _initialiser in (
    Gaussian(),
    Uniform(),
    Orthogonal(),
    DeltaOrthogonal(),
    Identity(),
    Glorot(),
    He(),
    LeCun(),
    RecurrentRange(),
):
    INITIALISERS.register(_initialiser)
