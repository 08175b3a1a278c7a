"""What is kept of a run's past: bounded, and thinned out evenly as the run grows."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from engine.frame import Frame

Item = TypeVar("Item")

#: What kept frames may take together, and how many there are at most and at least.
KEPT_BYTES = 32 * 2**20
MOST_FRAMES, FEWEST_FRAMES = 512, 16
#: Bins that the loss of all training steps is gathered in.
LOSS_BINS = 2048


class Thinned(Generic[Item]):
    """Items by training step; once there are more than `most`, every other one is let go.

    Attributes:
        steps, items: in order of the steps.
        stride: how many training steps lie between two items, at least.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.steps: list[int] = []
        self.items: list[Item] = []
        self.stride = 1

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, step: int, item: Item) -> None:
        """Keep one more unless what is kept is already coarser than that."""
        if self.steps and step < self.steps[-1] + self.stride:
            return
        self.steps.append(step)
        self.items.append(item)
        if len(self.steps) > self.most:
            self.stride *= 2
            del self.steps[1::2], self.items[1::2]

    def index_at(self, step: int) -> int:
        """The index of the last item of this step or an earlier one, 0 if all are later."""
        return max(bisect_right(self.steps, step) - 1, 0)


class FrameHistory(Thinned["Frame"]):
    """Frames, as many as fit into KEPT_BYTES; how many is settled by the first."""

    def __init__(self) -> None:
        super().__init__(MOST_FRAMES)

    def add(self, step: int, item: Frame) -> None:
        if not self.steps:
            self.most = min(max(KEPT_BYTES // item.nbytes, FEWEST_FRAMES), MOST_FRAMES)
        super().add(step, item)


class LossCurve:
    """log10 of the loss of every training step, in at most LOSS_BINS bins of equal width.

    Attributes:
        per_bin: training steps that a bin gathers.
        low, high: the smallest and the largest of each, nan where no step was seen.
        newest: the last step seen, -1 before there is one.
    """

    def __init__(self) -> None:
        self.per_bin = 1
        self.low: list[float] = []
        self.high: list[float] = []
        self.newest = -1

    def add(self, step: int, loss: float) -> None:
        """Take in one step's loss; one that has no logarithm leaves a gap."""
        self.newest = step
        while step // self.per_bin >= LOSS_BINS:
            self.per_bin *= 2
            self.low = [_smallest(self.low[k : k + 2]) for k in range(0, len(self.low), 2)]
            self.high = [_largest(self.high[k : k + 2]) for k in range(0, len(self.high), 2)]
        place = step // self.per_bin
        for side in (self.low, self.high):
            side += [math.nan] * (place + 1 - len(side))
        if 0.0 < loss < math.inf:
            value = math.log10(loss)
            self.low[place] = _smallest([self.low[place], value])
            self.high[place] = _largest([self.high[place], value])

    def values(self, steps: int) -> HostArray:
        """Low and high in turns for steps 0 to `steps`, nan from the newest on, (2 bins,)."""
        import numpy as np

        found: HostArray = np.full(2 * (steps // self.per_bin + 1), np.nan)
        count = min(len(self.low), len(found) // 2)
        found[: 2 * count : 2], found[1 : 2 * count : 2] = self.low[:count], self.high[:count]
        return found


def _smallest(values: list[float]) -> float:
    """The smallest that is a number, nan if none is."""
    return min((value for value in values if not math.isnan(value)), default=math.nan)


def _largest(values: list[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=math.nan)
