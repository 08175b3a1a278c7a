"""Triage's arithmetic: rates, half-lives and who did it, beside sums taken hop by hop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.culprits import culprits
from engine.spec import InitSpec
from engine.stretches import badness, halving, stretches
from tests.engine.support import KINDS, build, frame_of, problem, set_parameters, small_spec


def test_halving() -> None:
    assert halving(math.log10(0.5)) == pytest.approx(1.0)
    assert halving(math.log10(2.0)) == pytest.approx(-1.0)
    assert halving(0.0) == math.inf
    assert halving(-math.inf) == 0.0
    assert math.isnan(halving(math.nan))


@given(st.floats(-5.0, -1e-3))
def test_after_so_many_hops_half_is_left(rate: float) -> None:
    assert 10.0 ** (rate * halving(rate)) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pieces", [1, 2, 12])
def test_the_way_is_cut_without_a_gap(kind: str, pieces: int) -> None:
    spec = small_spec(kind)
    frame = frame_of(build(spec), *problem(spec))
    found = stretches(frame, pieces)
    recurrent = frame.verdict.axis == "time"
    places = spec.time_steps if recurrent else spec.depth
    for layer in range(1, spec.depth + 1) if recurrent else (spec.depth,):
        split = culprits(frame, layer)
        assert split is not None
        field = frame.log10_path["c"] if split.of == "c" else frame.log10_grad_h
        span = field[layer - 1] if recurrent else field[:, 0]
        mine = [s for s in found if s.culprits.layer == layer]
        whole = [s for s in mine if (s.near, s.far) == (places, 1)]
        parts = mine if len(mine) == 1 else [s for s in mine if s not in whole]
        assert len(whole) == int(recurrent or pieces == 1)
        assert [s.far for s in parts[:-1]] == [s.near for s in parts[1:]]
        assert (parts[0].near, parts[-1].far) == (places, 1)
        assert len(parts) == min(pieces, places - 1)
        for stretch in mine:
            hops = range(stretch.near, stretch.far, -1)
            gains = {p: float(span[p - 2] - span[p - 1]) for p in hops}
            assert stretch.hops == len(gains)
            assert stretch.decades == pytest.approx(sum(gains.values()), abs=1e-9)
            assert stretch.decades_per_hop == pytest.approx(stretch.decades / len(gains))
            assert abs(gains[stretch.worst]) == max(map(abs, gains.values()))
            at = (layer, stretch.worst) if recurrent else (stretch.worst, 1)
            assert stretch.at == at
            for part, total in stretch.culprits.total.items():
                single = [float(split.parts[part][p - 2]) for p in hops]
                assert total == pytest.approx(sum(single), abs=1e-9)
            told = sum(value or 0.0 for value in stretch.culprits.total.values())
            assert told == pytest.approx(stretch.decades, abs=1e-9)


def test_a_single_bad_layer_comes_first() -> None:
    spec = small_spec("mlp", "linear", depth=30, hidden_size=6)
    network = build(spec, InitSpec(scheme="orthogonal"))
    weight = network.parameters["layer11.W"]
    set_parameters(network, layer11_W=weight * 1e-7)
    found = max(stretches(frame_of(network, *problem(spec))), key=badness)
    assert found.at == (11, 1) and found.far < 11 <= found.near
    assert found.decades == pytest.approx(-7.0, abs=0.01)
    assert found.halving == pytest.approx(found.hops * math.log10(2.0) / 7.0, rel=1e-3)


def test_what_lies_beyond_a_zero_is_left_out() -> None:
    spec = small_spec("mlp", "relu", depth=30)
    network = build(spec)
    set_parameters(network, layer20_W=0.0)
    found = stretches(frame_of(network, *problem(spec)))
    worst = max(found, key=badness)
    assert worst.halving == 0.0 and worst.decades == -math.inf
    assert worst.culprits.killed == ("weights", 20) and worst.worst == 20
    assert min(s.near for s in found) == worst.near
    assert all(s.culprits.killed is None for s in found if s is not worst)


def test_nothing_to_cut() -> None:
    spec = small_spec("mlp", depth=1)
    assert stretches(frame_of(build(spec), *problem(spec))) == []
    lost = small_spec("rnn", "relu", dtype="float32", time_steps=60)
    frame = frame_of(build(lost, InitSpec(recurrent_scale=1e3)), *problem(lost))
    assert frame.overflow is not None and stretches(frame) == []


def test_between_is_a_part_of_the_whole() -> None:
    spec = small_spec("rnn", time_steps=9)
    found = culprits(frame_of(build(spec), *problem(spec)))
    assert found is not None
    part = found.between(7, 3)
    np.testing.assert_array_equal(part.parts["weights"], found.parts["weights"][2:6])
    for near, far in ((3, 3), (3, 4), (10, 1), (4, 0)):
        with pytest.raises(ValueError, match="no hop leads"):
            found.between(near, far)
