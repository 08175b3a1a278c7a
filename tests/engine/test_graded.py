"""Singular values of long products, far outside what float64 can hold beside each other."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from engine.backend import open_backend
from engine.graded import GradedProduct

LOG10_2 = np.log10(2.0)


def log10_values(matrices: list[np.ndarray]) -> np.ndarray:
    """Of M_n ... M_1, given in the order in which they are applied to columns."""
    product = GradedProduct(open_backend("cpu", "float64"), matrices[0].shape[1])
    product.apply([lambda rows, m=m: rows @ m.T for m in matrices])
    return product.log2_singular_values() * LOG10_2


def true_log10_values(matrices: list[np.ndarray], digits: int) -> np.ndarray:
    with mpmath.workdps(digits):
        product = mpmath.eye(matrices[0].shape[1])
        for matrix in matrices:
            product = mpmath.matrix(matrix.tolist()) * product
        values = mpmath.svd_r(product, compute_uv=False)
        return np.array([float(mpmath.log10(value)) for value in values])


def test_known_values_over_thousands_of_decades() -> None:
    rng = np.random.default_rng(0)
    bases = [np.linalg.qr(rng.standard_normal((40, 40)))[0] for _ in range(201)]
    # A direction that gains most does so in every hop: else rounding in the hops themselves would
    # lead from directions that were large to those that will be.
    gains = np.sort(rng.uniform(0.02, 1.0, (200, 40)))[:, ::-1]
    hops = [
        bases[i + 1] @ np.diag(gain) @ bases[i].T * (1e-40 if i % 2 else 1e20)
        for i, gain in enumerate(gains)
    ]
    expected = np.log10(gains).sum(axis=0) - 2000.0
    np.testing.assert_allclose(log10_values(hops), expected, atol=1e-10)


@pytest.mark.parametrize(("size", "hops", "digits"), [(6, 80, 200), (5, 400, 900)])
def test_gaussian_products_against_mpmath(size: int, hops: int, digits: int) -> None:
    rng = np.random.default_rng(1)
    matrices = [rng.standard_normal((size, size)) / np.sqrt(size) for _ in range(hops)]
    found = log10_values(matrices)
    assert found[0] - found[-1] > 30.0
    np.testing.assert_allclose(found, true_log10_values(matrices, digits), atol=1e-9)


def test_saturated_units_against_mpmath() -> None:
    rng = np.random.default_rng(2)
    matrices = [
        10.0 ** rng.uniform(-9.0, 0.0, (7, 1)) * rng.standard_normal((7, 7)) for _ in range(30)
    ]
    np.testing.assert_allclose(log10_values(matrices), true_log10_values(matrices, 600), atol=1e-6)


def test_narrow_spectra_agree_with_a_dense_svd() -> None:
    rng = np.random.default_rng(3)
    shapes = [(9, 5), (20, 9), (6, 20)]
    matrices = [rng.standard_normal(shape) for shape in shapes]
    dense = np.linalg.svd(np.linalg.multi_dot(matrices[::-1]), compute_uv=False)
    np.testing.assert_allclose(log10_values(matrices), np.log10(dense), atol=1e-12)


def test_closed_units_leave_exact_zeros() -> None:
    rng = np.random.default_rng(4)
    matrices = []
    for _ in range(60):
        matrix = rng.standard_normal((12, 12))
        matrix[rng.choice(12, 5, replace=False)] = 0.0
        matrices.append(matrix)
    found = log10_values(matrices)
    # Seven units are open in every hop, and seven generic directions pass through all of them.
    assert len(found) == 7
    assert np.isfinite(found).all()
    gone = [*matrices, np.zeros((12, 12))]
    assert len(log10_values(gone)) == 0


def test_isometries_stay_ones() -> None:
    rng = np.random.default_rng(5)
    matrices = [np.linalg.qr(rng.standard_normal((16, 16)))[0] for _ in range(500)]
    np.testing.assert_allclose(log10_values(matrices), 0.0, atol=1e-12)
