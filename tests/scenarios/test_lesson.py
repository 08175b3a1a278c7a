"""The lesson: every page says what is true, at every setting of its knobs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine.im2col import im2col
from scenarios.errors import ScenarioError
from scenarios.lesson.blocks import Text
from scenarios.lesson.page import Page
from scenarios.lesson.pages import PAGES, find, number_of
from tui.learn.layout import lay_out, lay_out_wide
from tui.learn.lines import cells


def numbers(name: str, **changes: object) -> dict[str, Any]:
    page = find(name, "test")
    return dict(page.read(page.settings(changes)).numbers)


def extremes(page: Page) -> Iterator[dict[str, object]]:
    """Every knob at its ends and at each of its choices, the others as they were."""
    for knob in page.knobs:
        ends = knob.choices or (knob.minimum, knob.maximum)
        for value in ends:
            yield {knob.key: type(knob.default)(value)}


def test_names_and_numbers_find_the_same_page() -> None:
    for place, page in enumerate(PAGES, 1):
        assert find(str(place), "test") is find(page.name, "test") is page
        assert number_of(page) == place
    for wrong in ("0", str(len(PAGES) + 1), "-1", "99999999999999999999", "²", ""):
        with pytest.raises(ScenarioError, match="no page"):
            find(wrong, "test")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_can_be_read_and_laid_out(page: Page) -> None:
    assert page.title and page.source and page.knobs
    for changes in ({}, *extremes(page)):
        reading = page.read(page.settings(changes))
        json.dumps(dict(reading.numbers), allow_nan=False)
        for width in (60, 80, 96):
            for unicode in (True, False):
                lines = lay_out(page, reading, width, unicode=unicode)
                assert max(map(cells, lines)) <= width, changes
                if not unicode:
                    assert all(text.isascii() for line in lines for text, _ in line), changes
        assert max(map(cells, lay_out_wide(page, reading, 156, unicode=True))) <= 156, changes


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_lab_can_run_what_a_page_has_run(page: Page) -> None:
    from scenarios.runner import Run

    scenario = page.read(page.settings()).scenario
    frames = list(Run(scenario).frames())
    assert len(frames) == scenario.training.steps + 1


def test_knobs_refuse_what_they_cannot_be() -> None:
    sigmoid = find("sigmoid", "test")
    for key, value in (
        ("layers", 0),
        ("layers", 3.5),
        ("layers", True),
        ("layers", "ten"),
        ("layers", 10**400),
        ("weight", math.nan),
        ("weight", -1),
        ("activation", "sigmod"),
        ("activation", 3),
        ("depth", 3),
    ):
        with pytest.raises(ScenarioError) as refused:
            sigmoid.settings({key: value}, "--set")
        assert "\n" not in str(refused.value)
        assert str(refused.value).startswith(f"--set: {key}")


def test_knobs_turn_and_stop_at_their_ends() -> None:
    layers, weight, activation = find("sigmoid", "test").knobs
    assert layers.turned(10, 1) == 11
    assert layers.turned(500, 1) == 500
    assert isinstance(layers.turned(10, 1), int)
    assert weight.turned(0.0, -1) == 0.0
    assert weight.turned(1.0, 10) == 6.0
    assert activation.turned("linear", 1) == "sigmoid"
    assert activation.turned("sigmoid", -1) == "linear"


def test_im2col_is_the_engines() -> None:
    found = numbers("im2col", filter="sum")
    image = np.arange(1.0, 17.0).reshape(1, 4, 4, 1)
    columns = im2col(np, image, kernel_size=2, stride=1, padding=1)[0].T
    assert found["positions"] == 25
    np.testing.assert_array_equal(found["columns"], columns)
    np.testing.assert_array_equal(found["output"], columns.sum(axis=0))
    for stride in (1, 2):
        for padding in (0, 1):
            found = numbers("im2col", stride=stride, padding=padding)
            assert found["positions"] == ((4 + 2 * padding - 2) // stride + 1) ** 2
            assert found["difference_by_hand"] == 0.0


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "linear"])
def test_the_chain_rule_stands_the_nudge(activation: str) -> None:
    found = numbers("chain-rule", activation=activation)
    assert found["nudged_slope"] == pytest.approx(found["backprop_slope"], rel=1e-6)
    parts = found["slope_decades"] + found["weight_decades"]
    assert parts == pytest.approx(found["decades"], abs=1e-12)


def test_no_sigmoid_chain_beats_a_quarter_a_layer() -> None:
    found = numbers("sigmoid")
    assert found["bound_decades"] == pytest.approx(10 * math.log10(0.25))
    # Weights of 1: the slopes are all there is.
    assert found["decades"] == pytest.approx(found["slope_decades"], abs=1e-12)
    assert found["decades"] <= found["bound_decades"]
    heavier = numbers("sigmoid", weight=4.0)
    assert heavier["slope_decades"] < found["slope_decades"]
    # Beyond float32 and float64 alike.
    assert numbers("sigmoid", layers=500)["decades"] < 500 * math.log10(0.25) < -300


def test_relu_slopes_are_0_or_1() -> None:
    found = numbers("relu")
    assert 0.4 < found["share_of_slopes_1"] < 0.6
    assert abs(found["relu_decades"]) < 3 < -found["sigmoid_decades"]
    assert found["critical_gain_sigmoid"] ** 2 == pytest.approx(103.0, rel=0.01)
    dead = numbers("relu", width=2)
    assert dead["relu_decades"] is None


def test_eigenvalues_rule_the_linear_rnn() -> None:
    for gain in (0.7, 0.9, 1.2):
        found = numbers("rnn", gain=gain)
        assert found["decades"] == pytest.approx(found["radius_decades"], abs=1.5)
        assert found["spectral_radius"] < found["largest_singular_value"]
        assert np.sign(found["decades"]) == np.sign(math.log10(found["spectral_radius"]))
    below = numbers("rnn", gain=0.9)
    assert max(below[f"{phi}_decades"] for phi in ("tanh", "relu", "sigmoid")) < below["decades"]


def test_a_gain_of_0_has_no_10_percent() -> None:
    def words(gain: float) -> str:
        page = find("rnn", "test")
        blocks = page.read(page.settings({"gain": gain, "steps": 6})).blocks
        return " ".join(block.text for block in blocks if isinstance(block, Text))

    assert "A gain 10 % higher" in words(0.9) and "10 %" not in words(0.0)


def test_independent_weights_err_less_than_tied_ones() -> None:
    found = numbers("cnn")
    assert all(abs(decades) < 3 for decades in found["independent_decades"])
    assert found["tied_spread"] > 3 * found["independent_spread"]
    # ReLU without biases scales exactly: one of 49 factors is nudged, or all of them.
    nudge = math.log10(1.1)
    assert found["independent_nudge_decades"] == pytest.approx(nudge, abs=1e-4)
    assert found["tied_nudge_decades"] == pytest.approx(49 * nudge, abs=1e-4)


def test_the_identity_keeps_more_than_a_gaussian_matrix_and_less_than_all() -> None:
    found = numbers("irnn")
    assert found["gaussian_decades"] < -10 < -1 < found["decades"] < found["bound_decades"] == 0
    assert found["spectral_radius_after_updates"] == 1.0
    assert numbers("irnn", updates=50)["spectral_radius_after_updates"] > 1.001


def test_u_stays_where_it_is_put() -> None:
    found = numbers("indrnn")
    assert found["u_lower"] == pytest.approx(0.5**0.01)
    assert found["u_upper"] == pytest.approx(2**0.01)
    assert found["u_lower"] <= min(found["u"]) <= max(found["u"]) <= found["u_upper"]
    assert found["decades"] <= found["largest_u_decades"]


def test_ten_to_the_six_is_few_turns_away_and_makes_neurons_explode() -> None:
    upper = next(knob for knob in find("indrnn", "test").knobs if knob.key == "upper")
    assert upper.turned(2.0, 1) == 20.0
    assert upper.turned(2.0, 6) == 1e6
    assert upper.turned(2.0, -1) == 1.0
    found = numbers("indrnn", upper=1e6)
    assert found["smallest_u_decades"] < 3 < found["largest_u_decades"]


def test_a_weight_of_0_is_not_the_slopes_doing() -> None:
    found = numbers("sigmoid", weight=0.0)
    assert found["decades"] is None
    assert found["slope_decades"] == pytest.approx(math.log10(0.25))


def test_a_vector_and_a_layer_make_a_matrix() -> None:
    found = numbers("diagonal")
    assert found["loss_indrnn"] == pytest.approx(found["loss_rnn"], rel=1e-10)
    assert found["gradient_difference"] < 1e-10
    assert found["eigenvalue_difference"] < 1e-10


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gates_stand_at_the_sigmoid_of_their_bias(cell: str) -> None:
    for bias in (0.0, 2.0):
        found = numbers("gates", cell=cell, bias=bias)
        assert found["gate"] == pytest.approx(1 / (1 + math.exp(-bias)))
        assert found["gate_measured"] == pytest.approx(found["gate"], rel=0.05)
        assert found["decades"] > found["gate_decades"]


def test_the_answer() -> None:
    found = numbers("answer")
    healthy = {name for name, decades in found.items() if abs(decades) <= 3}
    assert healthy == {"CNN, ReLU, gain √2", "IRNN", "IndRNN", "LSTM, bias ln(T − 1)"}
    assert found["CNN, sigmoid"] < -60
