"""The loss over training steps, beside what a network scores that has learnt nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from tui.lab import axis
from tui.lab.axis import GUTTER
from tui.lab.framed import foot, framed
from tui.lab.over_steps import reach_of, step_labels
from tui.lab.plot import WAITING, Canvas
from tui.lab.view import View
from tui.strips import line_of

if TYPE_CHECKING:
    from tui.lab.canvas import Cells
    from tui.lab.live import LiveRun
    from tui.terminal import Colours

#: Cells right of the canvas where accuracy has its axis.
_RIGHT = 5
#: Decades that the axis spans at least.
_LEAST = 0.5


class LossView(View):
    """log10 of the batch's loss, with held-out loss and accuracy marked on it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "loss--axis",
        "loss--words",
        "loss--batch",
        "loss--held",
        "loss--accuracy",
        "loss--trivial",
        "loss--cursor",
    }
    name_id = "loss"
    title_word = "loss"
    hint = "Below the dashed line the network has learnt something."

    def __init__(self, *, colours: Colours, unicode: bool) -> None:
        super().__init__(colours=colours, unicode=unicode)
        self._range = axis.LooseRange()
        self._range_of: int | None = None
        self._drawn: Cells = ()
        self._drawn_for: tuple[object, ...] = ()
        self._markers = "◆+" if unicode else "o+"

    @classmethod
    def fits(cls, run: LiveRun) -> bool:
        return run.scenario.training.steps > 0

    def title(self, run: LiveRun) -> str:
        from engine.losses import LOSSES
        from scenarios.tasks import TASKS

        name = LOSSES[TASKS[run.scenario.task.name].loss].title
        per_bin = run.losses.per_bin
        joined = f", lowest and highest of every {per_bin} steps" if per_bin > 1 else ""
        return f"log10 of the {name}{joined}"

    def draw(self, size: Size) -> list[Strip]:
        run = self.run
        if run is None or run.frame is None:
            return self.note(size, WAITING, self._ink("axis"))
        if not self.fits(run):
            return self.note(size, "this run does not train: set training steps", self._ink("axis"))
        legend = self._legend(run, size.width)
        right = _RIGHT if self._accuracy(run) is not None else 1
        width = max(size.width - GUTTER - right, 1)
        height = max(size.height - len(legend) - 1, 1)
        reach = reach_of(run.losses.newest, run.scenario.training.steps)
        limits = self._limits(run)
        canvas = Canvas(width, height)
        self._draw_trivial(canvas, run, limits)
        self._draw_batch(canvas, run, reach, limits)
        self._draw_held_out(canvas, run, reach, limits)
        labels = step_labels(width, reach)
        below = foot(size.width, labels, self._ink("axis"))
        return [*legend, *self._framed(canvas, limits, right), below]

    def _limits(self, run: LiveRun) -> tuple[float, float]:
        if self._range_of != run.number:
            self._range, self._range_of = axis.LooseRange(), run.number
        values = [v for v in (*run.losses.low, *run.losses.high) if math.isfinite(v)]
        values += [math.log10(loss) for loss, _ in run.held_out.items if 0.0 < loss < math.inf]
        if run.trivial is not None:
            values.append(math.log10(run.trivial.loss))
        if values:
            self._range.include(min(values), max(values), _LEAST)
        return self._range.limits

    def _draw_trivial(self, canvas: Canvas, run: LiveRun, limits: tuple[float, float]) -> None:
        if run.trivial is None:
            return
        row = axis.row_of(math.log10(run.trivial.loss), limits, canvas.height)
        for column in range(canvas.width):
            canvas.put(column, row, "╌", self._ink("trivial"))

    def _draw_batch(
        self, canvas: Canvas, run: LiveRun, reach: int, limits: tuple[float, float]
    ) -> None:
        from tui.lab.canvas import drawn

        if run.recalled is not None:
            column = axis.column_of(run.recalled.step + 1, reach + 1, canvas.width)
            for row in range(canvas.height):
                canvas.put(column, row, "│", self._ink("cursor"))
        newest, per_bin = run.losses.newest, run.losses.per_bin
        size = (canvas.width, canvas.height)
        column = newest * 2 * canvas.width // reach
        done = newest == run.scenario.training.steps
        # Drawn anew when it has come one column further, not for every step.
        key = (run.number, size, column, per_bin, reach, limits, done)
        if key != self._drawn_for:
            values = run.losses.values(reach)
            self._drawn = drawn(values, *size, len(values), limits, self.unicode)
            self._drawn_for = key
        canvas.lay(self._drawn, self._ink("batch"))

    def _draw_held_out(
        self, canvas: Canvas, run: LiveRun, reach: int, limits: tuple[float, float]
    ) -> None:
        for step, (loss, accuracy) in zip(run.held_out.steps, run.held_out.items, strict=True):
            column = axis.column_of(step + 1, reach + 1, canvas.width)
            if accuracy is not None:
                row = axis.row_of(accuracy, (0.0, 1.0), canvas.height)
                canvas.put(column, row, self._markers[1], self._ink("accuracy"))
            if 0.0 < loss < math.inf:
                row = axis.row_of(math.log10(loss), limits, canvas.height)
                canvas.put(column, row, self._markers[0], self._ink("held"))

    def _framed(self, canvas: Canvas, limits: tuple[float, float], right: int) -> list[Strip]:
        share = self._ink("accuracy")
        labels = axis.ticks(*limits, canvas.height)
        shares = {0: "100%", canvas.height // 2: " 50%", canvas.height - 1: "  0%"}
        rows = []
        for row, (characters, styles) in enumerate(canvas.rows):
            beside = f" {shares.get(row, '')}".ljust(right)[:right] if right > 1 else " "
            rows.append(([*characters, *beside], [*styles, *[share] * len(beside)]))
        return framed(rows, labels, self._ink("axis"), after="")

    def _legend(self, run: LiveRun, width: int) -> list[Strip]:
        """What the lines and marks are, each with its number now."""
        words = self._ink("words")
        parts: list[tuple[str, str, str]] = []
        if run.frame is not None:
            parts.append(("━", "batch", f"batch {run.frame.loss:.4g}"))
        if len(run.held_out) and run.frame is not None:
            loss, accuracy = run.held_out.items[run.held_out.index_at(run.frame.step)]
            parts.append((self._markers[0], "held", f"held out {loss:.4g}"))
            if accuracy is not None:
                parts.append((self._markers[1], "accuracy", f"accuracy {100.0 * accuracy:.1f}%"))
        if run.trivial is not None:
            told = f"{run.trivial.answer}: {run.trivial.loss:.4g}"
            parts.append(("╌", "trivial", told))
        line: list[tuple[str, Style]] = [(" " * GUTTER, words)]
        room = width - GUTTER
        for mark, ink, text in parts:
            if len(text) + 4 > room:
                break
            line += [(f"{mark} ", self._ink(ink)), (f"{text}  ", words)]
            room -= len(text) + 4
        return [line_of(width, *line)]

    def _accuracy(self, run: LiveRun) -> float | None:
        return run.held_out.items[-1][1] if len(run.held_out) else None

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"loss--{name}", partial=True)
