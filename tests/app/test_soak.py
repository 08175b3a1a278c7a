"""Twenty seconds at full speed: memory stays flat, no frame and no write piles up."""

from __future__ import annotations

import pytest

from scenarios.worker import _PENDING_FRAMES
from tests.benchmarks.soak import GROWTH_BAR, growth, soak

#: Frames small enough that what is kept of them is there within seconds.
SMALL = {"task.time_steps": 20, "network.depth": 2, "network.hidden_size": 8}
#: Writes that the terminal may be about to take in; whoever queues pictures has hundreds.
FEW_WRITES = 8


@pytest.mark.waits
def test_memory_stays_flat_and_nothing_queues() -> None:
    samples = soak(20.0, 0.5, SMALL, quiet=True)
    assert samples[-1].step > samples[len(samples) // 2].step > 0
    assert all(share <= GROWTH_BAR for share in growth(samples, warm_up=0.5).values()), samples
    assert max(sample.frames for sample in samples) <= _PENDING_FRAMES
    assert max(sample.writes for sample in samples) <= FEW_WRITES
