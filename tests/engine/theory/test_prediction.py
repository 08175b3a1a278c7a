"""Every network gets numbers or reasons, in a form JSON can hold."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pytest

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.initialisers import INITIALISERS
from engine.spec import InitSpec, NetworkSpec
from engine.theory import THEORIES, TRAINED, Prediction, predict, without_theory
from tests.engine.theory.support import Erf

ROOT = Path(__file__).resolve().parents[3]


def spec_of(kind, activation="tanh", **changes):
    image = kind == "cnn"
    steps = 12 if ARCHITECTURES[kind].recurrent else 1
    shape = {
        "depth": 5,
        "hidden_size": 64,
        "batch_size": 4,
        "input_shape": (4, 4, 2) if image else (6,),
        "time_steps": steps,
    }
    return NetworkSpec(kind, activation, **(shape | changes))


def check(prediction: Prediction):
    text = json.dumps(prediction.to_dict(), allow_nan=False)
    found = json.loads(text)
    for name in Prediction.numbers():
        assert found[name] is not None or found["reasons"][name], name
        assert not (found[name] is not None and name in found["reasons"]), name
    for reason in [*found["reasons"].values(), *found["assumptions"]]:
        assert reason == reason.strip() and "  " not in reason and not reason.endswith(".")
    curve = found["log10_gradient"]
    if curve is not None:
        assert curve[-1] == pytest.approx(0.0, abs=1e-9)
        assert found["curve"] in ("prediction", "bound", "path")
        assert sum(value is not None for value in curve) == found["reach"] + 1
        if found["decades"] is not None:
            assert curve[0] == pytest.approx(found["decades"], abs=1e-9)
    return found


@pytest.mark.parametrize("kind", list(ARCHITECTURES))
def test_every_scheme_activation_and_scale_has_numbers_or_reasons(kind):
    architecture = ARCHITECTURES[kind]
    schemes = [n for n, scheme in INITIALISERS.items() if architecture.hop_role in scheme.roles]
    scales = ((0.0, 0.3), (0.7, 0.0), (2.0, 0.3), (1e6, 0.0))
    for activation, scheme, (scale, bias) in product(ACTIVATIONS, schemes, scales):
        init = InitSpec(scheme, scale, bias, recurrent_scale=scale)
        for changes in ({}, {"hidden_size": 3}, {"bias": False}):
            prediction = predict(spec_of(kind, activation, **changes), init, 1.0)
            found = check(prediction)
            assert found["kind"] == kind
            steps = spec_of(kind).time_steps
            if prediction.log10_gradient is not None:
                assert len(prediction.log10_gradient) == (steps if architecture.recurrent else 5)


@pytest.mark.parametrize("kind", list(THEORIES))
@pytest.mark.parametrize("changes", [{"depth": 1}, {"time_steps": 1}, {"hidden_size": 1}])
def test_the_smallest_networks(kind, changes):
    if kind == "cnn" and "hidden_size" in changes:
        changes = changes | {"input_shape": (4, 4, 1)}
    for variance in (0.0, 1.0):
        check(predict(spec_of(kind, **changes), InitSpec(), variance))


def test_a_single_chain_is_too_narrow_for_an_average():
    prediction = predict(spec_of("mlp", "sigmoid", hidden_size=1, depth=10), InitSpec(), 1.0)
    assert prediction.log10_gradient is None
    assert prediction.reasons["log10_gradient"].startswith("1 unit is too few")
    # What the lesson says holds at any width.
    assert prediction.slope_bound_decades == pytest.approx(9 * -0.60206, abs=1e-4)


def test_the_critical_scale_is_critical():
    for activation in ("sigmoid", "tanh", "relu", "elu", "selu"):
        for scheme in ("gaussian", "he", "glorot", "orthogonal"):
            init = InitSpec(scheme, bias_scale=0.2)
            edge = predict(spec_of("mlp", activation), init, 1.0).critical_weight_scale
            at_edge = predict(spec_of("mlp", activation), replace(init, weight_scale=edge), 1.0)
            assert at_edge.phase == "critical", (activation, scheme)
            assert at_edge.decades_per_hop == pytest.approx(0.0, abs=1e-6)
            assert at_edge.xi_1 is None and "edge" in at_edge.reasons["xi_1"]


def test_the_papers_network_in_one_piece():
    init = InitSpec(weight_scale=1.5**0.5, bias_scale=0.05**0.5)
    prediction = predict(spec_of("mlp", "tanh", hidden_size=512, depth=30), init, 1.0)
    assert prediction.q_star == pytest.approx(0.418037, abs=1e-6)
    assert prediction.chi_1 == pytest.approx(0.938636, abs=1e-6)
    assert prediction.xi_1 == pytest.approx(15.79, abs=5e-3)
    assert prediction.xi_c == pytest.approx(prediction.xi_1, rel=1e-9)
    assert prediction.c_star == 1.0 and prediction.phase == "ordered"
    assert prediction.decades_per_hop == pytest.approx(-0.013751, abs=1e-6)
    assert prediction.critical_weight_scale**2 == pytest.approx(1.760955, abs=1e-6)
    check(prediction)


def test_chaos_has_a_c_star_below_1():
    prediction = predict(spec_of("mlp"), InitSpec(weight_scale=2.0, bias_scale=0.5), 1.0)
    assert prediction.phase == "chaotic" and 0.0 < prediction.c_star < 1.0
    assert prediction.xi_c is not None and prediction.decades_per_hop > 0.0


def test_relu_says_so_where_every_variance_is_fixed_and_where_none_is():
    every = predict(spec_of("mlp", "relu"), InitSpec(weight_scale=2.0**0.5), 1.0)
    assert every.q_star is None and "every variance" in every.reasons["q_star"]
    assert every.chi_1 == pytest.approx(1.0) and every.c_star == 1.0
    none = predict(spec_of("mlp", "relu"), InitSpec(weight_scale=1.6), 1.0)
    assert none.q_star is None and "without bound" in none.reasons["q_star"]
    assert none.chi_1 == pytest.approx(1.28) and none.phase is None
    gelu = predict(spec_of("mlp", "gelu"), InitSpec(weight_scale=2.0), 1.0)
    assert gelu.chi_1 is None and "tends to 2" in gelu.reasons["chi_1"]
    assert gelu.critical_weight_scale is None
    assert "die out or grow away" in gelu.reasons["critical_weight_scale"]
    # The finite network is predicted all the same.
    assert gelu.log10_gradient is not None


def test_a_forward_pass_that_overflows_is_told_where():
    spec = spec_of("mlp", "relu", depth=200, hidden_size=4000)
    prediction = predict(spec, InitSpec(weight_scale=4.0), 1.0)
    assert prediction.log10_gradient is None
    assert "leaves float32 at about layer 8" in prediction.reasons["log10_gradient"]
    wide = replace(spec, dtype="float64")
    assert predict(wide, InitSpec(weight_scale=4.0), 1.0).log10_gradient is not None
    # 10^0.903 a layer in q, half of it in the pre-activations: 10^307 at layer 680. The variance
    # itself is no float64 any more at layer 342.
    deep = predict(replace(wide, depth=500), InitSpec(weight_scale=4.0), 1.0)
    assert deep.log10_gradient is not None
    deeper = predict(replace(wide, depth=900), InitSpec(weight_scale=4.0), 1.0)
    assert "leaves float64 at about layer 68" in deeper.reasons["log10_gradient"]


@pytest.mark.parametrize("kind", list(THEORIES))
def test_weights_too_small_to_square(kind):
    scheme = "identity" if kind == "irnn" else "gaussian"
    init = InitSpec(scheme, weight_scale=1e-200, recurrent_scale=1e-200)
    check(predict(spec_of(kind), init, 1.0))


def test_nothing_in_nothing_out():
    prediction = predict(spec_of("mlp"), InitSpec(), 0.0)
    assert prediction.q_star is None and "nothing enters" in prediction.reasons["q_star"]
    with pytest.raises(ValueError, match="from 0 to 1e100"):
        predict(spec_of("mlp"), InitSpec(), -1.0)
    with pytest.raises(ValueError, match="from 0 to 1e100"):
        predict(spec_of("mlp"), InitSpec(), float("nan"))


def test_a_kind_without_a_theory_says_so():
    toy = replace(ARCHITECTURES["mlp"], name="toy")
    ARCHITECTURES.register(toy)
    try:
        found = check(predict(replace(spec_of("mlp"), kind="toy"), InitSpec(), 1.0))
    finally:
        ARCHITECTURES.unregister("toy")
    assert "no theory of the kind toy" in found["reasons"]["chi_1"]


def test_an_initialiser_without_a_theory_says_so():
    class Sparse(type(INITIALISERS["gaussian"])):
        name = "sparse"

    INITIALISERS.register(Sparse())
    try:
        for kind in ("mlp", "cnn", "rnn", "indrnn"):
            found = check(predict(spec_of(kind), InitSpec("sparse"), 1.0))
            assert "initialiser sparse" in found["reasons"]["log10_gradient"]
    finally:
        INITIALISERS.unregister("sparse")


def test_an_activation_that_joins_later_has_a_theory_at_once():
    ACTIVATIONS.register(Erf())
    try:
        found = check(predict(spec_of("mlp", "erf"), InitSpec(), 1.0))
    finally:
        ACTIVATIONS.unregister("erf")
    assert found["critical_weight_scale"] ** 2 == pytest.approx(0.7853981634, rel=1e-9)


def test_a_setting_no_theory_has_heard_of_is_refused():
    @dataclass(frozen=True)
    class Later(NetworkSpec):
        some_new_part: str = "none"

    plain = Later("mlp", "tanh", 5, 64, 4, (6,))
    assert predict(plain, InitSpec(), 1.0).chi_1 is not None
    found = check(predict(replace(plain, some_new_part="yes"), InitSpec(), 1.0))
    assert "some_new_part = yes" in found["reasons"]["chi_1"]


def test_a_missing_number_needs_a_reason():
    with pytest.raises(ValueError, match="without a reason"):
        Prediction("mlp", "tanh", "layer", "none")
    complete = predict(spec_of("mlp"), InitSpec(), 1.0)
    with pytest.raises(ValueError, match="not a number"):
        replace(complete, chi_1=float("inf"))


def test_there_is_a_sentence_for_trained_networks():
    assert "after the first update" in TRAINED


def test_a_prediction_needs_no_scipy_unless_the_activation_does():
    code = (
        "import sys\n"
        "from engine.spec import InitSpec, NetworkSpec\n"
        "import engine.theory\n"
        "assert 'numpy' not in sys.modules\n"
        "engine.theory.predict(NetworkSpec('mlp', 'tanh', 9, 64, 4, (6,)), InitSpec(), 1.0)\n"
        "print('scipy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("kind", list(ARCHITECTURES))
def test_reasons_alone_name_the_activation_that_the_kind_has(kind):
    found = check(without_theory(kind, "tanh", "nobody knows"))
    assert set(found["reasons"].values()) == {"nobody knows"}
    assert found["activation"] == predict(spec_of(kind), InitSpec(), 1.0).activation
