"""How weights drift while a network trains: what every hop multiplies by, over training steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from engine.architectures import ARCHITECTURES
from engine.weight_sizes import RADIUS, SINGULAR
from tui.lab import axis
from tui.lab.axis import GUTTER
from tui.lab.framed import foot, framed
from tui.lab.over_steps import reach_of, step_labels
from tui.lab.plot import WAITING, Canvas, markers
from tui.lab.view import View
from tui.strips import line_of

if TYPE_CHECKING:
    from engine.arrays import HostArray
    from tui.lab.canvas import Cells
    from tui.lab.live import LiveRun
    from tui.terminal import Colours

#: A curve's cells, and the columns and rows of its markers.
Line: TypeAlias = "tuple[Cells, list[tuple[int, int]]]"

#: What the axis spans at least, as a share of the largest value.
_LEAST = 0.05
#: Names for where there is no room for more.
_SHORT = {RADIUS: "radius", SINGULAR: "singular"}
#: Columns between two markers of a curve.
_APART = 12


class WeightDriftView(View):
    """Spectral radius of U, range of u, each gate's U, or the weight scale of W."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "drift--axis",
        "drift--words",
        "drift--line",
        "drift--cursor",
        "drift--curve-0",
        "drift--curve-1",
        "drift--curve-2",
        "drift--curve-3",
    }
    name_id = "drift"
    title_word = "drift"
    hint = "What every hop multiplies by, as training changes it."

    def __init__(self, *, colours: Colours, unicode: bool) -> None:
        super().__init__(colours=colours, unicode=unicode)
        self._range = axis.LooseRange()
        self._range_of: tuple[int, int] | None = None
        self._drawn: list[Line] = []
        self._drawn_for: tuple[object, ...] = ()

    @classmethod
    def fits(cls, run: LiveRun) -> bool:
        return run.scenario.training.steps > 0

    def title(self, run: LiveRun) -> str:
        layer = ARCHITECTURES[run.scenario.network.kind].layer
        of = f"size of {layer.hop_weight}"
        if layer.gates:
            of = f"largest singular value of {layer.hop_weight} by gate"
        elif not run.recurrent:
            of = "weight scale of all layers"
        depth = run.scenario.network.depth
        where = f", layer {run.layer}" if run.recurrent and depth > 1 else ""
        return f"{of} over training{where}"

    def draw(self, size: Size) -> list[Strip]:
        run = self.run
        if run is None or run.frame is None:
            return self.note(size, WAITING, self._ink("axis"))
        if not self.fits(run):
            return self.note(size, "this run does not train: set training steps", self._ink("axis"))
        if not len(run.drift):
            return self.note(size, "nothing measured", self._ink("axis"))
        curves = _curves(run)
        mark = _mark(run)
        legend = self._legend(curves, mark, size.width)
        width = max(size.width - GUTTER - 1, 1)
        height = max(size.height - len(legend) - 1, 1)
        reach = reach_of(run.losses.newest, run.scenario.training.steps)
        limits = self._limits(run, *_extent(curves, mark))
        canvas = Canvas(width, height)
        if mark is not None and limits[0] <= mark[1] <= limits[1]:
            row = axis.row_of(mark[1], limits, height)
            for column in range(width):
                canvas.put(column, row, "╌", self._ink("line"))
        if run.recalled is not None:
            column = axis.column_of(run.recalled.step + 1, reach + 1, width)
            for row in range(height):
                canvas.put(column, row, "│", self._ink("cursor"))
        self._draw_curves(canvas, curves, run, reach, limits)
        line = self._ink("axis")
        picture = framed(canvas.rows, axis.ticks(*limits, height), line)
        return [*legend, *picture, foot(size.width, step_labels(width, reach), line)]

    def _limits(self, run: LiveRun, low: float, high: float) -> tuple[float, float]:
        if self._range_of != (run.number, run.layer):
            self._range, self._range_of = axis.LooseRange(), (run.number, run.layer)
        self._range.include(low, high, _LEAST * max(high, 1e-9))
        return self._range.limits

    def _draw_curves(
        self,
        canvas: Canvas,
        curves: dict[str, HostArray],
        run: LiveRun,
        reach: int,
        limits: tuple[float, float],
    ) -> None:
        count, newest = 2 * canvas.width, run.losses.newest
        done = newest == run.scenario.training.steps
        # A curve is drawn anew when it has come one column further, not at every measurement.
        key = (
            run.number,
            run.layer,
            count,
            canvas.height,
            reach,
            limits,
            newest * count // reach,
            done,
        )
        if key != self._drawn_for:
            self._drawn = self._draw_lines(canvas, curves, run, reach, limits)
            self._drawn_for = key
        for number, (cells, marks) in enumerate(self._drawn):
            ink = self._ink(f"curve-{number}")
            canvas.lay(cells, ink)
            for column, row in marks:
                canvas.put(column, row, markers(self.unicode)[number], ink)

    def _draw_lines(
        self,
        canvas: Canvas,
        curves: dict[str, HostArray],
        run: LiveRun,
        reach: int,
        limits: tuple[float, float],
    ) -> list[Line]:
        """Each curve's cells, and where it carries its marker."""
        import numpy as np

        from tui.lab.canvas import drawn

        count = 2 * canvas.width
        at = np.arange(count) * reach / max(count - 1, 1)
        # What was measured last counts until the next measurement.
        index = np.searchsorted(run.drift.steps, at, side="right") - 1
        beyond = at > run.losses.newest
        lines = []
        for number, values in enumerate(curves.values()):
            line = np.where(beyond, np.nan, values[index])
            cells = drawn(line, canvas.width, canvas.height, count, limits, self.unicode)
            columns = range(_APART // 2 + 3 * number, canvas.width, _APART)
            marks = [
                (column, axis.row_of(float(line[2 * column]), limits, canvas.height))
                for column in columns
                if np.isfinite(line[2 * column])
            ]
            lines.append((cells, marks))
        return lines

    def _legend(
        self, curves: dict[str, HostArray], mark: tuple[str, float] | None, width: int
    ) -> list[Strip]:
        words = self._ink("words")
        signs = markers(self.unicode)
        room = width - GUTTER
        line: list[tuple[str, Style]] = []
        for short in (False, True):
            line = [(" " * GUTTER, words)]
            for number, (name, values) in enumerate(curves.items()):
                told = _SHORT.get(name, name) if short else name
                line.append((f"{signs[number]} ", self._ink(f"curve-{number}")))
                line.append((f"{told} {float(values[-1]):.3g}  ", words))
            if mark is not None:
                line += [("╌ ", self._ink("line")), (f"{mark[0]} {mark[1]:.4g}", words)]
            if sum(len(text) for text, _ in line[1:]) <= room:
                break
        return [line_of(width, *line)]

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"drift--{name}", partial=True)


