"""The live plot: log10 gradient magnitude from the far end to the loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from engine.verdict import THRESHOLD_DECADES
from tui.colours import Colours
from tui.lab import axis
from tui.lab.axis import GUTTER
from tui.lab.framed import foot, framed
from tui.lab.live import BEFORE_SLOT
from tui.strips import StripWidget, line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.arrays import HostArray
    from tui.lab.canvas import Cells, Limits
    from tui.lab.live import LiveRun, Pin

#: One marker per pinned run and one for the run before a remedy, told apart without colour.
MARKERS = "■▲◆○▽"
ASCII_MARKERS = "#^x@v"
LIVE_MARKER = "●"
#: Its markers stand beside those of all others.
LIVE_SLOT = len(MARKERS)
WAITING = "waiting for the first frame"
#: Columns between two markers of a curve that has more points than room for them.
MARKER_DISTANCE = 9
#: Cells of a dash and of the gap behind it.
DASH, GAP = 3, 2
#: Rows below which pinned runs get the room, and the theory is left to the verdict's words.
FEWEST_ROWS = 5


class GradientPlot(StripWidget):
    """Gradient magnitude against layer or time step, for the live run and up to four pinned."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "plot--axis",
        "plot--band",
        "plot--start",
        "plot--theory",
        "plot--live",
        "plot--mark",
        "plot--pin-0",
        "plot--pin-1",
        "plot--pin-2",
        "plot--pin-3",
        "plot--pin-4",
        "plot--note",
        "plot--cursor",
    }

    def __init__(self, *, colours: Colours, unicode: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._colours = colours
        self._unicode = unicode
        self._markers = markers(unicode)
        self._run: LiveRun | None = None
        self._pins: Sequence[Pin] = ()
        self._note = WAITING
        self._cursor = False
        self._theory: HostArray | None = None
        self._shared: tuple[Limits, int] | None = None
        self._cache: dict[object, Cells] = {}

    def show(
        self, run: LiveRun | None, pins: Sequence[Pin], note: str = "", cursor: bool = False
    ) -> None:
        """Show a run's frame, and the pinned runs behind it; `note` while there is none.

        With `cursor`, mark the place that the run's cursor is at.
        """
        self._run, self._pins, self._note, self._cursor = run, pins, note, cursor
        self.redraw()

    def extent(self) -> tuple[Limits, int] | None:
        """What the axes would have to span for this plot alone: limits, and places to the loss."""
        run = self._run
        if run is None or run.first is None:
            return None
        self._theory = run.theory
        counts = [len(run.profile(run.first)), *(len(pin.values) for pin in self._pins)]
        return self._limits(run), max(counts)

    def share(self, extent: tuple[Limits, int]) -> None:
        """Draw on axes that span what several plots have to; theory beyond them is cut off."""
        if extent != self._shared:
            self._shared = extent
            self.redraw()

    def draw(self, size: Size) -> list[Strip]:
        run = self._run
        note = self.get_component_rich_style("plot--note", partial=True)
        if run is None or run.frame is None:
            blank = Strip.blank(size.width)
            waiting = line_of(size.width, (" " * GUTTER + self._note, note))
            return [blank] * (size.height // 2) + [waiting]
        self._theory = run.theory
        legend = self._legend(size.width)
        if self._pins and size.height - 1 - len(legend) < FEWEST_ROWS:
            self._theory = None
            legend = self._legend(size.width)
        width = max(size.width - GUTTER - 1, 1)
        height = max(size.height - 1 - len(legend), 1)
        profile = run.profile(run.frame)
        least = 0 if self._shared is None else self._shared[1]
        span = max([len(profile), least, *(len(pin.values) for pin in self._pins)])
        limits = self._limits(run) if self._shared is None else self._shared[0]
        canvas = Canvas(width, height)
        self._draw_band(canvas, profile, limits)
        if self._cursor:
            self._draw_cursor(canvas, span - len(profile) + run.place, span)
        self._draw_curves(canvas, run, profile, span, limits)
        picture = framed(canvas.rows, axis.y_labels(limits, height), self._axis_ink)
        return [*legend, *picture, self._x_axis(size.width, run, span)]

    def _limits(self, run: LiveRun) -> Limits:
        from tui.lab.live import finite_extent

        reach = axis.StickyRange()
        reach.include(*run.y_range.limits)
        for pin in self._pins:
            extent = finite_extent(pin.values)
            if extent is not None:
                reach.include(*extent)
        theory = None if self._theory is None else finite_extent(self._theory)
        if theory is not None:
            # A bound may lie anywhere: it gets as much room again as the measured curves, no more.
            low, high = reach.limits
            reach.include(max(theory[0], 2.0 * low - high), min(theory[1], 2.0 * high - low))
        return reach.limits

    def _draw_band(self, canvas: Canvas, profile: HostArray, limits: Limits) -> None:
        near = float(profile[-1])
        if not math.isfinite(near):
            return
        style = self.get_component_rich_style("plot--band", partial=True)
        for end, name in (
            (THRESHOLD_DECADES, " exploding above "),
            (-THRESHOLD_DECADES, " vanishing below "),
        ):
            row = axis.row_of(near + end, limits, canvas.height)
            for column in range(canvas.width):
                canvas.put(column, row, "╌", style)
            if canvas.width >= 60:
                # On the left, where curves that leave the band have left it long before.
                for column, character in enumerate(name, 2):
                    canvas.put(column, row, character, style)

    def _draw_cursor(self, canvas: Canvas, place: int, span: int) -> None:
        style = self.get_component_rich_style("plot--cursor", partial=True)
        column = axis.column_of(place, span, canvas.width)
        for row in range(canvas.height):
            canvas.put(column, row, "┃", style)

    def _draw_curves(
        self, canvas: Canvas, run: LiveRun, profile: HostArray, span: int, limits: Limits
    ) -> None:
        kept: dict[object, Cells] = {}
        key: tuple[object, ...]
        assert run.first is not None
        if run.frame is not run.first:
            start = run.profile(run.first)
            key = ("start", run.number, run.layer, canvas.width, canvas.height, span, limits)
            kept[key] = self._cache.get(key) or self._cells(start, canvas, span, limits)
            canvas.lay(kept[key], self.get_component_rich_style("plot--start", partial=True))
        theory = self._theory
        if theory is not None:
            key = ("theory", run.number, canvas.width, canvas.height, span, limits)
            kept[key] = self._cache.get(key) or self._dashed(theory, canvas, span, limits)
            canvas.lay(kept[key], self.get_component_rich_style("plot--theory", partial=True))
        curves: list[_Curve] = []
        for pin in self._pins:
            key = (pin, canvas.width, canvas.height, span, limits)
            kept[key] = self._cache.get(key) or self._cells(pin.values, canvas, span, limits)
            style = self.get_component_rich_style(f"plot--pin-{pin.slot}", partial=True)
            places = marked_places(len(pin.values), span, canvas.width, pin.slot)
            curves.append(_Curve(kept[key], pin.values, places, self._markers[pin.slot], style))
        self._cache = kept
        cells = self._cells(profile, canvas, span, limits)
        style = self.get_component_rich_style("plot--live", partial=True)
        points: Iterable[int] = ()
        # Without colour nothing else tells it from the curve before training and the theory's.
        if has_room_for_points(span, canvas.width) or self._colours == Colours.NONE:
            points = marked_places(len(profile), span, canvas.width, LIVE_SLOT)
        curves.append(_Curve(cells, profile, points, LIVE_MARKER, style))
        for curve in curves:
            canvas.lay(curve.cells, curve.style)
        # All markers on top of all lines, or the live line would hide which pin is which.
        for curve in reversed(curves):
            canvas.mark(curve, span, limits)
        self._mark_specials(canvas, profile, span)

    def _cells(self, values: HostArray, canvas: Canvas, span: int, limits: Limits) -> Cells:
        from tui.lab.canvas import drawn

        return drawn(values, canvas.width, canvas.height, span, limits, self._unicode)

    def _dashed(self, values: HostArray, canvas: Canvas, span: int, limits: Limits) -> Cells:
        """A curve broken into dashes along its way, by rows where it is steep."""
        from tui.lab.canvas import dashed

        cells = dashed(self._cells(values, canvas, span, limits), DASH, GAP)
        return cells if self._unicode else [row.replace(".", "-") for row in cells]

    def _mark_specials(self, canvas: Canvas, profile: HostArray, span: int) -> None:
        """Exact zeros along the bottom, overflow along the top: neither has a height."""
        import numpy as np

        style = self.get_component_rich_style("plot--mark", partial=True)
        offset = span - len(profile)
        for places, row, character in (
            (np.flatnonzero(np.isneginf(profile)), canvas.height - 1, "0"),
            (np.flatnonzero(np.isnan(profile)), 0, "!"),
        ):
            columns = ((places + offset + 0.5) / span * canvas.width).astype(int)
            for column in np.unique(columns).tolist():
                canvas.put(column, row, character, style)

    def _legend(self, width: int) -> list[Strip]:
        """Which marker is which run, as many to a line as fit; none beside plots of equal height,
        whose verdicts name the theory.
        """
        run = self._run
        if run is None or self._shared is not None:
            return []
        entries: list[tuple[str, tuple[str, ...], str]] = []
        if self._pins:
            hidden = [pin for pin in self._pins if _covered(pin, run)]
            signs = "".join(self._markers[pin.slot] for pin in hidden)
            entries.append((LIVE_MARKER + signs, (run.label,), "plot--live"))
            for pin in self._pins:
                if pin not in hidden:
                    same = pin.label == run.pin_label
                    label = f"{pin.label} step {pin.standing.step}" if same else pin.label
                    entries.append((self._markers[pin.slot], (label,), f"plot--pin-{pin.slot}"))
        if run.prediction is not None and self._theory is not None:
            from tui.theory_words import curve_names

            when = " at step 0" if run.trained else ""
            names = tuple(f"{name}{when}" for name in curve_names(run.prediction))
            entries.append(("╍╍", names, "plot--theory"))
        if not entries:
            return []
        room = width - GUTTER
        lines: list[list[tuple[str, Style]]] = [[(" " * GUTTER, Style())]]
        used = 0
        for marker, labels, name in entries:
            left = room - used - len(marker) - 1
            text = next((label for label in labels if len(label) <= left), None)
            if text is None:
                if used:
                    lines.append([(" " * GUTTER, Style())])
                    used = 0
                text = labels[0]
                most = room - len(marker) - 1
                text = text if len(text) <= most else f"{text[: most - 1]}…"
            style = self.get_component_rich_style(name, partial=True)
            lines[-1].append((f"{marker} {text}  ", style))
            used += len(marker) + len(text) + 3
        return [line_of(width, *line) for line in lines]

    @property
    def _axis_ink(self) -> Style:
        return self.get_component_rich_style("plot--axis", partial=True)

    def _x_axis(self, width: int, run: LiveRun, span: int) -> Strip:
        inner = max(width - GUTTER - 1, 1)
        assert run.first is not None
        shorter = self._shared is not None and len(run.profile(run.first)) != span
        if shorter or any(p.slot != BEFORE_SLOT or len(p.values) != span for p in self._pins):
            units = {"layer": "layers", "time": "steps"}
            hops = " or ".join(units[axis] for axis in axes_of(run, self._pins))
            left, right = f"{span - 1} {hops} back", "0 ▸ the loss"
            if len(left) + len(right) + 2 > inner:
                left, right = f"◂ {span - 1}", "0, loss ▸"
            places = [span - back for back in axis.round_places(span - 1, 6) if back < span]
            numbers = [(place, str(span - place)) for place in places]
        else:
            left, right, numbers = ends_of(run.recurrent, span, inner)
        text = axis.x_labels(inner, span, left, right, numbers)
        return foot(width, text, self._axis_ink)


def axes_of(run: LiveRun, pins: Sequence[Pin]) -> list[str]:
    """What the curves cross, "layer" or "time"; both where they differ in it."""
    crossed = {"time" if run.recurrent else "layer", *(pin.standing.verdict.axis for pin in pins)}
    return sorted(crossed)


def _covered(pin: Pin, run: LiveRun) -> bool:
    """Whether the curve of a pinned run lies under that run's own, as it is shown."""
    import numpy as np

    assert run.frame is not None
    same = np.array_equal(pin.values, run.profile(run.frame), equal_nan=True)
    return pin.label == run.pin_label and same


def markers(unicode: bool) -> str:
    """One for each slot."""
    return MARKERS if unicode else ASCII_MARKERS


def has_room_for_points(span: int, width: int) -> bool:
    """Whether single points can be told apart."""
    return span * 3 <= width


def marked_places(count: int, span: int, width: int, slot: int) -> list[int]:
    """Where a curve of `count` points carries its marker: everywhere if there is room.

    Else now and then, each slot a little beside the others, and at the far end in any case.
    """
    if has_room_for_points(span, width):
        return list(range(1, count + 1))
    apart = max(MARKER_DISTANCE * span // width, 1)
    beside = (2 * slot + 1) * span // width
    return [1, *range(count - beside, 1 + apart // 2, -apart)]


def ends_of(recurrent: bool, span: int, width: int) -> tuple[str, str, list[tuple[int, str]]]:
    """How an axis from the far end to the loss is labelled: left, right, numbers between."""
    unit = "step" if recurrent else "layer"
    left, right = f"◂ {unit} 1{'' if recurrent else ', input'}", f"{unit} {span}, loss ▸"
    if len(left) + len(right) + 2 > width:
        left, right = "◂ 1", f"{span}, loss ▸"
    numbers = [(place, str(place)) for place in axis.round_places(span, 8)]
    return left, right, numbers


class _Curve(NamedTuple):
    """A drawn curve, and which of its places carry its marker."""

    cells: Cells
    values: HostArray
    places: Iterable[int]
    marker: str
    style: Style


class Canvas:
    """Characters and styles by row and column."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        blank = Style()
        self.characters = [[" "] * width for _ in range(height)]
        self.styles = [[blank] * width for _ in range(height)]

    @property
    def rows(self) -> Iterable[tuple[list[str], list[Style]]]:
        """From top to bottom: characters, and the style of each."""
        return zip(self.characters, self.styles, strict=True)

    def put(self, column: int, row: int, character: str, style: Style) -> None:
        if 0 <= column < self.width and 0 <= row < self.height:
            self.characters[row][column] = character
            self.styles[row][column] = style

    def lay(self, cells: Cells, style: Style) -> None:
        """Put a drawn curve on top; its empty cells are transparent."""
        from tui.lab.canvas import overlaid

        for row, line in enumerate(cells):
            if line.isspace():
                continue
            characters, styles = self.characters[row], self.styles[row]
            for column, character in enumerate(line):
                if character != " ":
                    characters[column] = overlaid(characters[column], character)
                    styles[column] = style

    def mark(self, curve: _Curve, span: int, limits: Limits) -> None:
        """Put a curve's marker where its places are drawn."""
        offset = span - len(curve.values)
        for place in curve.places:
            value = float(curve.values[place - 1])
            if math.isfinite(value):
                column = axis.column_of(place + offset, span, self.width)
                row = axis.row_of(value, limits, self.height)
                near = [r for r in (row, row - 1, row + 1) if 0 <= r < self.height]
                row = next((r for r in near if curve.cells[r][column] != " "), row)
                self.put(column, row, curve.marker, curve.style)
