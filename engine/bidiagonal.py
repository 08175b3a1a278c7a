"""Golub-Kahan bidiagonalisation: singular values of a matrix known by its products alone.

From a random unit vector it builds A V = U B, B bidiagonal of k columns (Golub, Kahan 1965), with
full reorthogonalisation. B's largest singular values are A's; all of them, weighted with the
squared first entries of B's right singular vectors, are the nodes of a Gauss quadrature for the
density of A's singular values (Golub, Meurant 2010; stochastic Lanczos quadrature: Lin, Saad, Yang
2016). The mean over a few start vectors estimates the density itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.arrays import Array, HostArray
    from engine.backend import Backend

Maps = Sequence[Callable[["Array"], "Array"]]

_EPSILON = 2.0**-52

#: How far above the largest overlap seen a node must lie to be believed.
_SAFETY = 10.0


def through(backend: Backend, maps: Maps, vectors: Array) -> tuple[Array, int]:
    """Vectors (K, n) through each map in turn, as data and the power of two it is to be scaled by.

    Rescaled after each map, so that no product of maps leaves float64.
    """
    import numpy as np

    exponent = 0
    for step in maps:
        vectors = step(vectors)
        largest = float(backend.xp.abs(vectors).max())
        if not 2.0**-100 < largest < 2.0**100 and 0.0 < largest < float("inf"):
            shift = int(np.frexp(largest)[1])
            vectors = backend.xp.ldexp(vectors, -shift)
            exponent += shift
    return vectors, exponent


@dataclass(frozen=True, slots=True)
class Quadrature:
    """An estimate of a matrix's singular values, in units of 2^exponent.

    Attributes:
        nodes: largest first.
        weights: the share of all singular values that each node stands for; they add up to 1.
        floor: what the quadrature resolves down to. Nodes up to here stand for whatever is smaller:
            those lost to rounding, and each start's smallest, where all that it cannot tell apart
            ends up.
        exponent: a power of two.
    """

    nodes: HostArray
    weights: HostArray
    floor: float
    exponent: int


def golub_kahan(
    backend: Backend, forward: Maps, backward: Maps, size: int, steps: int, starts: int
) -> Quadrature:
    """The quadrature with starts * steps nodes of A, a matrix of `size` columns.

    Args:
        forward: A = the product of these maps on (K, size) vectors.
        backward: A^T likewise.
        steps: k, at most `size`.
        starts: how many start vectors, all advanced together.
    """
    import numpy as np

    xp, rng = backend.xp, np.random.default_rng(0)
    start = rng.standard_normal((starts, size))
    v = backend.asarray(start / np.linalg.norm(start, axis=1, keepdims=True))
    diagonal, above = np.zeros((starts, steps)), np.zeros((starts, steps))
    left: list[Array] = []
    right: list[Array] = [v]
    noise, tiny = 0.0, 0.0
    u, scale = through(backend, forward, v)
    for k in range(steps):
        u, diagonal[:, k], rounding = _unit(backend, u, left, tiny)
        noise, tiny = max(noise, rounding), size * _EPSILON * float(diagonal.max())
        left.append(u)
        if k == steps - 1:
            break
        w, exponent = through(backend, backward, u)
        w = xp.ldexp(w, exponent - scale) - v * backend.asarray(diagonal[:, k, None])
        v, above[:, k + 1], rounding = _unit(backend, w, right, tiny)
        noise = max(noise, rounding)
        right.append(v)
        w, exponent = through(backend, forward, v)
        u = xp.ldexp(w, exponent - scale) - u * backend.asarray(above[:, k + 1, None])
    nodes, weights = np.zeros((starts, steps)), np.zeros((starts, steps))
    floor = max(_SAFETY * noise, tiny)
    for index in range(starts):
        band = np.diag(diagonal[index]) + np.diag(above[index, 1:], 1)
        _, nodes[index], rows = np.linalg.svd(band)
        weights[index] = rows[:, 0] ** 2
        # A recurrence that came to its end has found all that its start vector can see.
        if steps < size and above[index, 1:].all():
            floor = max(floor, float(nodes[index].min()))
    order = np.argsort(-nodes, axis=None, kind="stable")
    shares = weights.ravel()[order] / starts
    return Quadrature(nodes.ravel()[order], shares, floor, scale)


def _unit(
    backend: Backend, vectors: Array, basis: list[Array], tiny: float
) -> tuple[Array, HostArray, float]:
    """Each vector (K, n) made orthogonal to its row in every array of `basis`, and unit.

    Returns also the lengths (K,), and the largest overlap taken out: none but for rounding. A
    vector no longer than `tiny` becomes zero, which ends its own recurrence and no other's.
    """
    import numpy as np

    xp = backend.xp
    noise = 0.0
    # Twice is enough (Giraud, Langou, Rozloznik 2005).
    for again in (False, True):
        for other in basis:
            overlap = xp.sum(other * vectors, axis=1, keepdims=True)
            vectors = vectors - other * overlap
            noise = noise if again else max(noise, float(xp.abs(overlap).max()))
    length = xp.linalg.norm(vectors, axis=1)
    length = xp.where(length > tiny, length, 0.0)
    unit = xp.where(length[:, None] > 0.0, vectors / xp.maximum(length, 1e-300)[:, None], 0.0)
    return unit, backend.to_host(length).astype(np.float64), noise
