"""How far from the loss a finite width lets mean field be trusted.

The squared gradient of one hop is a sum over n units, so it is off by a relative variance of about
beta / n: with Gaussian weights beta = 3 kappa - 1, kappa = E[phi'^4] / E[phi'^2]^2; an orthogonal W
keeps the norm and leaves 3 kappa - 3. ReLU gives the 5 / n of Hanin and Nica 2019. Over many hops
ln |gradient|^2 is normal, the sum of these its variance: that is what seeds scatter by. Its mean
lies half that variance below the theory, which is about the mean of the squares.

Weights tied over time err in the same direction at every step. Linear and ReLU networks of 64 and
256 units scatter by TIED k / sqrt(n) decades after k <= 200 steps, as if the spectral radius were
off by a share of 0.37 / sqrt(n). Where slopes change from step to step (tanh driven by noise) only
steps closer than 1 / (1 - r) err alike, r being the correlation of phi' between steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.arrays import HostArray

#: Scatter, in decades, up to which a curve is drawn; or the share below, if that is more.
TOLERANCE_DECADES = 0.5
TOLERANCE_SHARE = 0.05

#: With fewer units a sum over them is no Gaussian.
FEWEST_UNITS = 16

#: Decades of scatter per step and 1 / sqrt(units) that tied weights add (measured, see above).
TIED = 0.16

_DECADES_PER_NAT = 0.5 / math.log(10.0)


def scatter(kurtosis: HostArray, width: int, orthogonal: bool) -> HostArray:
    """Standard deviation in decades of log10 RMS dL/dh, (n,), 0 at the last place.

    `kurtosis` (n,) is that of phi' at each place; hops cross the slopes of all but the first.
    """
    import numpy as np

    beta = 3.0 * kurtosis - (3.0 if orthogonal else 1.0)
    variance = np.zeros(len(beta))
    variance[:-1] = np.cumsum(np.maximum(beta[:0:-1], 0.0))[::-1] / width
    result: HostArray = _DECADES_PER_NAT * np.sqrt(variance)
    return result


def tied_scatter(kurtosis: HostArray, width: int, orthogonal: bool, coherence: float) -> HostArray:
    """The same where one matrix is met at every hop; `coherence` r is that of phi' over time."""
    import numpy as np

    hops = np.arange(len(kurtosis) - 1, -1, -1, dtype=np.float64)
    alike = np.minimum(hops, 1.0 / max(1.0 - coherence, 1e-12))
    # An orthogonal matrix has no radius to be off by: only switching slopes unbalance it.
    share = np.minimum(kurtosis - 1.0, 1.0) if orthogonal else 1.0
    tied = TIED * np.sqrt(share * hops * alike / width)
    result: HostArray = np.hypot(scatter(kurtosis, width, orthogonal), tied)
    return result


def trusted_hops(log10_gradient: HostArray, spread: HostArray) -> int:
    """Hops from the loss, the last place, over which the scatter stays within tolerance."""
    import numpy as np

    allowed = np.maximum(TOLERANCE_DECADES, TOLERANCE_SHARE * abs(log10_gradient))
    beyond = np.flatnonzero(spread > allowed)
    return len(spread) - 1 - (int(beyond[-1]) + 1 if beyond.size else 0)
