"""What `sweep` shows of its cells: nothing, JSON lines, or a progress bar and a phase diagram."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from scenarios.sweeps.diagram import Diagram, theory_line
from tui.colours import Colours
from tui.commands.base_report import BaseReport
from tui.commands.console import (
    is_live,
    paragraph,
    speaks_unicode,
    styled,
    width,
    write,
)
from tui.words import duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress

    from scenarios.events import Event
    from scenarios.sweeps.definition import Sweep
    from scenarios.sweeps.executors import Executor
    from scenarios.sweeps.run import SweptCell

#: Pictures shown, where further axes give one for each of their values.
_MOST_PANELS = 8
#: Errors of cells that are shown, each once.
_MOST_ERRORS = 5


class SweepReport(BaseReport):
    """Counts cells and shows nothing.

    Attributes:
        diagram: what the cells have shown so far.
        done, stored, failed: how many cells are there, were there before, and failed.
    """

    def __init__(self, sweep: Sweep) -> None:
        super().__init__()
        self.sweep = sweep
        self.diagram = Diagram(sweep)
        self.done = self.stored = self.failed = 0

    def start(self, executor: Executor) -> None:
        """The sweep is about to begin."""
        self._say(lambda: self.show_start(executor))

    def cell(self, cell: SweptCell) -> None:
        """One more cell."""
        self.diagram.add(cell)
        self.done += 1
        self.stored += cell.stored
        self.failed += cell.result.error is not None
        self._say(lambda: self.show_cell(cell))

    def end(self, *, interrupted: bool) -> None:
        """There will be no more cells."""
        self.close()
        self._say(lambda: self.show_end(interrupted))

    def show_start(self, executor: Executor) -> None:
        """What is printed before the first cell."""

    def show_cell(self, cell: SweptCell) -> None:
        """What is printed for a cell."""

    def show_end(self, interrupted: bool) -> None:
        """What is printed after the last cell."""


class JsonSweepReport(SweepReport):
    """Every event as a line of JSON, written at once."""

    def show_start(self, executor: Executor) -> None:
        from scenarios.sweeps.events import start_event

        self._write(start_event(self.sweep, executor))

    def show_cell(self, cell: SweptCell) -> None:
        from scenarios.sweeps.events import cell_event

        self._write(cell_event(cell))

    def show_end(self, interrupted: bool) -> None:
        from scenarios.sweeps.events import end_event

        event = end_event(self.diagram, done=self.done, failed=self.failed, interrupted=interrupted)
        self._write(event)

    @staticmethod
    def _write(event: Event) -> None:
        from scenarios.events import to_json

        print(to_json(event))


class TextSweepReport(SweepReport):
    """A progress bar on stderr, then the phase diagram and what became of the cells."""

    def __init__(self, sweep: Sweep) -> None:
        super().__init__(sweep)
        self._progress: Progress | None = None
        self._begin = time.monotonic()
        self._errors: dict[str, int] = {}

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def show_start(self, executor: Executor) -> None:
        sweep = self.sweep
        write(styled(sweep.title, "bold"))
        write(styled(f"{sweep.name}: {sweep.cells:,} cells on {executor.place}", "dim"))
        if sweep.question:
            write()
            write(paragraph(sweep.question, "  ", min(width(), 100)))
        write()
        self._begin = time.monotonic()
        if is_live(sys.stderr):
            self._progress = _progress(sweep.cells, lambda: (self.done, self._speed()))

    def show_cell(self, cell: SweptCell) -> None:
        error = cell.result.error
        if error is not None:
            self._errors[error] = self._errors.get(error, 0) + 1

    def _speed(self) -> str:
        """Cells run each second and the time left; what was stored before took none."""
        run = self.done - self.stored
        rate = run / max(time.monotonic() - self._begin, 1e-9)
        if not run:
            return ""
        left = (self.sweep.cells - self.done) / rate
        return f"{rate:.3g} cells/s, {duration(left)} left"

    def show_end(self, interrupted: bool) -> None:
        if self.done == 0:
            write("interrupted before the first cell" if interrupted else "there are no cells")
            return
        self._draw()
        self._count(interrupted)
        for error, count in list(self._errors.items())[:_MOST_ERRORS]:
            cells = "1 cell" if count == 1 else f"{count:,} cells"
            write(f"  {cells} failed: {error}")
        if len(self._errors) > _MOST_ERRORS:
            write(f"  and {len(self._errors) - _MOST_ERRORS} more errors, in the store")

    def _draw(self) -> None:
        from rich.console import Console

        from tui.plot_diagram import diagram_text, shown

        unicode, live = speaks_unicode(sys.stdout), is_live(sys.stdout)
        columns = min(width(), 120)
        console = Console(width=columns, no_color=not live, highlight=False, emoji=False)
        colours = Colours.NONE
        if live:
            many = console.color_system in ("256", "truecolor")
            colours = Colours.MANY if many else Colours.SIXTEEN
        seeds = 1 if self.sweep.seeds is None else len(self.sweep.seeds.values)
        how = self.sweep.reduce.replace("_", " ")
        over = f", {how} over {seeds} seeds" if seeds > 1 else ""
        write(f"decades of the gradient from the loss to the far end{over}")
        panels = self.diagram.panels()
        for panel in panels[:_MOST_PANELS]:
            write()
            if panel.values:
                words = (f"{key} = {shown(value)}" for key, value in panel.values.items())
                write(styled(", ".join(words), "bold"))
            line = theory_line(self.diagram, panel)
            text = diagram_text(
                self.diagram, panel, line, columns=columns, unicode=unicode, colours=colours
            )
            if live:
                console.print(text, soft_wrap=True)
            else:
                write(text.plain)
            reason = "neither axis is a scale of weights" if line is None else line.reason
            if reason is not None:
                write(paragraph(f"no theory line: {reason}", "", columns))
        write()
        if len(panels) > _MOST_PANELS:
            write(f"and {len(panels) - _MOST_PANELS} more like these, in the store")

    def _count(self, interrupted: bool) -> None:
        seconds = time.monotonic() - self._begin
        cells = f"{self.done:,} of {self.sweep.cells:,} cells"
        run = self.done - self.stored
        parts = [f"{run:,} run in {duration(seconds)}"]
        if run and seconds > 0.0:
            parts[0] += f" ({run / seconds:.3g}/s)"
        if self.stored:
            parts.append(f"{self.stored:,} were stored before")
        write(f"{'interrupted at ' if interrupted else ''}{cells}: {', '.join(parts)}")


def _progress(cells: int, state: Callable[[], tuple[int, str]]) -> Progress:
    """A bar that asks how many cells are done, and how fast, whenever it is drawn."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    class Asking(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            for task in self.tasks:
                task.completed, task.fields["speed"] = state()
            return super().get_renderables()

    progress = Asking(
        TextColumn("cells"),
        MofNCompleteColumn(),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[speed]}"),
        console=Console(stderr=True),
        transient=True,
    )
    progress.add_task("", total=cells, speed="")
    progress.start()
    return progress
