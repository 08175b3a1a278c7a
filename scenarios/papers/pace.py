"""How long a set will still take, from what has been run of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.plan import workspace_bytes
from scenarios.runner import network_spec

if TYPE_CHECKING:
    from scenarios.papers.run import SetRun


class Pace:
    """Keeps what each entry's step touches in memory, which its time goes with."""

    def __init__(self, run: SetRun) -> None:
        self._run = run
        entries = run.paper_set.entries
        self._work = [workspace_bytes(network_spec(entry.scenario)) for entry in entries]

    def seconds_left(self) -> float | None:
        """At most so many, if no entry stops early; None before the first step.

        An entry goes on at its own pace so far, one to come at that of all others.
        """
        seconds = touched = 0.0
        for tally, work in zip(self._run.tallies, self._work, strict=True):
            seconds += tally.seconds
            touched += work * (tally.step or 0)
        if not touched:
            return None
        left, open_entries = 0.0, 0
        for tally, work in zip(self._run.tallies, self._work, strict=True):
            if tally.ended:
                continue
            open_entries += 1
            done = tally.step or 0
            each = tally.seconds / done if done else work * seconds / touched
            left += each * (tally.steps - done)
        return left / max(1, min(self._run.workers, open_entries))
