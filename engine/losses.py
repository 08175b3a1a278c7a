"""Losses: what training makes small, with its exact gradient at the readout."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from engine.magnitude import ScaledGradient, untouched
from engine.registry import Registry

if TYPE_CHECKING:
    from engine.arrays import Array, HostArray
    from engine.backend import Backend

#: |log2| of a gradient's largest entry up to which it needs no exponent, and from which on it
#: counts as an exact zero.
_NEAR_ONE, _ZERO = 12.0, 2.0**40


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a loss says of S stacked readouts at K time steps of B samples.

    Attributes:
        losses: each sample's loss at each step, (S, K, B) in float64; `Fields.loss` is their mean.
        hits: 1 where the largest output is the right class, else 0, (S, K, B); None where nothing
            is classified.
        gradient: dL/dy of that mean, (S, K, B, outputs).
    """

    losses: HostArray
    hits: HostArray | None
    gradient: ScaledGradient

    @property
    def loss(self) -> HostArray:
        """The mean over steps and samples, (S,)."""
        flat = self.losses.reshape(len(self.losses), -1)
        result: HostArray = flat.sum(axis=1) / flat.shape[1]
        return result

    @property
    def accuracy(self) -> HostArray | None:
        """The share of hits, (S,)."""
        return None if self.hits is None else self.hits.mean(axis=(1, 2))


class Loss(ABC):
    """A loss as a function of the readout's output.

    Attributes:
        name: the word for it.
        title: the name to show.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def judge(self, backend: Backend, y: Array, target: Array) -> Judgement:
        """Judge outputs y against targets, both (S, K, B, outputs); y may be overwritten."""


LOSSES: Registry[Loss] = Registry()


class MeanSquaredError(Loss):
    """(y - target)^2, the mean over outputs, steps and samples."""

    name = "mse"
    title = "mean squared error"

    def judge(self, backend: Backend, y: Array, target: Array) -> Judgement:
        import numpy as np

        error = y
        error -= target
        # In float64, so that a large but finite error has a finite loss.
        losses = backend.numbers(backend.squared_norms(error.astype(np.float64)) / error.shape[-1])
        error *= 2.0 / math.prod(error.shape[1:])
        exponent = np.zeros(error.shape[:2], dtype=np.int64)
        return Judgement(losses, None, ScaledGradient(error, exponent))


class CrossEntropy(Loss):
    """-log softmax(y)[class], the mean over steps and samples; the target is one-hot.

    By log-sum-exp in float64 and with exponents, so that a sample that is all but certain, or all
    but certainly wrong, still has its true loss and gradient (softmax - target), not 0 or infinity.
    """

    name = "cross_entropy"
    title = "mean cross-entropy"

    def judge(self, backend: Backend, y: Array, target: Array) -> Judgement:
        import numpy as np

        xp, wide = backend.xp, y.astype(np.float64)
        label, classes = target.argmax(axis=-1)[..., None], xp.arange(y.shape[-1])
        best = wide.argmax(axis=-1)[..., None]
        right = classes == label
        log_p = wide - xp.take_along_axis(wide, best, axis=-1)
        rest = xp.exp(log_p)
        # The largest is exactly 1 and stays out of the sum, so that log1p keeps what is small.
        xp.copyto(rest, 0.0, where=classes == best)
        log_p -= xp.log1p(rest.sum(axis=-1, keepdims=True))
        losses = backend.numbers(xp.take_along_axis(log_p, label, axis=-1)[..., 0] * -1.0)
        # p of the wrong classes alone: the right one's p - 1 is minus their sum, without the loss
        # of digits that a difference of two numbers near 1 has.
        xp.copyto(log_p, -math.inf, where=right)
        log2_p = xp.divide(log_p, math.log(2.0), out=log_p)
        peak = backend.numbers(log2_p.max(axis=(2, 3)), decides=True)
        outside = (np.abs(peak) > _NEAR_ONE) & (np.abs(peak) < _ZERO)
        exponent = np.where(outside, np.rint(peak), 0.0).astype(np.int64)
        if not untouched(exponent):
            log2_p -= xp.asarray(exponent[..., None, None], dtype=np.float64)
        gradient = xp.exp2(log2_p)
        xp.copyto(gradient, gradient.sum(axis=-1, keepdims=True) * -1.0, where=right)
        gradient /= math.prod(y.shape[1:-1])
        hits = backend.numbers((best == label)[..., 0])
        return Judgement(losses, hits, ScaledGradient(gradient.astype(y.dtype), exponent))


for _loss in (MeanSquaredError(), CrossEntropy()):
    LOSSES.register(_loss)
