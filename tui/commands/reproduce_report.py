"""What `reproduce` shows: nothing, JSON lines, or progress, a table and the loss curves."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scenarios.papers.events import end_event, entry_event, start_event
from scenarios.papers.pace import Pace
from scenarios.papers.results import Comparison, Result, comparisons, results_of
from scenarios.tasks import TASKS
from tui.commands.base_report import BaseReport
from tui.commands.console import (
    is_live,
    paragraph,
    styled,
    width,
    write,
)
from tui.plot_curves import curves_text
from tui.words import duration

if TYPE_CHECKING:
    from rich.progress import Progress

    from scenarios.papers.definition import PaperSet
    from scenarios.papers.run import SetRun
    from scenarios.papers.tally import Tally


class SetReport(BaseReport):
    """Counts what has ended and shows nothing."""

    def __init__(self, run: SetRun) -> None:
        super().__init__()
        self.run = run
        self._ended: set[int] = set()

    @property
    def missing(self) -> bool:
        """Whether there are entries without a result."""
        return len(self._ended) < len(self.run.tallies)

    @property
    def results(self) -> list[Result]:
        """The table as far as it goes."""
        return results_of(self.run.paper_set, self.run.tallies)

    @property
    def order(self) -> list[Comparison]:
        """What the paper's order says, as far as it can be judged."""
        return comparisons(self.run.paper_set, self.results)

    @property
    def reproduced(self) -> bool:
        """Whether everything ran and no comparison fails."""
        failed = any(tally.error is not None for tally in self.run.tallies)
        return not failed and not self.missing and all(one.holds for one in self.order)

    def start(self) -> None:
        """The set is about to begin."""
        self._say(self.show_start)

    def progress(self, index: int) -> None:
        """An entry has gone on, and perhaps ended."""
        tally = self.run.tallies[index]
        if tally.ended and index not in self._ended:
            self._ended.add(index)
            self._say(lambda: self.show_entry(index))
        else:
            self._say(lambda: self.show_progress(index))

    def end(self, *, interrupted: bool) -> None:
        """Nothing more will be run."""
        self.close()
        self._say(lambda: self.show_end(interrupted))

    def show_start(self) -> None:
        """What is printed before the first entry."""

    def show_progress(self, index: int) -> None:
        """What is printed while an entry goes on."""

    def show_entry(self, index: int) -> None:
        """What is printed for an entry that has ended."""

    def show_end(self, interrupted: bool) -> None:
        """What is printed at the end."""


class JsonSetReport(SetReport):
    """Every event as a line of JSON, written at once."""

    def show_start(self) -> None:
        self._write(start_event(self.run))

    def show_entry(self, index: int) -> None:
        entry, tally = self.run.paper_set.entries[index], self.run.tallies[index]
        self._write(entry_event(entry, tally, stored=self.run.stored[index]))

    def show_end(self, interrupted: bool) -> None:
        self._write(end_event(self.results, self.order, interrupted=interrupted))

    @staticmethod
    def _write(event: dict[str, object]) -> None:
        from scenarios.events import to_json

        print(to_json(event))


class TextSetReport(SetReport):
    """A line for every entry as it ends, progress on stderr, then table, curves and order."""

    def __init__(self, run: SetRun) -> None:
        super().__init__(run)
        self._progress: Progress | None = None
        self._pace = Pace(run)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def show_start(self) -> None:
        paper_set = self.run.paper_set
        write(styled(paper_set.title, "bold"))
        write(styled(paper_set.source_text, "dim"))
        entries = "1 entry" if len(paper_set.entries) == 1 else f"{len(paper_set.entries)} entries"
        at_once = min(self.run.workers, len(paper_set.entries))
        place = f"{self.run.device['device']}, {at_once} at a time"
        write(styled(f"{paper_set.name}: {entries} on {place}", "dim"))
        if paper_set.question:
            write()
            write(paragraph(paper_set.question, "  ", min(width(), 100)))
        write()
        if is_live(sys.stderr):
            self._progress = _progress(len(self.run.tallies))

    def show_progress(self, index: int) -> None:
        if self._progress is None:
            return
        tally = self.run.tallies[index]
        parts = [f"{self._place(index)} step {tally.step or 0:,} of {tally.steps:,}"]
        if tally.evaluation_loss is not None:
            parts.append(f"loss {tally.evaluation_loss:.3g}")
        left = self._pace.seconds_left()
        if left is not None:
            parts.append(f"at most {duration(left)} left")
        task = self._progress.task_ids[0]
        self._progress.update(task, completed=len(self._ended), state=", ".join(parts))

    def show_entry(self, index: int) -> None:
        tally = self.run.tallies[index]
        stored = ", stored before" if self.run.stored[index] else ""
        spent = f"{tally.step or 0:,} steps, {duration(tally.seconds)}{stored}"
        write(f"{self._place(index)}: {_outcome(tally)} ({spent})")

    def _place(self, index: int) -> str:
        entry = self.run.paper_set.entries[index]
        seeds = {other.seed for other in self.run.paper_set.entries}
        seed = f" seed {entry.seed}" if len(seeds) > 1 else ""
        return f"{entry.part} {entry.net}{seed}"

    def show_end(self, interrupted: bool) -> None:
        paper_set, results, order = self.run.paper_set, self.results, self.order
        _draw(self.run)
        write()
        _table(self.run, results)
        write()
        write(paragraph(_meaning(paper_set), "", width()))
        for part in paper_set.parts:
            write(paragraph(f"paper, {part.name}: {part.paper_source}", "", width()))
        write()
        if interrupted:
            kept = "; the same command goes on from here" if self.run.kept else ""
            write(f"interrupted{kept}")
        for one in order:
            words = {True: "holds", False: "does not hold", None: "is not known yet"}[one.holds]
            write(f"{one.part}: {one.better} better than {one.worse}: {words}")


