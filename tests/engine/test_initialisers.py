"""What each initialiser promises: variance, orthogonality, range, and the same draw every time."""

from __future__ import annotations

import numpy as np
import pytest

from engine.architectures import ARCHITECTURES
from engine.initialisers import INITIALISERS, WeightSpec
from engine.spec import InitSpec
from tests.engine.support import KINDS, build, small_spec

SHAPES = {
    "matrix": WeightSpec((200, 300), "matrix", 200, 300),
    "square": WeightSpec((250, 250), "square", 250, 250),
    "kernel": WeightSpec((3, 3, 30, 60), "kernel", 270, 540),
    "vector": WeightSpec((40_000,), "vector", 1, 1, time_steps=100),
}


def draw(scheme, weight, scale=1.0, seed=0, **init):
    rng = np.random.default_rng(seed)
    return INITIALISERS[scheme].draw(rng, weight, scale, InitSpec(scheme=scheme, **init))


@pytest.mark.parametrize("role", ["matrix", "square", "kernel"])
@pytest.mark.parametrize(
    ("scheme", "variance"),
    [
        ("gaussian", lambda w: 1.0 / w.fan_in),
        ("uniform", lambda w: 1.0 / w.fan_in),
        ("glorot", lambda w: 2.0 / (w.fan_in + w.fan_out)),
        ("he", lambda w: 2.0 / w.fan_in),
        ("lecun", lambda w: 1.0 / w.fan_in),
    ],
)
def test_variance(scheme, variance, role):
    weight = SHAPES[role]
    drawn = draw(scheme, weight, scale=1.5)
    assert drawn.shape == weight.shape
    # 4 standard errors of a variance estimated from a Gaussian sample.
    bar = 4.0 * np.sqrt(2.0 / drawn.size)
    assert drawn.var() == pytest.approx(2.25 * variance(weight), rel=bar)
    assert abs(drawn.mean()) < 4.0 * drawn.std() / np.sqrt(drawn.size)


def test_uniform_and_glorot_stay_in_range():
    weight = SHAPES["matrix"]
    assert np.abs(draw("uniform", weight)).max() <= np.sqrt(3.0 / 200)
    assert np.abs(draw("glorot", weight)).max() <= np.sqrt(6.0 / 500)


def test_lecun_is_truncated_at_two_standard_deviations():
    drawn = draw("lecun", SHAPES["matrix"])
    limit = 2.0 / 0.87962566103423978 / np.sqrt(200)
    assert 0.98 * limit < np.abs(drawn).max() <= limit


