"""Singular values of a long product of matrices, to full relative accuracy however far apart.

Formed as it stands, a product of a hundred matrices keeps in float64 the top sixteen decades of its
singular values and turns the rest into rounding noise. Here it is kept as Q diag(2^e) U, Q with
orthonormal columns, e integers without bound and U well scaled: the stratification of determinant
quantum Monte Carlo (Loh et al. 1989; with columns sorted by size before each QR, Bai, Lee, Li, Xu
2011). The singular values of diag(2^e) U then come from one-sided Jacobi rotations, which respect
such a grading (Demmel, Veselic 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.arrays import Array, Exponents, HostArray
    from engine.backend import Backend

#: Hops between two orthogonalisations where every direction kept its size about.
_LONGEST_STRIDE = 16

#: Ratio of gains between the directions of one stride above which the next may be longer.
_MILD = 2.0**-8

#: Gain of one stride up to which the next may be longer.
_LARGEST_GAIN = 2.0**30

#: Span of exponents up to which LAPACK's SVD keeps ten digits of the smallest value.
_NARROW = 20

#: Sweeps of Jacobi rotations; graded matrices take three or four.
_MOST_SWEEPS = 30


class GradedProduct:
    """The product of all matrices applied so far, M = Q diag(2^e) U, starting from I of size n.

    Directions that a stride shrinks to rounding level beside its best, as closed ReLUs do, are
    taken out: they count as exact zeros among the singular values.
    """

    def __init__(self, backend: Backend, size: int) -> None:
        import numpy as np

        self._backend = backend
        self._basis = backend.asarray(np.eye(size))
        self._exponent: Exponents = np.zeros(size, dtype=np.int64)
        self._rows: HostArray = np.eye(size)

    def apply(self, maps: Sequence[Callable[[Array], Array]]) -> None:
        """Multiply from the left by each map in turn; a map takes and gives K vectors as rows."""
        start, stride = 0, 1
        while start < len(maps) and len(self._rows):
            vectors = self._basis
            for step in maps[start : start + stride]:
                vectors = step(vectors)
            start += stride
            gains = self._orthogonalise(self._backend.to_host(vectors))
            stride = min(2 * stride, _LONGEST_STRIDE) if _mild(gains) else 1

    def _orthogonalise(self, vectors: HostArray) -> HostArray:
        """Take in what the basis has become, (r, N); return each direction's gain."""
        import numpy as np

        norms = np.sqrt(np.vecdot(vectors, vectors))
        # Largest first in the product, not in this stride: U stays well scaled.
        with np.errstate(divide="ignore"):
            order = np.argsort(-(np.log2(norms) + self._exponent), kind="stable")
        columns = vectors[order].T
        rows, exponent = self._rows[order], self._exponent[order]
        basis, upper = np.linalg.qr(columns)
        gains = np.abs(np.diagonal(upper))
        noise = max(columns.shape) * np.finfo(np.float64).eps * norms.max(initial=0.0)
        place = np.flatnonzero(gains > noise)
        if len(place) < len(order):
            basis = np.linalg.qr(columns[:, place])[0]
            upper = basis.T @ columns
            # A column depends on the larger ones before it alone.
            upper[place[:, None] > np.arange(len(order))] = 0.0
        kept = exponent[place]
        new = np.ldexp(upper, exponent - kept[:, None]) @ rows
        shift = np.frexp(np.abs(new).max(axis=1, initial=0.0))[1]
        self._rows = np.ldexp(new, -shift[:, None])
        self._exponent = kept + shift
        self._basis = self._backend.asarray(basis.T)
        result: HostArray = gains[place]
        return result

    def log2_singular_values(self) -> HostArray:
        """log2 of the singular values that are not zero, (rank,), largest first."""
        import numpy as np

        order = np.argsort(-self._exponent, kind="stable")
        exponent = self._exponent[order]
        if not len(order):
            return np.zeros(0)
        lower = np.linalg.qr(self._rows[order].T).R.T
        if exponent[0] - exponent[-1] <= _NARROW:
            relative = np.ldexp(lower, (exponent - exponent[0])[:, None])
            values = np.linalg.svd(relative, compute_uv=False)
            with np.errstate(divide="ignore"):
                result: HostArray = np.log2(values) + exponent[0]
            return result
        # diag(2^e) L = K diag(2^e): a second triangular form, so nearly diagonal that few
        # rotations are left.
        scaled = np.ldexp(lower, np.minimum(exponent[:, None] - exponent, 0))
        return _jacobi(np.linalg.qr(scaled).R.T, exponent)


def _mild(gains: HostArray) -> bool:
    """Whether a stride twice as long stays resolved, and far from float64's ends."""
    if not gains.size:
        return False
    low, high = float(gains.min()), float(gains.max())
    return low > _MILD * high and 1.0 / _LARGEST_GAIN < high < _LARGEST_GAIN


def _jacobi(rows: HostArray, exponent: Exponents) -> HostArray:
    """log2 singular values of diag(2^exponent) rows, largest first: rotations of pairs of rows."""
    import numpy as np

    count = len(rows)
    # An odd row out is paired with one of zeros.
    size = count + count % 2
    rows = np.vstack([rows, np.zeros((size - count, rows.shape[1]))])
    exponent = np.append(exponent, exponent[-1:].repeat(size - count))
    tolerance = size * np.finfo(np.float64).eps
    circle = np.arange(1, size)
    for _ in range(_MOST_SWEEPS):
        turned = 0
        for _ in range(size - 1):
            # The round-robin schedule: every pair meets once a sweep, half of them at a time.
            players = np.concatenate([[0], circle])
            half = players[: size // 2], players[: size // 2 - 1 : -1]
            turned += _rotate(rows, exponent, *half, tolerance)
            circle = np.roll(circle, 1)
        shift = np.frexp(np.abs(rows).max(axis=1))[1]
        rows, exponent = np.ldexp(rows, -shift[:, None]), exponent + shift
        if not turned:
            break
    with np.errstate(divide="ignore"):
        values = 0.5 * np.log2(np.vecdot(rows, rows)) + exponent
    result: HostArray = np.sort(values)[::-1][:count]
    return result


def _rotate(
    rows: HostArray, exponent: Exponents, one: HostArray, other: HostArray, tolerance: float
) -> int:
    """Make each row of `one` orthogonal to its partner in `other`; return how many were not."""
    import numpy as np

    swap = exponent[one] < exponent[other]
    large, small = np.where(swap, other, one), np.where(swap, one, other)
    u, v = rows[large], rows[small]
    uu, vv, uv = np.vecdot(u, u), np.vecdot(v, v), np.vecdot(u, v)
    turn = np.abs(uv) > tolerance * np.sqrt(uu * vv)
    if not turn.any():
        return 0
    large, small, u, v = large[turn], small[turn], u[turn], v[turn]
    uu, vv, uv = uu[turn], vv[turn], uv[turn]
    # With d = 2^(e_small - e_large) the pair is (u, d v). The tangent of the angle that makes it
    # orthogonal is d * t, whatever d underflows to.
    ratio = np.ldexp(1.0, exponent[small] - exponent[large])
    z = (ratio * ratio * vv - uu) / (2.0 * uv)
    t = np.where(z < 0.0, -1.0, 1.0) / (np.abs(z) + np.sqrt(z * z + ratio * ratio))
    tangent = t * ratio
    cosine = 1.0 / np.sqrt(1.0 + tangent * tangent)
    rows[large] = (u - (tangent * ratio)[:, None] * v) * cosine[:, None]
    rows[small] = (v + t[:, None] * u) * cosine[:, None]
    return int(turn.sum())
