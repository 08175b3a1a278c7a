"""Optimisers: how a gradient changes the parameters. State arrays have the parameter's shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from engine.arrays import Array, ArrayModule
from engine.pieces import pieces
from engine.registry import Registry


class Optimizer(ABC):
    """An update rule, applied in place to one parameter at a time.

    Attributes:
        name: the word to type.
        title: the name to show.
        slots: how many state arrays it keeps for every parameter.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    slots: ClassVar[int]

    @abstractmethod
    def update(
        self,
        xp: ArrayModule,
        parameter: Array,
        gradient: Array,
        state: list[Array],
        learning_rate: Array,
        step: int,
    ) -> None:
        """Update `parameter` (S, *shape) in place; `gradient` may be overwritten.

        `learning_rate` broadcasts against the parameter, one rate a cell; `step` counts from 1.
        """


OPTIMIZERS: Registry[Optimizer] = Registry()


class SGD(Optimizer):
    """p -= lr g (Robbins and Monro 1951)."""

    name = "sgd"
    title = "SGD"
    slots = 0

    def update(
        self,
        xp: ArrayModule,
        parameter: Array,
        gradient: Array,
        state: list[Array],
        learning_rate: Array,
        step: int,
    ) -> None:
        xp.multiply(gradient, learning_rate, out=gradient)
        xp.subtract(parameter, gradient, out=parameter)


class Momentum(Optimizer):
    """v = 0.9 v + g, p -= lr v (Polyak 1964, in PyTorch's form)."""

    name = "momentum"
    title = "SGD with momentum 0.9"
    slots = 1
    decay: ClassVar[float] = 0.9

    def update(
        self,
        xp: ArrayModule,
        parameter: Array,
        gradient: Array,
        state: list[Array],
        learning_rate: Array,
        step: int,
    ) -> None:
        (velocity,) = state
        xp.multiply(velocity, self.decay, out=velocity)
        xp.add(velocity, gradient, out=velocity)
        xp.multiply(velocity, learning_rate, out=gradient)
        xp.subtract(parameter, gradient, out=parameter)


class RMSProp(Optimizer):
    """s = 0.99 s + 0.01 g^2, p -= lr g / (sqrt(s) + 1e-8).

    Tieleman and Hinton 2012, with PyTorch's constants.
    """

    name = "rmsprop"
    title = "RMSProp"
    slots = 1
    decay: ClassVar[float] = 0.99
    epsilon: ClassVar[float] = 1e-8

    def update(
        self,
        xp: ArrayModule,
        parameter: Array,
        gradient: Array,
        state: list[Array],
        learning_rate: Array,
        step: int,
    ) -> None:
        (square,) = state
        for s, g in pieces(xp, square, gradient):
            spare = xp.multiply(g, g)
            xp.multiply(spare, 1.0 - self.decay, out=spare)
            xp.multiply(s, self.decay, out=s)
            xp.add(s, spare, out=s)
            xp.sqrt(s, out=spare)
            xp.add(spare, self.epsilon, out=spare)
            xp.divide(g, spare, out=g)
        xp.multiply(gradient, learning_rate, out=gradient)
        xp.subtract(parameter, gradient, out=parameter)


class Adam(Optimizer):
    """Kingma and Ba 2015, algorithm 1, with its default betas and epsilon."""

    name = "adam"
    title = "Adam"
    slots = 2
    beta1: ClassVar[float] = 0.9
    beta2: ClassVar[float] = 0.999
    epsilon: ClassVar[float] = 1e-8

    def update(
        self,
        xp: ArrayModule,
        parameter: Array,
        gradient: Array,
        state: list[Array],
        learning_rate: Array,
        step: int,
    ) -> None:
        mean, square = state
        for m, s, g in pieces(xp, mean, square, gradient):
            spare = xp.multiply(g, 1.0 - self.beta1)
            xp.multiply(m, self.beta1, out=m)
            xp.add(m, spare, out=m)
            xp.multiply(g, g, out=spare)
            xp.multiply(spare, 1.0 - self.beta2, out=spare)
            xp.multiply(s, self.beta2, out=s)
            xp.add(s, spare, out=s)
            xp.divide(s, 1.0 - self.beta2**step, out=spare)
            xp.sqrt(spare, out=spare)
            xp.add(spare, self.epsilon, out=spare)
            xp.divide(m, spare, out=g)
        gradient *= learning_rate / (1.0 - self.beta1**step)
        xp.subtract(parameter, gradient, out=parameter)


for _optimizer in (SGD(), Momentum(), RMSProp(), Adam()):
    OPTIMIZERS.register(_optimizer)