def _curves(run: LiveRun) -> dict[str, HostArray]:
    """What is drawn, by name: of the layer that is judged, or of all where each is crossed once."""
    import numpy as np

    names = list(run.drift.items[0])
    if run.recurrent:
        rows = [[sizes[name][run.layer - 1] for name in names] for sizes in run.drift.items]
        return dict(zip(names, np.array(rows).T, strict=True))
    (name,) = names
    over = np.stack([sizes[name] for sizes in run.drift.items])
    if over.shape[1] == 1:
        return {name: over[:, 0]}
    ends = ("smallest", over.min(axis=1)), ("median", np.median(over, axis=1))
    return dict((*ends, ("largest", over.max(axis=1))))


def _mark(run: LiveRun) -> tuple[str, float] | None:
    """The size at which a hop neither shrinks nor grows the gradient, as far as it is known."""
    layer = ARCHITECTURES[run.scenario.network.kind].layer
    if layer.hop_role == "vector":
        return "2^(1/T)", 2.0 ** (1.0 / run.span)
    return ("level", 1.0) if run.recurrent and not layer.gates else None


def _extent(curves: dict[str, HostArray], mark: tuple[str, float] | None) -> tuple[float, float]:
    """The smallest and the largest value, and the mark if it is near."""
    import numpy as np

    values = np.concatenate([values[np.isfinite(values)] for values in curves.values()])
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if mark is not None and low / 2.0 <= mark[1] <= 2.0 * high:
        low, high = min(low, mark[1]), max(high, mark[1])
    return low, high
