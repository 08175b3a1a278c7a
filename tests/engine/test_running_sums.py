"""Sums of runs of time steps, each with a scale of its own, beside the same in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backend import NumPyBackend
from engine.companion import Companion
from engine.running_sums import RunningSums

COMPANION = Companion()
SHAPES = {"W": (1, 3, 2), "b": (1, 2)}


def _sums(companion: Companion | None = None) -> tuple[RunningSums, dict[str, np.ndarray]]:
    backend = NumPyBackend("float32")
    backend.companion = companion
    totals = {name: np.full(shape, 7.0, np.float32) for name, shape in SHAPES.items()}
    parts = {name: np.full(shape, 5.0, np.float32) for name, shape in SHAPES.items()}
    return RunningSums(backend, totals, parts), totals


def _fill(values: dict[str, np.ndarray]):
    def fill(out):
        for name, array in out.items():
            array[...] = values[name]

    return fill


@pytest.mark.parametrize("beside", [False, True])
@given(st.lists(st.integers(-400, 400), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_a_sum_is_that_of_exact_arithmetic(beside: bool, scales: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Of one sign, so that rounding stays relative.
    runs = [
        {name: rng.uniform(1.0, 2.0, shape).astype(np.float32) for name, shape in SHAPES.items()}
        for _ in scales
    ]
    sums, totals = _sums(COMPANION if beside else None)
    for scale, run in zip(scales, runs, strict=True):
        sums.add(np.array([scale]), _fill(run))
    (exponent,) = sums.finish()
    assert exponent == max(scales)
    for name, total in totals.items():
        for place in np.ndindex(total.shape):
            pairs = zip(runs, scales, strict=True)
            exact = sum(Fraction(float(run[name][place])) * Fraction(2) ** s for run, s in pairs)
            found = Fraction(float(total[place])) * Fraction(2) ** int(exponent)
            assert abs(found / exact - 1) < 1e-6


def test_a_pass_begins_anew_and_nothing_is_zero() -> None:
    sums, totals = _sums()
    ones = {name: np.ones(shape, np.float32) for name, shape in SHAPES.items()}
    for _ in range(2):
        sums.add(np.array([3]), _fill(ones))
        assert sums.finish() == 3
        assert all((total == 1.0).all() for total in totals.values())
    assert sums.finish() == 0
    assert not any(total.any() for total in totals.values())


def test_what_fails_beside_is_raised_where_it_is_waited_for() -> None:
    sums, _ = _sums(COMPANION)

    def fail(out):
        raise MemoryError("no room")

    sums.add(np.array([0]), fail)
    with pytest.raises(MemoryError, match="no room"):
        sums.finish()
