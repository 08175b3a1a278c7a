"""Under the map: the point at the cursor in words, theory's line, and how far the sweep is."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Size
from textual.strip import Strip

from tui.map.session import State
from tui.plot_diagram import shown
from tui.strips import StripWidget, line_of

if TYPE_CHECKING:
    from rich.style import Style

    from engine.verdict import Verdict
    from scenarios.cells import CellResult
    from scenarios.scenario import Scenario
    from tui.map.session import MapSession

#: Seeds whose decades are listed one by one.
_LISTED_SEEDS = 8


class Reading(StripWidget):
    """Four lines or more."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "verdict--vanishing",
        "verdict--exploding",
        "verdict--healthy",
        "verdict--dead",
        "verdict--overflow",
        "verdict--failed",
        "verdict--words",
        "verdict--label",
    }

    def __init__(self, session: MapSession, *, id: str) -> None:
        super().__init__(id=id)
        self._session = session
        self._place = (0, 0)
        self._mark: tuple[int, int] | None = None

    def show(self, place: tuple[int, int], mark: tuple[int, int] | None) -> None:
        """Read a point, by row and column; `mark` is the corner of a zoom."""
        self._place, self._mark = place, mark
        self.redraw()

    def draw(self, size: Size) -> list[Strip]:
        label = self.get_component_rich_style("verdict--label", partial=True)
        plain = self.get_component_rich_style("verdict--words", partial=True)
        badge, words = self._verdict()
        style = self.get_component_rich_style(f"verdict--{badge or 'label'}", partial=True)
        head: list[tuple[str, Style]] = [(f" {badge} ", style), (" ", plain)] if badge else []
        room = size.width - sum(len(text) for text, _ in head)
        first = textwrap.shorten(words, max(room - 1, 1), placeholder=" …")
        lines = max(size.height - 3, 1)
        told = self._theory(lines * (size.width - 2))
        theory = textwrap.wrap(told, size.width - 2, max_lines=lines, placeholder=" …")
        return [
            line_of(size.width, *head, (first if head else f" {first}", plain)),
            line_of(size.width, (f" {self._where()}", plain)),
            *(line_of(size.width, (f" {line}", label)) for line in theory),
            line_of(size.width, (f" {self._progress()}", label)),
        ]

    def _where(self) -> str:
        """The values at the cursor, or those that a zoom would go to."""
        diagram = self._session.diagram
        assert diagram.y is not None
        (row, column), corner = self._place, self._mark or self._place
        words = [
            f"{side.title} " + " to ".join(dict.fromkeys(shown(side.values[i]) for i in places))
            for side, places in ((diagram.x, (corner[1], column)), (diagram.y, (corner[0], row)))
        ]
        return ", ".join(words) + ("" if self._mark is None else ": z zooms in")

    def _verdict(self) -> tuple[str, str]:
        """The verdict's name, and the rest of the sentence."""
        row, column = self._place
        cells = self._session.cells.get(self._place, [])
        if not cells:
            return "", "not run yet"
        if len(cells) == 1:
            return _told(cells[0].result, self._session.sweep.base)
        from tui.map.view import words_of
        from tui.words import power

        point = self._session.points[row][column]
        how = self._session.sweep.reduce.replace("_", " ")
        told = [cell.result for cell in sorted(cells, key=lambda cell: cell.index)]
        seeds = ", ".join(map(_short, told[:_LISTED_SEEDS]))
        more = " …" if len(told) > _LISTED_SEEDS else ""
        value = "" if point.decades is None else f"{power(point.decades)}, the {how} of "
        return words_of(point), f"{value}{len(told)} seeds: {seeds}{more}"

    def _theory(self, room: int) -> str:
        session = self._session
        line = session.line
        if line is None:
            # Before the sweep's process has answered nobody knows.
            silent = session.state is not State.READY and session.done > 0
            return "no theory line: neither side is a scale of weights" if silent else ""
        if line.reason is not None:
            return f"no theory line: {line.reason}"
        here = line.scales[self._place[0] if line.across else self._place[1]]
        values = [f"{scale:.4g}" for scale in here]
        words = f"theory, {' and '.join(values) or 'silent here'}: {line.meaning}"
        if len(words) > room and len(values) == 2:
            return f"theory: vanishes < {values[0]}, may explode > {values[1]}"
        return words

    def _progress(self) -> str:
        from tui.words import duration

        session = self._session
        if session.failure is not None:
            return session.failure
        total = f"{session.done:,} of {session.sweep.cells:,} cells"
        if session.state is State.READY:
            return f"{session.sweep.cells:,} cells: space runs them"
        parts = [total]
        if session.stored:
            parts.append(f"{session.stored:,} were stored before")
        rate = session.rate
        if session.state is State.RUNNING and rate is not None:
            left = (session.sweep.cells - session.done) / rate
            parts += [f"{rate:.3g}/s", f"{duration(left)} left"]
        if session.state is State.PAUSED:
            parts.append("space goes on")
        if session.note is not None:
            parts.append(session.note)
        return ", ".join(parts)


def _told(result: CellResult, base: Scenario) -> tuple[str, str]:
    """One cell's verdict, as the Lab would word it."""
    if result.error is not None or result.verdict is None:
        return "failed", result.error or ""
    from tui.words import sentence

    words = sentence(_verdict(result, base), base.run.dtype, "set precision to float64")
    name, _, rest = words.partition(": ")
    return name, rest if result.loss is None else f"{rest}; loss {result.loss:.4g}"


def _verdict(result: CellResult, base: Scenario) -> Verdict:
    from engine.architectures import ARCHITECTURES
    from engine.verdict import Overflow, Verdict

    assert result.verdict is not None
    recurrent = ARCHITECTURES[base.network.kind].recurrent
    return Verdict(
        result.verdict,
        result.decades,
        result.hops or 0,
        result.decades_per_hop,
        "time" if recurrent else "layer",
        base.network.depth,
        None if result.overflow is None else Overflow(*result.overflow),
        result.dead_at,
    )


def _short(result: CellResult) -> str:
    if result.error is not None:
        return "failed"
    return f"{result.decades:.3g}" if result.decades is not None else str(result.verdict)
