"""The variance on its way through a finite network, and the gradient it predicts hop by hop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.theory.mean_field import is_scale_free
from engine.theory.quadrature import moments

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.theory.mean_field import MeanField

#: Hops followed one by one. A variance that is still moving then is not followed further.
MOST_HOPS = 20_000

#: Change of chi from hop to hop, relative, below which it stays as it is.
_SETTLED = 1e-15

#: Points that stand for the distribution of an input's size, and from how many features on one
#: does: sizes then differ by less than a share of sqrt(2 / 1000).
_SIZES = 5
_MANY_FEATURES = 1000


@dataclass(frozen=True, slots=True)
class Starts:
    """First variances, (m,), and the share of the samples that starts at each, (m,)."""

    q: HostArray
    shares: HostArray


@dataclass(frozen=True, slots=True)
class Transient:
    """Variances of the pre-activations at n places for m starts, and what they do to a gradient.

    Attributes:
        q: variances, (n, m); inf where they leave float64.
        chi: sigma_w^2 E[phi'^2] at each, (n, m).
        kurtosis: E[phi'^4] / E[phi'^2]^2 at each, (n, m): 1 where all slopes are equal.
        square: E[phi^2] at each, (n, m), the mean square of h.
        shares: share of the samples with each start, (m,).
    """

    q: HostArray
    chi: HostArray
    kurtosis: HostArray
    square: HostArray
    shares: HostArray

    def log10_gradient(self) -> HostArray:
        """log10 RMS of dL/dh at each place relative to the last, (n,), the last being 0.

        The hop from place l + 1 to l crosses the slopes of l + 1, so it multiplies the squared
        gradient by chi(q_{l+1}). Schoenholz et al. 2017, section 5.
        """
        import numpy as np

        decades = np.zeros(self.chi.shape)
        decades[:-1] = np.cumsum(np.log10(self.chi[:0:-1]), axis=0)[::-1]
        # The mean over samples is of squares, taken relative to the largest lest it underflow.
        largest = decades.max(axis=1)
        squares = np.power(10.0, decades - largest[:, None]) @ self.shares
        result: HostArray = 0.5 * (largest + np.log10(squares))
        # Shares add up to 1 but for rounding.
        result[-1] = 0.0
        return result

    def mean_kurtosis(self) -> HostArray:
        """The kurtosis at each place, (n,), averaged over the samples."""
        return self.kurtosis @ self.shares


def starts_of_noise(first: float, shared: float, features: int) -> Starts:
    """First variances of samples whose `features` entries are independent Gaussians.

    Their mean is `first`, of which `shared` is the same for all. The mean square of d Gaussians is
    a chi^2_d / d, here by its Gauss-Laguerre points.
    """
    import numpy as np

    if features >= _MANY_FEATURES or first == shared:
        return Starts(np.array([first]), np.ones(1))
    # Golub and Welsch 1969: the points are eigenvalues of the recurrence of Laguerre polynomials.
    alpha = 0.5 * features - 1.0
    order = np.arange(_SIZES, dtype=np.float64)
    beside = np.sqrt(order[1:] * (order[1:] + alpha))
    points, vectors = np.linalg.eigh(
        np.diag(2.0 * order + 1.0 + alpha) + np.diag(beside, 1) + np.diag(beside, -1)
    )
    return Starts(shared + (first - shared) * 2.0 * points / features, vectors[0] ** 2)


def follow(
    field: MeanField, starts: Starts | float, hops: int, drive: HostArray | None = None
) -> Transient | None:
    """The variances of `hops` + 1 layers or time steps, the first of them being `starts` > 0.

    `drive` (hops + 1,) adds a variance of its own at each place after the first. None is returned
    where the variance is still on the move after MOST_HOPS hops.
    """
    import numpy as np

    if isinstance(starts, float):
        starts = Starts(np.array([starts]), np.ones(1))
    added = np.full(hops + 1, field.bias_variance, dtype=np.float64)
    if drive is not None:
        added += drive
    # From here on every place gets the same.
    moving = np.flatnonzero(abs(np.diff(added)) > 1e-14 * added[1:])
    steady = int(moving[-1]) + 2 if moving.size else 1
    if is_scale_free(field.activation):
        return _follow_scale_free(field, starts, added)
    shape = (hops + 1, len(starts.q))
    q, square = np.empty(shape), np.empty(shape)
    slope_square, kurtosis = np.empty(shape), np.empty(shape)
    now = starts.q
    for place in range(hops + 1):
        at = moments(field.activation, np.minimum(now, 1e300))
        q[place], square[place], slope_square[place] = now, at.square, at.slope_square
        kurtosis[place] = at.slope_fourth / at.slope_square**2
        if place >= steady:
            change = abs(slope_square[place] - slope_square[place - 1])
            if (change <= _SETTLED * slope_square[place]).all():
                _hold(q, place)
                _hold(square, place)
                slope_square[place:], kurtosis[place:] = slope_square[place], kurtosis[place]
                break
        if place > MOST_HOPS:
            return None
        now = field.weight_variance * at.square + float(added[min(place + 1, hops)])
    return Transient(q, field.weight_variance * slope_square, kurtosis, square, starts.shares)


def _follow_scale_free(field: MeanField, starts: Starts, added: HostArray) -> Transient:
    """The same where every average is its value at q = 1 times a power of q."""
    import numpy as np

    unit = moments(field.activation, 1.0)
    gain = field.weight_variance * float(unit.square)
    q = np.empty((len(added), len(starts.q)))
    q[0] = starts.q
    with np.errstate(over="ignore"):
        for place in range(1, len(added)):
            q[place] = gain * q[place - 1] + added[place]
    chi = np.full(q.shape, field.weight_variance * float(unit.slope_square))
    kurtosis = np.full(q.shape, float(unit.slope_fourth / unit.slope_square**2))
    return Transient(q, chi, kurtosis, float(unit.square) * q, starts.shares)


def _hold(values: HostArray, place: int) -> None:
    """Let values (n, m) go on after `place` by the factor they last changed by."""
    import numpy as np

    with np.errstate(all="ignore"):
        ratio = values[place] / values[place - 1]
        steps = np.arange(len(values) - place)[:, None]
        values[place:] = values[place] * ratio**steps
