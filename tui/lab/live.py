"""What the Lab knows of a run: its frames as they arrive, and what can be read off them."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from engine.architectures import ARCHITECTURES
from engine.verdict import THRESHOLD_DECADES
from tui.lab.axis import StickyRange
from tui.lab.history import FrameHistory, LossCurve, Thinned
from tui.lab.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.arrays import HostArray
    from engine.frame import Frame
    from engine.inspection import Inspection
    from engine.jacobian import JacobianSpectrum
    from engine.theory import Comparison, Prediction
    from engine.verdict import Verdict
    from engine.weight_sizes import WeightSizes
    from scenarios.drawn import DrawnWeights, MatrixWeights
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Trivial

#: What a view may want beside the frames: the Jacobian's singular values, the recurrent weights, or
#: the place under the cursor in full.
Extra: TypeAlias = Literal["jacobian", "weights", "inspection"]

#: Looks at what is held out, and at the weights, kept before every other one is let go.
MARKS = 512
#: Runs that can be pinned, and the slot of the run before a remedy, which is not one of them.
MAX_PINS = 4
BEFORE_SLOT = MAX_PINS


def binned(values: HostArray, bins: int) -> HostArray:
    """`values` along the last axis in at most `bins` equal bins: the mean of each.

    A bin that holds an exact zero (-inf) or an overflow (nan) says so instead.
    """
    import numpy as np

    count = values.shape[-1]
    if count <= bins:
        return values
    starts = (np.arange(bins) * count) // bins
    sizes = np.diff(np.append(starts, count))
    sums: HostArray = np.add.reduceat(values, starts, axis=-1)
    return sums / sizes


@dataclass(eq=False)
class LiveRun:
    """One run, from its first frame to its last.

    Attributes:
        number: the worker's number for it.
        scenario: what runs.
        label: what the legend calls it.
        layer: the layer judged, counted from 1 (recurrent kinds; the last for others).
        first, latest: step 0's frame and the newest.
        recalled: the earlier frame that is shown in place of the newest, None for the newest.
        history: frames kept, the newest not always among them.
        losses: the loss of every training step.
        held_out: loss and accuracy (or None) on what is held out, of the steps that have them.
        drift: how large the weights were, of the steps that were measured.
        trivial: what a network scores that has learnt nothing, None before it is known.
        prediction: what theory says of the network as drawn, None before it is known.
        jacobian: its singular values, or why there are none; None before they were asked for.
        jacobian_step: the training step after which they were computed.
        weights: the recurrent weights of one layer, or why there are none; None as above.
        weights_at: the training step and the layer they are of.
        place: the layer or time step, from 1, that the cursor is at on the way that is judged.
        inspected: that place in full, or why not; None as above.
        inspected_at: the training step, the layer and the time step it is of.
        computing: whether any of these is on its way.
        received: called with every frame, for whoever wants them all.
    """

    number: int
    scenario: Scenario
    label: str = ""
    layer: int = 0
    first: Frame | None = None
    latest: Frame | None = None
    recalled: Frame | None = None
    trivial: Trivial | None = None
    prediction: Prediction | None = None
    jacobian: JacobianSpectrum | str | None = None
    jacobian_step: int | None = None
    weights: DrawnWeights | MatrixWeights | str | None = None
    weights_at: tuple[int, int] | None = None
    place: int = 1
    inspected: Inspection | str | None = None
    inspected_at: tuple[int, int, int] | None = None
    computing: bool = False
    history: FrameHistory = field(default_factory=FrameHistory)
    losses: LossCurve = field(default_factory=LossCurve)
    held_out: Thinned[tuple[float, float | None]] = field(default_factory=lambda: Thinned(MARKS))
    drift: Thinned[WeightSizes] = field(default_factory=lambda: Thinned(MARKS))
    y_range: StickyRange = field(default_factory=StickyRange)
    received: Callable[[Frame], None] | None = None
    _predicted: HostArray | None = None

    def __post_init__(self) -> None:
        self.recurrent = ARCHITECTURES[self.scenario.network.kind].recurrent
        self.layer = self.layer or self.scenario.network.depth

    def add(self, frames: Sequence[Frame]) -> None:
        """Take in what has arrived."""
        for frame in frames:
            if self.received is not None:
                self.received(frame)
            if self.first is None:
                self.first = frame
            self.latest = frame
            self.losses.add(frame.step, frame.loss)
            if frame.evaluation_loss is not None:
                marks = (frame.evaluation_loss, frame.evaluation_accuracy)
                self.held_out.add(frame.step, marks)
            self.history.add(frame.step, frame)
            self._grow(frame)

    def judge_layer(self, layer: int) -> None:
        """Look at another layer's time steps."""
        self.layer = layer
        self.y_range = StickyRange()
        for frame in (*self.history.items, self.latest):
            if frame is not None:
                self._grow(frame)

    @property
    def frame(self) -> Frame | None:
        """The frame to show: the newest, or the earlier one that was gone back to."""
        return self.latest if self.recalled is None else self.recalled

    def recall(self, by: int) -> None:
        """Show the kept frame `by` places later than the one shown, the newest after the last."""
        if self.frame is None:
            return
        steps, now = self.history.steps, self.frame.step
        index = bisect_left(steps, now) + by if by < 0 else bisect_right(steps, now) - 1 + by
        kept = index < len(steps)
        self.recalled = self.history.items[max(index, 0)] if kept and by else self.latest

    @property
    def span(self) -> int:
        """How many places the way that is judged has."""
        if not self.recurrent:
            return self.scenario.network.depth
        return self.scenario.task.time_steps or 1

    @property
    def cursor(self) -> tuple[int, int]:
        """(layer, time step) that the cursor is at."""
        return (self.layer, self.place) if self.recurrent else (self.place, 1)

    @property
    def pin_label(self) -> str:
        """What the legend calls the shown frame's curve once it is pinned."""
        label = self.label
        if self.recurrent and self.scenario.network.depth > 1:
            label += f" layer {self.layer}"
        return label if self.recalled is None else f"{label} step {self.recalled.step}"

    def profile(self, frame: Frame) -> HostArray:
        """log10 gradient magnitudes along the axis that is judged; the loss end comes last."""
        return frame.profile(self.layer)

    @property
    def verdict(self) -> Verdict | None:
        """The shown frame's verdict, for the layer that is looked at."""
        return None if self.frame is None else self.judged(self.frame)

    def judged(self, frame: Frame) -> Verdict:
        """A frame's verdict, for the layer that is looked at."""
        if frame.verdict.layer == self.layer:
            return frame.verdict
        from engine.verdict import judge

        return judge(frame.log10_grad_h, self.recurrent, frame.overflow, self.layer)

    @property
    def trained(self) -> bool:
        """Whether the shown frame is of a network that has been updated."""
        return self.frame is not None and self.frame.step > 0

    @property
    def theory_silence(self) -> str | None:
        """Why no theory is drawn beside the network as drawn; None if one is, or will be."""
        from engine.theory import silence

        if self.prediction is None or self.first is None:
            return None
        if self.first.step > 0:
            return "the network as drawn was gone before it could be shown"
        last_layer = not self.recurrent or self.layer == self.scenario.network.depth
        return silence(self.prediction, last_layer=last_layer)

    def foretell(self, prediction: Prediction) -> None:
        """Take in what theory says."""
        import numpy as np

        self.prediction = prediction
        if prediction.log10_gradient is not None:
            # None, where the theory does not reach, becomes nan: a gap.
            self._predicted = np.array(prediction.log10_gradient, dtype=np.float64)

    @property
    def theory(self) -> HostArray | None:
        """The predicted profile, from where the first frame's begins at the loss, or None."""
        if self._predicted is None or self.first is None or self.theory_silence is not None:
            return None
        return self._predicted + float(self.profile(self.first)[-1])

    @property
    def comparison(self) -> Comparison | None:
        """How far theory and the first frame are apart, None where nothing is drawn."""
        if self.prediction is None or self.first is None:
            return None
        if self._predicted is None or self.theory_silence is not None:
            return None
        from engine.theory import compare

        return compare(self.prediction, self.profile(self.first))

    def _grow(self, frame: Frame) -> None:
        profile = self.profile(frame)
        near = float(profile[-1])
        if math.isfinite(near):
            # The plot always shows where the verdict would be another.
            self.y_range.include(near - THRESHOLD_DECADES, near + THRESHOLD_DECADES)
        extent = finite_extent(profile)
        if extent is not None:
            self.y_range.include(*extent)


