"""The heatmaps: layer x time step for recurrent nets, and their training beside it; for the others
layer x training step.

All have the axis that the gradient crosses running to the right, towards the loss, as in the plot
above; up and down are layers or training steps, the newest at the bottom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from tui.lab import axis, scale
from tui.lab.axis import GUTTER
from tui.lab.legend import legend
from tui.lab.plot import ends_of
from tui.lab.view import View
from tui.strips import line_of
from tui.terminal import Colours

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from engine.arrays import HostArray
    from tui.lab.live import LiveRun, Pin


class GradientHeatmap(View):
    """Decades beside the loss end, everywhere at once."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"heatmap--axis"}
    name_id = "heatmap"
    title_word = "heatmap"
    hint = "White is healthy, blue vanishes, orange explodes. The loss: right."

    def __init__(self, *, colours: Colours, unicode: bool) -> None:
        super().__init__(colours=colours, unicode=unicode)
        # Half-blocks need both the character and a colour for each half.
        self._halves = unicode and colours != Colours.NONE
        self._styles: dict[tuple[int, int], Style] = {}

    def show(self, run: LiveRun | None, pins: Sequence[Pin] = ()) -> None:
        """Show a run's frame or its training so far."""
        if run is not None:
            lone = run.scenario.network.depth == 1 and not self.over_training(run)
            self.set_class(lone, "-lone")
        super().show(run, pins)

    def over_training(self, run: LiveRun) -> bool:
        """Whether the rows are training steps instead of layers."""
        return not run.recurrent

    def title(self, run: LiveRun) -> str:
        if not self.over_training(run):
            return "layer x time step"
        if not run.recurrent:
            return "layer x training step"
        depth = run.scenario.network.depth
        of = f", layer {run.layer} of {depth}" if depth > 1 else ""
        return f"time step x training step{of}"

    def draw(self, size: Size) -> list[Strip]:
        run = self.run
        if run is None or run.frame is None:
            return []
        width, lines = max(size.width - GUTTER - 1, 1), max(size.height - 2, 1)
        rows = lines * 2 if self._halves else lines
        if self.over_training(run):
            levels, labels = self._training(run, rows, width)
        else:
            levels, labels = self._layers(run, rows, width)
        used = -(-len(levels) // 2) if self._halves else len(levels)
        body = self._painted(levels, used)
        axis_style = self.get_component_rich_style("heatmap--axis", partial=True)
        strips = [
            Strip.join([self._label(labels.get(line, ""), axis_style), strip]).adjust_cell_length(
                size.width
            )
            for line, strip in enumerate(body)
        ]
        span = run.frame.log10_grad_h.shape[1 if run.recurrent else 0]
        text = axis.x_labels(width, span, *ends_of(run.recurrent, span, width))
        strips.append(line_of(size.width, (" " * GUTTER, axis_style), (text, axis_style)))
        strips.append(
            legend(
                size.width,
                {int(level) for level in (scale.ZERO, scale.OVERFLOW) if (levels == level).any()},
                indent=GUTTER,
                blank=self._halves,
                ink=lambda level: self._style(level, level),
                words=axis_style,
            )
        )
        return strips

    def _label(self, text: str, style: Style) -> Strip:
        return line_of(GUTTER, (f"{text:>{GUTTER - 1}} ", style))

    def _layers(
        self, run: LiveRun, rows: int, width: int
    ) -> tuple[NDArray[np.int8], dict[int, str]]:
        """Layers from the loss down to the input, each as many rows as fit."""
        import numpy as np

        from tui.lab.live import binned

        assert run.frame is not None
        values = binned(run.frame.log10_grad_h[::-1], width)
        near = run.frame.log10_grad_h[-1, -1]
        depth = len(values)
        if depth > rows:
            values = binned(values.T, rows).T
            labels = {0: str(depth), (rows - 1) // self._per_line: "1"}
        else:
            # A lone layer is a band of two lines: more would only repeat it.
            thick = max(min(rows // depth, 2 * self._per_line), 1)
            values = np.repeat(values, thick, axis=0)
            labels = {
                row * thick // self._per_line: str(depth - row) for row in reversed(range(depth))
            }
        levels = scale.levels_of(values - _reference(near, values), values)
        return _stretched(levels, width), {line: f"L{text}" for line, text in labels.items()}

    def _training(
        self, run: LiveRun, rows: int, width: int
    ) -> tuple[NDArray[np.int8], dict[int, str]]:
        """Training steps from the first at the top to the newest at the bottom."""
        import numpy as np

        from tui.lab.live import binned

        history = run.history
        newest = history.steps[-1]
        # Steps per row grow by doubling, so that the picture rarely moves.
        per_row = 1
        while newest >= per_row * rows:
            per_row *= 2
        chosen: list[int] = []
        for row in range(newest // per_row + 1):
            chosen.append(history.index_at((row + 1) * per_row - 1))
        values = np.stack([run.profile(history.items[index]) for index in chosen])
        near = values[:, -1]
        values = binned(values, width)
        levels = scale.levels_of(values - _reference(near[:, None], values), values)
        last_line = (len(levels) - 1) // self._per_line
        # Room for the steps to come, so that the axis below stays where it is.
        levels = np.pad(levels, ((0, rows - len(levels)), (0, 0)), constant_values=scale.EMPTY)
        labels = {0: "step 0"}
        if last_line:
            labels[last_line] = str(newest)
        if run.recalled is not None:
            shown = run.recalled.step
            labels[min(shown // per_row // self._per_line, last_line)] = f"▸{shown}"
        return _stretched(levels, width), labels

    @property
    def _per_line(self) -> int:
        return 2 if self._halves else 1

    def _painted(self, levels: NDArray[np.int8], lines: int) -> list[Strip]:
        rows: list[list[int]] = levels.tolist()
        if not self._halves:
            return [self._merged([(level, level) for level in row]) for row in rows]
        if len(rows) % 2:
            rows.append([scale.EMPTY] * len(rows[0]))
        return [
            self._merged(list(zip(rows[2 * line], rows[2 * line + 1], strict=True)))
            for line in range(lines)
        ]

    def _merged(self, pairs: list[tuple[int, int]]) -> Strip:
        """One line of cells; neighbours alike become one segment."""
        parts: list[tuple[str, Style]] = []
        start = 0
        for end in range(1, len(pairs) + 1):
            if end == len(pairs) or pairs[end] != pairs[start]:
                upper, lower = pairs[start]
                if upper == lower:
                    character = scale.character(upper) if upper < 0 or not self._halves else " "
                else:
                    character = "▀"
                parts.append((character * (end - start), self._style(upper, lower)))
                start = end
        return line_of(len(pairs), *parts)

    def _style(self, upper: int, lower: int) -> Style:
        style = self._styles.get((upper, lower))
        if style is None:
            if upper == lower:
                style = scale.cell_style(upper, self.colours)
            else:
                style = scale.half_style(upper, lower, self.colours)
            self._styles[upper, lower] = style
        return style


class TrainingHeatmap(GradientHeatmap):
    """For recurrent nets too: the time steps of the layer that is judged, over training."""

    name_id = "training-heatmap"
    title_word = "over training"
    hint = "The same curve as above at every training step, the newest at the bottom."

    @classmethod
    def fits(cls, run: LiveRun) -> bool:
        return run.recurrent and run.scenario.training.steps > 0

    def over_training(self, run: LiveRun) -> bool:
        return True


def _reference(near: HostArray, values: HostArray) -> HostArray:
    """The loss end's magnitude, or the largest there is where the loss end has none."""
    import numpy as np

    finite = np.where(np.isfinite(values), values, -np.inf).max()
    return np.where(np.isfinite(near), near, finite if np.isfinite(finite) else 0.0)


def _stretched(levels: NDArray[np.int8], width: int) -> NDArray[np.int8]:
    """Every column repeated so that `width` columns are filled."""
    import numpy as np

    columns = (np.arange(width) * levels.shape[1]) // width
    stretched: NDArray[np.int8] = levels[:, columns]
    return stretched