def _outcome(tally: Tally) -> str:
    if tally.error is not None:
        return f"failed: {tally.error}"
    if tally.diverged is not None:
        return f"diverged at layer {tally.diverged}"
    loss = "" if tally.evaluation_loss is None else f"loss {tally.evaluation_loss:.4g}"
    if tally.solved_at is not None:
        return f"solved, {loss}"
    if tally.evaluation_accuracy is not None:
        return f"{100.0 * tally.evaluation_accuracy:.1f}% right, {loss}"
    return loss


def _draw(run: SetRun) -> None:
    """The loss on what is held out, a picture for each part; of several seeds the first."""
    columns = min(width(), 120)
    for part in run.paper_set.parts:
        curves: dict[str, list[tuple[int, float]]] = {}
        level = None
        for entry, tally in zip(run.paper_set.entries, run.tallies, strict=True):
            if entry.part == part.name:
                curves.setdefault(entry.title, tally.curve)
                trivial = TASKS[entry.scenario.task.name].trivial(entry.scenario)
                level = (trivial.answer, trivial.loss)
        picture = curves_text(curves, columns=columns, level=level, colour=is_live(sys.stdout))
        if picture is not None:
            write()
            write(f"{part.name}: loss on what is held out, over training steps")
            write(picture)


def _progress(entries: int) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    progress = Progress(
        TextColumn("entries"),
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[state]}"),
        console=Console(stderr=True),
        transient=True,
    )
    progress.add_task("", total=entries, state="")
    progress.start()
    return progress


def _table(run: SetRun, results: Sequence[Result]) -> None:
    rows = [("", "", "paper", "ours", "steps", "wall time")]
    for result in results:
        rows.append(
            (
                result.part,
                result.title,
                _paper(result),
                _ours(run.paper_set.measure, result),
                f"{result.steps:,}",
                duration(result.seconds),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)]
        line = "  ".join(cells).rstrip()
        write(styled(line, "bold") if number == 0 else line)


def _paper(result: Result) -> str:
    if result.paper is None:
        return "-"
    return result.paper if isinstance(result.paper, str) else f"{result.paper:g}"


def _ours(measure: str, result: Result) -> str:
    if result.value is None:
        return "-"
    if measure == "steps":
        if math.isfinite(result.value):
            return f"solves at {result.value:,.0f}"
        loss = f"{statistics.fmean(result.losses):.3f}" if result.losses else "no loss"
        return "fails, diverged" if result.diverged else f"fails, {loss}"
    scale, form = (100.0, ".1f") if measure == "accuracy" else (1.0, ".4g")
    middle = f"{scale * result.value:{form}}"
    if len(result.values) == 1:
        return middle
    low, high = (f"{scale * end:{form}}" for end in (min(result.values), max(result.values)))
    return f"{middle} ({low} to {high})"


def _meaning(paper_set: PaperSet) -> str:
    """What the column "ours" holds."""
    seeds = len({entry.seed for entry in paper_set.entries})
    over = f"; of {seeds} seeds the median" if paper_set.measure == "steps" else ""
    over = over or f"; of {seeds} seeds the mean, with the least and the most"
    over = over if seeds > 1 else ""
    if paper_set.measure == "accuracy":
        return f"ours: per cent right of what is never trained on{over}"
    if paper_set.measure == "loss":
        return f"ours: loss on what is never trained on{over}"
    solved = f"the loss on what is never trained on was below {paper_set.solved_below:g}"
    return f"ours: training steps until {solved}, or the loss at the end{over}"
