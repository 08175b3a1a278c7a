"""What views over training steps share: how far their axis reaches, and its labels."""

from __future__ import annotations

from tui.lab import axis

#: Training steps that the axis shows at least.
_FEWEST = 16


def reach_of(newest: int, steps: int) -> int:
    """The last training step on the axis: grows by doubling, so that the picture rarely moves."""
    reach = _FEWEST
    while reach < newest:
        reach *= 2
    return max(min(reach, steps), 1)


def step_labels(width: int, reach: int, unit: str = "training step") -> str:
    """The line under a picture whose columns are the steps from 0 to `reach`."""
    places = [(step + 1, f"{step:,}") for step in axis.round_places(reach, 6) if step < reach]
    return axis.x_labels(width, reach + 1, "0", f"{unit} {reach:,}", places)
