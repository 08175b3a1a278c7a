"""Triage: the worst stretches of a frame's gradients first, and who did it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import DataTable

from engine.architectures import ARCHITECTURES
from engine.stretches import Stretch, badness
from tui.words import blame, figures, half_life

if TYPE_CHECKING:
    from engine.culprits import Culprits
    from tui.lab.live import LiveRun

_COLUMNS = ("where", "half-life", "decades", "who did it")
#: Cells of the box beside its rows: border and scroll bar; and beside each cell of a row.
_FRAME, _PADDING = 3, 2
#: What the style sheet says of the box: columns at most, and percent of the terminal's.
_WIDEST, _SHARE = 110, 96

Place = tuple[int, int]

#: Ways to sort, in the order in which the key `s` takes them.
_ORDERS: dict[str, Callable[[Stretch], Any]] = {
    "fastest first": lambda s: -badness(s),
    "most decades first": lambda s: -abs(s.decades),
    "from the loss on": lambda s: (-s.culprits.layer, -s.near, s.far),
}


class TriageScreen(ModalScreen[Place | None]):
    """Arrow keys and Enter, which gives the place to look at; Escape gives none.

    Args:
        run: whose frame in sight the stretches are of.
        stretches: what to list, at least one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "sort"),
        Binding("escape,t,q", "dismiss(None)", "close"),
    ]

    def __init__(self, run: LiveRun, stretches: Sequence[Stretch]) -> None:
        super().__init__()
        self._run, self._stretches = run, list(stretches)
        self._order = 0
        assert run.frame is not None
        self._step = run.frame.step

    def compose(self) -> ComposeResult:
        """One row a stretch."""
        yield DataTable(cursor_type="row", id="triage")

    def on_mount(self) -> None:
        """Name the columns once."""
        table = self.query_one(DataTable)
        table.add_columns(*_COLUMNS)
        table.border_subtitle = "enter goes there, s sorts, escape closes"
        self._fill()

    def action_sort(self) -> None:
        """Sort in another way."""
        self._order = (self._order + 1) % len(_ORDERS)
        self._fill()

    def _fill(self) -> None:
        order = list(_ORDERS)[self._order]
        self._stretches.sort(key=_ORDERS[order])
        table = self.query_one(DataTable)
        of = "∂L/∂c" if self._stretches[0].culprits.of == "c" else "∂L/∂h"
        table.border_title = f"triage of {of} at step {self._step}: {order}"
        table.clear()
        for row in self._rows():
            table.add_row(*(Text(cell, no_wrap=True) for cell in row))

    def _rows(self) -> list[tuple[str, ...]]:
        """As many words as there is room for: what is cut first is never who did it."""
        room = min(_WIDEST, self.app.size.width * _SHARE // 100) - _FRAME
        briefly = partial(figures, brief=True)
        ways = ((blame, False), (figures, False), (figures, True), (briefly, True))
        for told, brief in ways:
            rows = [self._row(stretch, told, brief) for stretch in self._stretches]
            widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
            if sum(widths) + _PADDING * len(_COLUMNS) <= room:
                break
        return rows

    def _row(
        self, stretch: Stretch, told: Callable[[Culprits, str], str], brief: bool
    ) -> tuple[str, ...]:
        network = self._run.scenario.network
        unit = "step" if self._run.recurrent else "layer"
        who = told(stretch.culprits, ARCHITECTURES[network.kind].layer.hop_weight)
        return (
            where(stretch, network.depth, self._run.span, brief=brief),
            half_life(stretch.halving, unit, brief=brief),
            "all" if stretch.halving == 0.0 else f"{stretch.decades:+.2f}",
            who.removeprefix("of dL/dc, "),
        )

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """Go there."""
        self.dismiss(self._stretches[message.cursor_row].at)


def where(stretch: Stretch, depth: int, span: int, *, brief: bool = False) -> str:
    """Which hops a stretch has, from the loss on: "layer 2, steps 100-92"; in brief "L2 100-92"."""
    places = f"{stretch.near}-{stretch.far}"
    if stretch.culprits.axis == "layer":
        return f"layers {places}"
    steps = "all steps" if (stretch.near, stretch.far) == (span, 1) else f"steps {places}"
    if depth == 1:
        return steps
    layer = stretch.culprits.layer
    return f"L{layer} {steps.removeprefix('steps ')}" if brief else f"layer {layer}, {steps}"
