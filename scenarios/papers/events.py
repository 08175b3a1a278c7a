"""A set as JSON lines: start, an entry a line as they end, end with the table and the order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scenarios.plain import finite

if TYPE_CHECKING:
    from scenarios.events import Event
    from scenarios.papers.definition import Entry
    from scenarios.papers.results import Comparison, Result
    from scenarios.papers.run import SetRun
    from scenarios.papers.tally import Tally


def start_event(run: SetRun) -> Event:
    """What is about to run, and where."""
    paper_set = run.paper_set
    return {
        "event": "start",
        "set": paper_set.name,
        "title": paper_set.title,
        "source": paper_set.source_text,
        "measure": paper_set.measure,
        "solved_below": paper_set.solved_below,
        "device": run.device,
        "workers": run.workers,
        "entries": [
            {**_place(entry), "scenario": entry.scenario.to_dict()} for entry in paper_set.entries
        ],
    }


def entry_event(entry: Entry, tally: Tally, *, stored: bool) -> Event:
    """One entry that has ended, or was found finished in the store."""
    step = tally.step
    return {
        "event": "entry",
        **_place(entry),
        "paper": entry.paper,
        "finished": tally.finished,
        "step": step,
        "loss": tally.loss,
        "evaluation_loss": tally.evaluation_loss,
        "evaluation_accuracy": tally.evaluation_accuracy,
        "solved_at": tally.solved_at,
        "diverged": None if tally.diverged is None else {"step": step, "layer": tally.diverged},
        "curve": [list(point) for point in tally.curve],
        "stored": stored,
        "error": tally.error,
        "seconds": round(tally.seconds, 3),
    }


def end_event(
    results: Sequence[Result], found: Sequence[Comparison], *, interrupted: bool
) -> Event:
    """The table and the order; null for a net that did not solve the task, or has no result."""
    return {
        "event": "end",
        "interrupted": interrupted,
        "results": [
            {
                "part": result.part,
                "net": result.net,
                "paper": result.paper,
                "ours": finite(result.value),
                "seeds": [finite(value) for value in result.values],
                "evaluation_losses": list(result.losses),
                "diverged": result.diverged,
                "steps": result.steps,
                "seconds": round(result.seconds, 3),
            }
            for result in results
        ],
        "order": [
            {"part": one.part, "better": one.better, "worse": one.worse, "holds": one.holds}
            for one in found
        ],
    }


def _place(entry: Entry) -> Event:
    return {"part": entry.part, "net": entry.net, "seed": entry.seed}
