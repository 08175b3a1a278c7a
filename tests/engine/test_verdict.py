"""The verdict: thresholds, ends, hops, and the results that are no number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.verdict import Overflow, judge


def column(*values):
    """A feed-forward field: one row a layer, from the first to the last."""
    return np.array(values, dtype=np.float64)[:, None]


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (-3.001, "vanishing"),
        (-3.0, "healthy"),
        (0.0, "healthy"),
        (3.0, "healthy"),
        (3.001, "exploding"),
        (-400.0, "vanishing"),
        (400.0, "exploding"),
    ],
)
def test_thresholds(first, name):
    verdict = judge(column(first, first / 2, 0.0), recurrent=False)
    assert verdict.name == name
    assert verdict.decades == pytest.approx(first)
    assert verdict.hops == 2
    assert verdict.decades_per_hop == pytest.approx(first / 2)
    assert (verdict.axis, verdict.layer) == ("layer", 3)
    assert verdict.overflow is None
    assert verdict.dead_at is None


def test_only_the_difference_of_the_ends_counts():
    assert judge(column(-95.0, 7.0, -94.0), recurrent=False).name == "healthy"


def test_a_recurrent_net_is_crossed_along_time_in_its_last_layer():
    field = np.array([[-1.0, 0.0, 0.0, 0.0, 9.0], [8.0, 6.0, 4.0, 2.0, 0.0]])
    verdict = judge(field, recurrent=True)
    assert (verdict.name, verdict.axis, verdict.layer, verdict.hops) == ("exploding", "time", 2, 4)
    assert verdict.decades == pytest.approx(8.0)
    assert verdict.decades_per_hop == pytest.approx(2.0)
    other = judge(field, recurrent=True, layer=1)
    assert (other.name, other.layer, other.decades) == ("vanishing", 1, pytest.approx(-10.0))


def test_one_layer_and_one_step_have_no_hop():
    for recurrent in (False, True):
        verdict = judge(np.array([[-2.0]]), recurrent=recurrent)
        assert (verdict.name, verdict.hops, verdict.decades) == ("healthy", 0, 0.0)
        assert verdict.decades_per_hop is None


def test_an_exact_zero_is_dead_and_says_where_it_first_died():
    verdict = judge(column(-math.inf, -math.inf, -4.0, 0.0), recurrent=False)
    assert (verdict.name, verdict.dead_at) == ("dead", (2, 1))
    assert verdict.decades is None
    assert verdict.decades_per_hop is None
    field = np.array([[-math.inf, -math.inf, -math.inf, 0.0]])
    assert judge(field, recurrent=True).dead_at == (1, 3)


def test_overflow_wins_over_everything():
    place = Overflow(layer=2, step=17)
    verdict = judge(np.full((2, 20), np.nan), recurrent=True, overflow=place)
    assert (verdict.name, verdict.overflow, verdict.decades) == ("overflow", place, None)


@pytest.mark.parametrize("layer", [0, 4, -1])
def test_a_layer_that_is_not_there(layer):
    with pytest.raises(ValueError, match="layer"):
        judge(np.zeros((3, 5)), recurrent=True, layer=layer)
