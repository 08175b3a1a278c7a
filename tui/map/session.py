"""The Map without its looks: what it is a map of, the sweep that fills it in, and what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError
from scenarios.sweeps.diagram import Diagram
from scenarios.sweeps.run import SweptCell
from scenarios.sweeps.worker import Ended, Noted, Theory
from tui.map.knobs import SOURCE, changed
from tui.map.setup import OF_LAB, setup_of

if TYPE_CHECKING:
    from scenarios.scenario import Scenario
    from scenarios.sweeps.definition import Sweep
    from scenarios.sweeps.diagram import Point, TheoryLine
    from scenarios.sweeps.worker import SweepWorker
    from tui.map.setup import Setup


class State(Enum):
    """What the sweep is doing."""

    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    FAILED = "failed"


class MapSession:
    """One map at a time, from one worker.

    Attributes:
        setup: what the controls say.
        origin: the setup before anything was changed.
        sweep: what the setup gives.
        diagram: what came of it so far.
        points: the diagram's points, rows from the first y value to the last.
        cells: the cells of each point, by row and column.
        line: theory's line, None where there is none, or none yet.
        state: what the sweep is doing.
        done, stored: cells that are there, and how many of them some earlier sweep or run had.
        note: a line about the store; the sweep goes on.
        failure: why the sweep failed, None where it did not.
    """

    def __init__(self, lab: Scenario, worker: SweepWorker, clock: Callable[[], float]) -> None:
        self._worker, self._clock = worker, clock
        self._zoomed: list[Setup] = []
        self.setup = self.origin = setup_of(OF_LAB, lab)
        self._show(self.setup.sweep())

    def _show(self, sweep: Sweep) -> None:
        """An empty map."""
        self.sweep, self.diagram = sweep, Diagram(sweep)
        (panel,) = self.diagram.panels()
        self.points: list[list[Point]] = panel.rows
        self.cells: dict[tuple[int, int], list[SweptCell]] = {}
        self.line: TheoryLine | None = None
        self.state = State.READY
        self.done = self.stored = 0
        self.note: str | None = None
        self.failure: str | None = None
        self._began, self._go_on = 0.0, False

    @property
    def title(self) -> str:
        """What it is a map of."""
        return self.sweep.title

    @property
    def busy(self) -> bool:
        """Whether more is to come."""
        return self._worker.running

    @property
    def rate(self) -> float | None:
        """Cells run in a second, None where none were."""
        seconds, run = self._clock() - self._began, self.done - self.stored
        return run / seconds if run and seconds > 0 else None

    def choose(self, key: str, value: object, lab: Scenario) -> None:
        """Another value of a control: an empty map.

        Where it is not allowed, raises ScenarioError with the control's key and a line to show by
        it, and all stays as it was.
        """
        setup = self.setup
        try:
            setup = changed(setup, key, value, lab)
            self._take(setup)
        except ScenarioError as error:
            blamed, line = setup.blamed(error)
            raise ScenarioError("map", line, key=blamed or key) from error
        if setup.source != self.origin.source or key == SOURCE:
            self.origin = setup
        self._zoomed = []

    def follow(self, lab: Scenario) -> bool:
        """Map the network that the Lab has now; whether it is another one.

        A map that has run stays, and so does a sweep of the catalogue. What was set stays where it
        goes together with the network.
        """
        setup, origin = self.setup, setup_of(OF_LAB, lab)
        if setup.source != OF_LAB or self.state is not State.READY:
            return False
        if origin.base == self.origin.base:
            return False
        try:
            self._take(origin if setup == self.origin else setup.of(origin.base))
        except ScenarioError:
            self._take(origin)
        self.origin, self._zoomed = origin, []
        return True

    def _take(self, setup: Setup) -> None:
        sweep = setup.sweep()
        self._worker.close()
        self.setup = setup
        self._show(sweep)

    # Running

    def start(self) -> None:
        """Run every cell that is not stored."""
        self._show(self.sweep)
        self._worker.start(self.sweep)
        self.state, self._began = State.RUNNING, self._clock()

    def toggle(self) -> None:
        """Run, stop, or go on."""
        if self.state is State.RUNNING:
            self._worker.stop()
            self.state = State.PAUSED
        elif self.state is State.PAUSED and self._worker.running:
            # The cells under way are waited for: no cell is run twice.
            self._go_on = True
        else:
            self.start()

    def poll(self) -> bool:
        """Take in what came. Whether there was anything."""
        messages = self._worker.poll()
        for message in messages:
            match message:
                case SweptCell():
                    self._add(message)
                case Theory(line):
                    self.line = line
                case Noted(line):
                    self.note = line
                case Ended(line):
                    self._end(line)
        return bool(messages)

    def _add(self, cell: SweptCell) -> None:
        row, column = self.diagram.add(cell)
        self.points[row][column] = self.diagram.point(row, column)
        self.cells.setdefault((row, column), []).append(cell)
        self.done += 1
        self.stored += cell.stored

    def _end(self, line: str | None) -> None:
        if self._go_on:
            self.start()
        elif line is not None:
            self.state, self.failure = State.FAILED, line
        elif self.done == self.sweep.cells:
            self.state = State.FINISHED

    def close(self) -> None:
        """Let go of the sweep."""
        self._worker.close()

    # Zoom

    def zoom(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Map what lies between two points, (row, column) each, finer; whether that is less."""
        x, y = self.setup.x, self.setup.y
        assert self.diagram.y is not None
        columns, rows = self.diagram.x.values, self.diagram.y.values
        before = self.setup
        setup = replace(
            before, x=x.between(columns, one[1], other[1]), y=y.between(rows, one[0], other[0])
        )
        if setup == before:
            return False
        self._take(setup)
        self._zoomed.append(before)
        self.start()
        return True

    def unzoom(self) -> bool:
        """The map before the last zoom; whether there was one."""
        if not self._zoomed:
            return False
        self._take(self._zoomed.pop())
        self.start()
        return True

    def scenario_at(self, row: int, column: int) -> Scenario:
        """What runs at a point, with its first seed. Raises ScenarioError where it cannot."""
        from scenarios.sweeps.axes import SEED

        assert self.diagram.y is not None
        x, y = self.diagram.x, self.diagram.y
        changes = {y.field: y.values[row], x.field: x.values[column]}
        if self.sweep.seeds is not None:
            changes[SEED] = self.sweep.seeds.values[0]
        return self.sweep.base.with_changes(changes, source="map")
