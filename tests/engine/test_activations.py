"""Activations and their slopes against 60-digit arithmetic, far into saturation."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest

from engine.activations import ACTIVATIONS

SELU_SCALE, SELU_ALPHA = mp.mpf("1.0507009873554804934193"), mp.mpf("1.6732632423543772848170")


def _sigma(a):
    return 1 / (1 + mp.exp(-a))


#: phi and phi' as the papers write them.
EXACT = {
    "sigmoid": (_sigma, lambda a: mp.exp(-a) * _sigma(a) ** 2),
    "tanh": (mp.tanh, lambda a: mp.sech(a) ** 2),
    "relu": (lambda a: max(a, mp.mpf(0)), lambda a: mp.mpf(a > 0)),
    "leaky_relu": (
        lambda a: a if a > 0 else mp.mpf("0.01") * a,
        lambda a: mp.mpf(1) if a > 0 else mp.mpf("0.01"),
    ),
    "elu": (
        lambda a: a if a > 0 else mp.expm1(a),
        lambda a: mp.mpf(1) if a > 0 else mp.exp(a),
    ),
    "selu": (
        lambda a: SELU_SCALE * (a if a > 0 else SELU_ALPHA * mp.expm1(a)),
        lambda a: SELU_SCALE * (mp.mpf(1) if a > 0 else SELU_ALPHA * mp.exp(a)),
    ),
    "gelu": (lambda a: a * mp.ncdf(a), lambda a: mp.ncdf(a) + a * mp.npdf(a)),
    "silu": (lambda a: a * _sigma(a), lambda a: _sigma(a) * (1 + a * (1 - _sigma(a)))),
    "softplus": (lambda a: mp.log1p(mp.exp(a)), _sigma),
    "linear": (lambda a: a, lambda a: mp.mpf(1)),
}

POINTS = [sign * size for size in (1e-6, 0.1, 0.5, 1.0, 2.0, 3.5, 5.0, 8.0) for sign in (1, -1)]
#: Where 1 - tanh^2 or 1 - sigmoid would have rounded to 0 in float32.
SATURATED = {
    "sigmoid": [20.0, 40.0, 80.0, -20.0, -40.0, -80.0],
    "tanh": [10.0, 20.0, 40.0, -10.0, -20.0, -40.0],
    "silu": [20.0, 80.0, -20.0, -80.0],
    "softplus": [20.0, 80.0, -20.0, -80.0],
    "elu": [-20.0, -80.0, 80.0],
    "selu": [-20.0, -80.0, 80.0],
    "gelu": [-10.0, 10.0, 12.0, 80.0],
}


def forward_and_slope(name, values, dtype):
    a = np.array(values, dtype=dtype)
    h, slope = np.empty_like(a), np.empty_like(a)
    with np.errstate(all="ignore"):
        ACTIVATIONS[name].forward(np, a, h)
        ACTIVATIONS[name].slope(np, a.copy(), h, slope)
    return h, slope


def test_every_activation_is_covered():
    assert set(EXACT) == set(ACTIVATIONS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EXACT)
def test_values_and_slopes(name, dtype):
    phi, slope = EXACT[name]
    values = np.array(POINTS + SATURATED.get(name, []), dtype=dtype)
    found_h, found_slope = forward_and_slope(name, values, dtype)
    bar = 1e-4 if dtype == "float32" else 1e-11
    with mp.workdps(60):
        for a, h, s in zip(values.tolist(), found_h.tolist(), found_slope.tolist(), strict=True):
            exact_h, exact_slope = float(phi(mp.mpf(a))), float(slope(mp.mpf(a)))
            assert h == pytest.approx(exact_h, rel=bar), f"{name}({a})"
            assert s == pytest.approx(exact_slope, rel=bar), f"{name}'({a})"


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
@pytest.mark.parametrize("mixed", [False, True], ids=["alone", "beside a saturated unit"])
def test_float32_slopes_hold_all_the_way_into_saturation(name, mixed):
    """No argument in between loses what the extremes keep, whatever its neighbours are."""
    slope = EXACT[name][1]
    with mp.workdps(60):
        for a in np.linspace(-12.0, 12.0, 97, dtype=np.float32).tolist():
            values = [a, 30.0] if mixed else [a]
            found = float(forward_and_slope(name, values, "float32")[1][0])
            assert found == pytest.approx(float(slope(mp.mpf(a))), rel=1e-3), f"{name}'({a})"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_max_slope_is_the_supremum(name):
    values = np.linspace(-20.0, 20.0, 400_001)
    slope = forward_and_slope(name, values, "float64")[1]
    assert np.abs(slope).max() == pytest.approx(ACTIVATIONS[name].max_slope, rel=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extremes_are_finite_or_infinite_but_never_nan(name):
    values = [1e4, -1e4, 1e30, -1e30, 0.0, math.inf]
    h, slope = forward_and_slope(name, values, "float32")
    assert not np.isnan(h).any()
    assert np.isfinite(slope[:5]).all(), slope


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_names_and_formulas(name):
    activation = ACTIVATIONS[name]
    assert activation.name == name
    assert activation.title
    assert "a" in activation.formula


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_strided_arrays_are_read_and_written_in_place(name, stride, dtype):
    activation = ACTIVATIONS[name]
    a = np.random.default_rng(0).standard_normal(9 * stride).astype(dtype)
    h, slope = np.zeros_like(a), np.zeros_like(a)
    alone, h_alone = a[::stride].copy(), np.zeros(9, dtype)
    slope_alone = np.zeros(9, dtype)
    activation.forward(np, alone, h_alone)
    activation.forward(np, a[::stride], h[::stride])
    activation.slope(np, alone, h_alone, slope_alone)
    activation.slope(np, a[::stride], h[::stride], slope[::stride])
    rtol = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(h[::stride], h_alone, rtol=rtol)
    np.testing.assert_allclose(slope[::stride], slope_alone, rtol=rtol)
    between = np.ones(len(a), dtype=bool)
    between[::stride] = False
    assert not h[between].any() and not slope[between].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name, phi in ACTIVATIONS.items() if phi.invertible])
def test_outputs_alone_tell_slopes_unless_they_saturate(name, dtype):
    """Where they do, the true slopes; where not, they say so."""
    told = 0
    for value in POINTS + SATURATED.get(name, []):
        h, slope = forward_and_slope(name, [value], dtype)
        alone = np.empty_like(slope)
        if ACTIVATIONS[name].slope_from_output(np, h, alone):
            told += 1
            assert alone.item() == slope.item()
        else:
            assert name in ("sigmoid", "tanh") and abs(value) > 4.0
    assert told >= len(POINTS) - 4
