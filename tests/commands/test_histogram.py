"""Histograms of the command line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tui.commands.histogram import histogram


def test_every_value_is_in_one_bar_and_the_mark_between_two() -> None:
    values = np.random.default_rng(0).uniform(0.0, 1.0, 500)
    lines = histogram(values, 0.25, "line", 60)
    assert sum(int(line.split()[-1]) for line in lines if "line" not in line) == 500
    place = next(number for number, line in enumerate(lines) if "line" in line)
    above = sum(int(line.split()[-1]) for line in lines[:place])
    assert above == (values >= 0.25).sum()
    assert lines[place - 1].split()[0] == "0.25"
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize(("mark", "place"), [(5.0, 0), (-5.0, -1)])
def test_a_mark_far_from_the_values_is_at_the_end(mark: float, place: int) -> None:
    lines = histogram(np.linspace(1.0, 2.0, 9), mark, "line", 60)
    assert "── line ──" in lines[place]
    assert sum("line" in line for line in lines) == 1


def test_what_no_sum_sees_is_gathered() -> None:
    values = np.array([0.0, -1.0, -2.0, -40.0, -math.inf])
    lines = histogram(values, 0.3, "line", 60, "10^", reach=12.0)
    assert lines[-1].split()[:2] == ["below", "10^-2.20"] and lines[-1].endswith(" 2")
    everything = histogram(np.full(3, -math.inf), 0.3, "line", 60, "10^")
    assert everything[-1].split()[0] == "0" and everything[-1].endswith(" 3")


def test_equal_values_are_one_bar() -> None:
    lines = histogram(np.ones(7), 1.5, "line", 40)
    assert len(lines) == 2
    assert lines[1].startswith("1 ") and lines[1].endswith(" 7")
    assert "line" in histogram(np.ones(7), 0.5, "line", 40)[1]
