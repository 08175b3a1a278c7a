"""What a set has shown: each net's result over its seeds, and whether the paper's order holds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scenarios.papers.definition import Entry, PaperSet
    from scenarios.papers.tally import Tally


@dataclass(frozen=True, slots=True)
class Result:
    """One net in one part, over its seeds.

    Attributes:
        part, net, title, paper: as an entry's.
        values: the set's measure for each finished seed; infinite where a net did not solve the
            task, or where what it was to be judged by is not a number.
        value: their median for steps and their mean otherwise; None while a seed is missing.
        losses: the latest loss on what is held out, of each seed that has one.
        diverged: how many of the seeds diverged.
        steps: updates made, the most of any seed.
        seconds: spent on all its frames.
    """

    part: str
    net: str
    title: str
    paper: float | str | None
    values: tuple[float, ...]
    value: float | None
    losses: tuple[float, ...]
    diverged: int
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two nets that the paper puts in an order; `holds` is None where one has no result."""

    part: str
    better: str
    worse: str
    holds: bool | None


def results_of(paper_set: PaperSet, tallies: Sequence[Tally]) -> list[Result]:
    """One result for each net of each part, in the set's order; a tally for each entry."""
    groups: dict[tuple[str, str], list[tuple[Entry, Tally]]] = {}
    for entry, tally in zip(paper_set.entries, tallies, strict=True):
        groups.setdefault((entry.part, entry.net), []).append((entry, tally))
    return [_result(paper_set, group) for group in groups.values()]


def _result(paper_set: PaperSet, group: Sequence[tuple[Entry, Tally]]) -> Result:
    entry = group[0][0]
    tallies = [tally for _, tally in group]
    done = [tally for tally in tallies if tally.finished and tally.error is None]
    values = tuple(_value(paper_set.measure, tally) for tally in done)
    middle = statistics.median if paper_set.measure == "steps" else statistics.fmean
    return Result(
        part=entry.part,
        net=entry.net,
        title=entry.title,
        paper=entry.paper,
        values=values,
        value=middle(values) if len(done) == len(tallies) else None,
        losses=tuple(t.evaluation_loss for t in tallies if t.evaluation_loss is not None),
        diverged=sum(tally.diverged is not None for tally in tallies),
        steps=max((tally.step or 0) for tally in tallies),
        seconds=sum(tally.seconds for tally in tallies),
    )


def _value(measure: str, tally: Tally) -> float:
    if measure == "steps":
        return math.inf if tally.solved_at is None else float(tally.solved_at)
    if measure == "accuracy":
        # Numbers that are none name nothing right.
        return 0.0 if tally.diverged is not None else tally.evaluation_accuracy or 0.0
    loss = tally.evaluation_loss
    return math.inf if tally.diverged is not None or loss is None else loss


def comparisons(paper_set: PaperSet, results: Sequence[Result]) -> list[Comparison]:
    """Every pair of neighbours in the chains of the parts, where --only has left both."""
    values = {(result.part, result.net): result.value for result in results}
    found = []
    for part in paper_set.parts:
        for chain in part.order:
            for better, worse in pairwise(chain):
                pair = [(part.name, better), (part.name, worse)]
                if not all(place in values for place in pair):
                    continue
                ahead, behind = (values[place] for place in pair)
                holds = None
                if ahead is not None and behind is not None:
                    more = paper_set.measure == "accuracy"
                    holds = ahead > behind if more else ahead < behind
                found.append(Comparison(part.name, better, worse, holds))
    return found
