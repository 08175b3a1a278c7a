"""A second thread for matrix products that a time loop does not wait for.

The products of one time step are too small to be shared among cores. Those over many steps are
large, need nothing of the interpreter, and can run beside the loop instead of before or after it.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Companion:
    """Does what it is given in the order given, beside whoever gave it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "nablascope-companion")

    def submit(self, work: Callable[..., None], *arguments: object) -> Future[None]:
        """Begin `work(*arguments)` after all that was submitted before."""
        return self._pool.submit(_silently, work, *arguments)


def _silently(work: Callable[..., None], *arguments: object) -> None:
    import numpy as np

    # Overflow is a result; what NumPy says of it is set for each thread.
    with np.errstate(all="ignore"):
        work(*arguments)
