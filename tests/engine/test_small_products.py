"""Products over many samples as stacks of small ones: the same results, in planned room."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backend import NumPyBackend
from engine.network import Network
from engine.small_products import MULTIPLIED, SUMMED, in_parts, most_parts, part_count
from engine.spec import InitSpec, NetworkSpec
from tests.engine.support import problem

SAMPLES, LEAST = st.integers(1, 5000), st.sampled_from([MULTIPLIED, SUMMED])


@given(SAMPLES, st.integers(1, 40_000), LEAST)
def test_parts_are_equal_small_and_not_too_short(samples, weights, least):
    count = part_count(samples, weights, least)
    assert samples % count == 0
    if count > 1:
        part = samples // count
        assert least <= part and part * weights <= 10**6 < samples * weights
        assert count <= most_parts(samples, weights, least)


@given(SAMPLES, SAMPLES, st.integers(1, 40_000), LEAST)
def test_room_for_many_samples_is_room_for_fewer(one, other, weights, least):
    fewer, more = sorted([one, other])
    assert most_parts(fewer, weights, least) <= most_parts(more, weights, least)


def test_parts_of_the_sizes_they_were_measured_at():
    # OpenBLAS's SkylakeX kernels, single precision: 64 x 64 gains both ways, 128 x 128 only where
    # nothing is summed, 256 x 256 nowhere.
    assert part_count(1600, 64 * 64, SUMMED) == 8
    assert part_count(1600, 64 * 64, MULTIPLIED) == 8
    assert part_count(2048, 128 * 128, MULTIPLIED) == 64
    assert part_count(2048, 128 * 128, SUMMED) == 1
    assert part_count(1600, 256 * 256, MULTIPLIED) == 1


def test_parts_are_views():
    samples = np.arange(24.0).reshape(2, 6, 2)
    parts = in_parts(samples, 3)
    assert parts.shape == (2, 3, 2, 2) and parts.base is samples.base
    np.testing.assert_array_equal(parts[1, 2], samples[1, 4:])


#: Long enough for several blocks of time, each of several parts, and for vanishing gradients.
LONG = NetworkSpec("rnn", "tanh", 2, 64, 16, (64,), time_steps=300, dtype="float64")


@pytest.mark.parametrize("cells", [1, 2])
@pytest.mark.parametrize("kind", ["rnn", "irnn", "indrnn", "lstm", "gru"])
def test_gradients_are_those_of_large_products(kind, cells):
    spec = replace(LONG, kind=kind)
    x, target = problem(spec, cells)
    fields, gradients = [], []
    for small in (False, True):
        backend = NumPyBackend("float64")
        backend.small_products = small
        inits = [InitSpec(seed=seed, weight_scale=0.8) for seed in range(cells)]
        network = Network(spec, inits, backend)
        fields.append(network.evaluate(x, target))
        gradients.append({name: network.gradient(name) for name in network.parameters})
        if cells == 1:
            assert network.layers[0].arrays.shared["partial_sums"].any() == small
    large, parted = fields
    for name in ("loss", "log10_grad_h", "activation_rms"):
        np.testing.assert_allclose(getattr(parted, name), getattr(large, name), rtol=1e-10)
    for name, expected in gradients[0].items():
        error = np.abs(gradients[1][name] - expected).max()
        assert error <= 1e-11 * np.abs(expected).max(), name
