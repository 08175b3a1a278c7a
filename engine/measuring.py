"""How the host learns what there is in a backend's arrays."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from engine.arrays import Array, ArrayModule, HostArray
    from engine.measurements import Measurements, Plan, Result


class Measuring(ABC):
    """The half of a `Backend` that tells the host what there is in its arrays.

    Attributes:
        measurements: a device's; None on the CPU, whose numbers are at hand.
    """

    measurements: Measurements | None = None

    @abstractmethod
    def sum_squares(self, blocks: Array) -> HostArray:
        """Sums of squares over the last axis, in the dtype or wider, on the host."""

    def sum_all_squares(self, array: Array) -> float:
        """The sum of squares of a whole array, in the dtype or wider."""
        total: float = self.sum_squares(array.reshape(1, -1)).item()
        return total

    @abstractmethod
    def put_share(self, mask: Array, out: HostArray) -> None:
        """Write to `out` the share of true entries in each of out.size equal parts of a mask."""

    @abstractmethod
    def numbers(self, array: Array, *, decides: bool = False) -> HostArray:
        """A small array's values on the host, in float64.

        During a pass they may be those of one before. With `decides` they are log2 of magnitudes,
        which the host decides from.
        """

    @abstractmethod
    def smallest(self, array: Array) -> float:
        """The smallest of positive values, nan if one is; the host may decide from it."""

    @abstractmethod
    def settle(self, action: Callable[[], object]) -> None:
        """Do what follows from measured numbers: now, and again where others arrive later."""

    @abstractmethod
    def disregard(self, out: HostArray, places: Any) -> None:
        """Numbers written to `out` in this pass decide nothing at these places, as it turns out."""

    @abstractmethod
    def during(
        self, plans: dict[Hashable, Plan], key: Hashable, work: Callable[[], Result]
    ) -> Result:
        """Run a pass, all of whose measured numbers are true at its end.

        A device may run it twice, and keeps in `plans` what it learns of passes by `key`, which
        tells those apart that measure other things.
        """


class OnDevice(Measuring):
    """That half of a device."""

    xp: ArrayModule
    measurements: Measurements

    def sum_squares(self, blocks: Array) -> HostArray:
        return self.measurements.sum_squares(blocks)

    def put_share(self, mask: Array, out: HostArray) -> None:
        self.measurements.put_share(mask, out)

    def numbers(self, array: Array, *, decides: bool = False) -> HostArray:
        return self.measurements.numbers(array, decides=decides)

    def smallest(self, array: Array) -> float:
        size: float = self.numbers(self.xp.log2(array.min()), decides=True).item()
        return math.exp2(size)

    def settle(self, action: Callable[[], object]) -> None:
        self.measurements.settle(action)

    def disregard(self, out: HostArray, places: Any) -> None:
        self.measurements.disregard(out, places)

    def during(
        self, plans: dict[Hashable, Plan], key: Hashable, work: Callable[[], Result]
    ) -> Result:
        return self.measurements.during(plans, key, work)