def finite_extent(values: HostArray) -> tuple[float, float] | None:
    """The smallest and largest finite value, None if there is none."""
    import numpy as np

    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else None


@dataclass(frozen=True, eq=False)
class Pin:
    """A run kept in the plot while others come and go.

    Attributes:
        run: the worker's number for the run it was.
        label: what the legend calls it.
        values: its profile when it was pinned; the loss end comes last.
        slot: which of the markers it has.
        standing: how it stood when it was pinned.
    """

    run: int
    label: str
    values: HostArray
    slot: int
    standing: Standing

    def shows(self, run: int, values: HostArray) -> bool:
        """Whether it is this run, or another one that came out the same."""
        import numpy as np

        return self.run == run or np.array_equal(self.values, values, equal_nan=True)


class Pace:
    """Frames per second over the last second or so.

    Counts training steps rather than what arrived: every step yields a frame, drawn or not.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque()

    def reset(self) -> None:
        """Forget what was: another run, or a pause."""
        self._marks.clear()

    def mark(self, step: int) -> None:
        """Note that the run has come this far."""
        now = self._clock()
        self._marks.append((now, step))
        while len(self._marks) > 2 and now - self._marks[0][0] > 1.5:
            self._marks.popleft()

    @property
    def per_second(self) -> float | None:
        """None while there is nothing to measure against."""
        if len(self._marks) < 2:
            return None
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        return (last - first) / (end - start) if end > start and last > first else None