@pytest.mark.parametrize("shape", [(50, 50), (30, 70), (70, 30), (1, 5), (1, 1)])
def test_orthogonal_keeps_the_shorter_side_orthonormal(shape):
    drawn = draw("orthogonal", WeightSpec(shape, "matrix", *shape), scale=1.3)
    gram = drawn @ drawn.T if shape[0] <= shape[1] else drawn.T @ drawn
    np.testing.assert_allclose(gram, 1.69 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_is_haar():
    """Without the sign correction QR favours a negative diagonal; Haar's trace has mean 0."""
    weight = WeightSpec((3, 3), "square", 3, 3)
    traces = [np.trace(draw("orthogonal", weight, seed=seed)) for seed in range(800)]
    assert abs(np.mean(traces)) < 4.0 / np.sqrt(800)
    assert np.var(traces) == pytest.approx(1.0, abs=0.3)


def test_orthogonal_kernel_is_orthogonal_as_a_matrix():
    kernel = draw("orthogonal", SHAPES["kernel"]).reshape(270, 60)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(60), atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_delta_orthogonal_is_orthogonal_at_the_centre_and_zero_elsewhere(size):
    weight = WeightSpec((size, size, 6, 9), "kernel", size * size * 6, size * size * 9)
    kernel = draw("delta_orthogonal", weight, scale=0.7)
    centre = (size - 1) // 2
    middle = kernel[centre, centre].copy()
    np.testing.assert_allclose(middle @ middle.T, 0.49 * np.eye(6), atol=1e-12)
    kernel[centre, centre] = 0.0
    assert not kernel.any()


def test_delta_orthogonal_refuses_fewer_outputs_than_inputs():
    with pytest.raises(ValueError, match="output"):
        draw("delta_orthogonal", WeightSpec((3, 3, 9, 6), "kernel", 81, 54))


@pytest.mark.parametrize("scheme", ["delta_orthogonal", "identity"])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("padding", ["zero", "circular"])
def test_centred_kernels_are_the_identity_of_convolution(scheme, kernel_size, padding):
    """The centre is where the padding says it is, for even kernels too: no shift, norm kept."""
    spec = small_spec(
        "cnn", "linear", kernel_size=kernel_size, padding=padding, hidden_size=4,
        input_shape=(5, 6, 4), depth=4,
    )  # fmt: skip
    network = build(spec, InitSpec(scheme=scheme))
    x = np.random.default_rng(0).standard_normal((1, 1, 4, 5, 6, 4))
    fields = network.evaluate(x, np.zeros((1, 4, 2)))
    np.testing.assert_allclose(fields.activation_rms, np.sqrt(np.mean(x**2)), rtol=1e-12)


def test_identity():
    np.testing.assert_array_equal(
        draw("identity", WeightSpec((4, 4), "square", 4, 4), scale=0.5), 0.5 * np.eye(4)
    )
    np.testing.assert_array_equal(draw("identity", SHAPES["vector"], scale=0.9), 0.9)


def test_recurrent_range():
    root = 1.0 / 100
    u = draw("recurrent_range", SHAPES["vector"], recurrent_lower=0.5, recurrent_upper=2.0)
    assert u.min() >= 0.5**root
    assert u.max() <= 2.0**root
    assert u.min() == pytest.approx(0.5**root, abs=1e-5)
    assert u.max() == pytest.approx(2.0**root, abs=1e-5)
    below = WeightSpec((40_000,), "vector", 1, 1, time_steps=100, last_layer=False)
    u = draw("recurrent_range", below, recurrent_lower=0.5, recurrent_upper=2.0)
    assert u.min() < 0.001
    assert 0.999 * 2.0**root < u.max() <= 2.0**root


def test_roles_say_what_fits_where():
    roles = {name: scheme.roles for name, scheme in INITIALISERS.items()}
    assert roles["delta_orthogonal"] == {"kernel"}
    assert roles["recurrent_range"] == {"vector"}
    assert "vector" not in roles["orthogonal"]
    assert {"matrix", "square", "kernel"} <= roles["orthogonal"] & roles["gaussian"] & roles["he"]
    hops = {name: kind.hop_role for name, kind in ARCHITECTURES.items()}
    assert (hops["mlp"], hops["cnn"], hops["rnn"], hops["indrnn"]) == (
        "matrix",
        "kernel",
        "square",
        "vector",
    )
    # IRNN is its initialiser; every other kind leaves a choice.
    assert [name for name in INITIALISERS if hops["irnn"] in roles[name]] == ["identity"]
    for kind, hop in hops.items():
        assert kind == "irnn" or sum(hop in fits for fits in roles.values()) >= 3, kind


FITTING = [
    (kind, scheme)
    for kind in KINDS
    for scheme, initialiser in INITIALISERS.items()
    if ARCHITECTURES[kind].hop_role in initialiser.roles
]


@pytest.mark.parametrize(("kind", "scheme"), FITTING)
def test_every_fitting_pair_builds_and_draws_the_same_twice(kind, scheme):
    spec = small_spec(kind)
    one, same, other = (build(spec, scheme=scheme, seed=seed) for seed in (7, 7, 8))
    for name, value in one.parameters.items():
        np.testing.assert_array_equal(value, same.parameters[name])
    if scheme != "identity":
        hop = {"rnn": "layer2.U", "indrnn": "layer2.u"}.get(kind, "layer2.W")
        assert not np.array_equal(one.parameters[hop], other.parameters[hop])


@pytest.mark.parametrize("kind", KINDS)
def test_scales_change_magnitudes_and_never_the_draw(kind):
    spec = small_spec(kind)
    one = build(spec, InitSpec(seed=3, bias_scale=1.0))
    both = build(spec, InitSpec(seed=3, weight_scale=2.0, recurrent_scale=3.0, bias_scale=0.5))
    factors = {"W": 2.0, "U": 3.0, "u": 3.0, "b": 0.5, "c": 0.5}
    for name, value in one.parameters.items():
        layer, _, letter = name.partition(".")
        factor = 1.0 if layer == "readout" else factors[letter]
        np.testing.assert_allclose(both.parameters[name], factor * value, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_both_dtypes_draw_the_same_numbers(kind):
    wide, narrow = (build(small_spec(kind, dtype=dtype)) for dtype in ("float64", "float32"))
    for name, value in wide.parameters.items():
        assert narrow.parameters[name].dtype == np.float32
        np.testing.assert_array_equal(narrow.parameters[name], value.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_parameter_names_and_shapes(kind):
    spec = small_spec(kind, depth=2)
    shapes = {name: value.shape[1:] for name, value in build(spec).parameters.items()}
    width, inputs = spec.hidden_size, spec.input_shape[-1]
    columns = width * max(1, len(ARCHITECTURES[kind].layer.gates))
    recurrent = {"U": (width, columns)}
    first, second = {
        "mlp": ({"W": (inputs, width)}, {"W": (width, width)}),
        "cnn": ({"W": (3, 3, inputs, width)}, {"W": (3, 3, width, width)}),
        "indrnn": ({"W": (inputs, width), "u": (width,)}, {"W": (width, width), "u": (width,)}),
    }.get(kind, ({"W": (inputs, columns)} | recurrent, {"W": (width, columns)} | recurrent))
    expected = {"readout.W": (width, 2), "readout.b": (2,)}
    for layer, weights in (("layer1", first), ("layer2", second)):
        expected |= {f"{layer}.{name}": shape for name, shape in weights.items()}
        expected[f"{layer}.b"] = (columns,)
        if kind == "gru":
            expected[f"{layer}.c"] = (width,)
    assert shapes == expected
    without = build(small_spec(kind, depth=2, bias=False)).parameters
    assert not any(name.startswith("layer") and name.endswith((".b", ".c")) for name in without)
