"""How the cost of a step grows with depth, or with the number of time steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scenarios.bench.engine import Engine
from scenarios.bench.timing import race

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.bench.workloads import Workload

#: The lengths timed are this share of the workload's own, and that doubled, so many in all.
SHARE, COUNT = 0.25, 4
#: Time steps below which what a pass costs apart from them would bend the fit.
FEWEST_STEPS = 50

#: The exponent of a cost that is linear, and how far from it is still that.
LINEAR, TOLERANCE = 1.0, 0.05


@dataclass(frozen=True, slots=True)
class Growth:
    """seconds ~ length^exponent, fitted to logarithms by least squares.

    Attributes:
        along: "depth" or "time_steps".
        lengths, seconds: what was timed, medians.
        exponent: 1 where cost is linear.
        error: the fit's standard error of it.
    """

    along: str
    lengths: tuple[int, ...]
    seconds: tuple[float, ...]
    exponent: float
    error: float

    @property
    def linear(self) -> bool:
        """Whether the exponent is that of a linear cost, as far as is asked."""
        return abs(self.exponent - LINEAR) <= TOLERANCE


def measure_growth(workload: Workload, device: str, seconds: float) -> Growth:
    """Time the engine at several lengths, taking turns for about `seconds` in all.

    Raises MemoryShortage where the longest does not fit.
    """
    least = FEWEST_STEPS if workload.recurrent else 2
    shortest = max(least, round(SHARE * workload.length))
    lengths = tuple(shortest * 2**power for power in range(COUNT))
    engines = {str(length): Engine(workload.with_length(length), device) for length in lengths}
    medians, _ = race({name: engine.__call__ for name, engine in engines.items()}, seconds)
    return fit("time_steps" if workload.recurrent else "depth", lengths, tuple(medians.values()))


def fit(along: str, lengths: Sequence[int], seconds: Sequence[float]) -> Growth:
    """The exponent of a power law through these points."""
    import numpy as np
    from scipy.stats import linregress

    found = linregress(np.log(lengths), np.log(seconds))
    return Growth(along, tuple(lengths), tuple(seconds), float(found.slope), float(found.stderr))
