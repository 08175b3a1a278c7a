"""What has become of an entry so far, counted step by step from a run or from the store."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from scenarios.plain import finite

if TYPE_CHECKING:
    from engine.frame import Frame
    from scenarios.papers.definition import Entry, PaperSet


class Step(NamedTuple):
    """One frame's share: losses None where they were not finite, or nobody looked.

    `diverged` is the layer whose numbers first left the dtype, the last one where the loss alone
    did, and None where all is well.
    """

    step: int
    loss: float | None
    evaluation_loss: float | None
    evaluation_accuracy: float | None
    diverged: int | None
    seconds: float


def step_of(frame: Frame) -> Step:
    """A frame as it counts here."""
    layer = None if frame.overflow is None else frame.overflow.layer
    if layer is None and not math.isfinite(frame.loss):
        layer = len(frame.log10_grad_h)
    return Step(
        frame.step,
        finite(frame.loss),
        finite(frame.evaluation_loss),
        frame.evaluation_accuracy,
        layer,
        frame.seconds,
    )


@dataclass(slots=True)
class Tally:
    """An entry so far.

    Attributes:
        steps: updates it is to make at most.
        solved_below, stops: of its set.
        step: updates made, None before the first frame.
        loss: of the latest batch trained on.
        evaluation_loss, evaluation_accuracy: of the latest look at what is held out.
        solved_at: the step at which the loss on what is held out was first below `solved_below`.
        diverged: the layer whose numbers left the dtype at `step`, None if none did.
        seconds: spent on its frames.
        curve: step and loss of every look at what is held out.
        error: the line that says why it failed, None if it did not.
    """

    steps: int
    solved_below: float | None = None
    stops: bool = False
    step: int | None = None
    loss: float | None = None
    evaluation_loss: float | None = None
    evaluation_accuracy: float | None = None
    solved_at: int | None = None
    diverged: int | None = None
    seconds: float = 0.0
    curve: list[tuple[int, float]] = field(default_factory=list)
    error: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it has come to its result."""
        if self.step is None:
            return False
        solved = self.stops and self.solved_at is not None
        return solved or self.diverged is not None or self.step >= self.steps

    @property
    def ended(self) -> bool:
        """Whether it is finished, or failed."""
        return self.finished or self.error is not None

    def take(self, one: Step) -> None:
        """One more frame."""
        self.step = one.step
        self.seconds += one.seconds
        self.diverged = one.diverged
        self.loss = one.loss
        if one.evaluation_loss is not None:
            self.evaluation_loss = one.evaluation_loss
            self.evaluation_accuracy = one.evaluation_accuracy
            self.curve.append((one.step, one.evaluation_loss))
            below = self.solved_below is not None and one.evaluation_loss < self.solved_below
            if below and self.solved_at is None:
                self.solved_at = one.step


def tally_of(paper_set: PaperSet, entry: Entry, steps: Iterable[Step] = ()) -> Tally:
    """The entry's tally after these steps, as far as it needs them."""
    tally = Tally(entry.scenario.training.steps, paper_set.solved_below, paper_set.stop_when_solved)
    for one in steps:
        if tally.finished:
            break
        tally.take(one)
    return tally
