"""Registries: ordered, without duplicates, open to additions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from engine.activations import ACTIVATIONS, Activation
from engine.architectures import ARCHITECTURES
from engine.initialisers import INITIALISERS
from engine.optimizers import OPTIMIZERS
from engine.registry import Registry
from tests.engine.support import build, problem, small_spec


@dataclass(frozen=True)
class Entry:
    name: str
    title: str = "An entry"


def test_order_duplicates_and_removal():
    registry: Registry[Entry] = Registry()
    names = ["b", "a", "c"]
    for name in names:
        assert registry.register(Entry(name)).name == name
    assert list(registry) == names
    with pytest.raises(ValueError, match="a"):
        registry.register(Entry("a"))
    registry.unregister("a")
    assert list(registry) == ["b", "c"]
    with pytest.raises(KeyError):
        registry.unregister("a")


@pytest.mark.parametrize("registry", [ACTIVATIONS, ARCHITECTURES, INITIALISERS, OPTIMIZERS])
def test_entries_stand_under_their_names_with_a_title(registry):
    for name, entry in registry.items():
        assert entry.name == name
        assert entry.title


def test_a_new_activation_is_a_class_and_a_registration():
    class Square(Activation):
        name, title, formula, max_slope = "square", "square", "a^2", 1.0

        def forward(self, xp, a, out):
            xp.multiply(a, a, out=out)

        def slope(self, xp, a, h, out):
            xp.multiply(a, 2.0, out=out)

    ACTIVATIONS.register(Square())
    try:
        spec = small_spec("mlp", "square", depth=2)
        network = build(spec)
        x, target = problem(spec)
        network.evaluate(x, target)
        gradient = network.gradient("layer1.W")[0]
        step = 1e-6
        network.parameters["layer1.W"][0, 0, 0] += step
        up = network.loss(x, target)[0]
        network.parameters["layer1.W"][0, 0, 0] -= 2 * step
        down = network.loss(x, target)[0]
        assert (up - down) / (2 * step) == pytest.approx(gradient[0, 0], rel=1e-6)
    finally:
        ACTIVATIONS.unregister("square")
    assert np.isfinite(gradient).all()
