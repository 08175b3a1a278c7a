"""Triage: the worst stretches of a frame's gradients first, and who did it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    from tui.lab.live import LiveRun

#: Columns from which on the culprits are told in a sentence.
_ROOMY = 110

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
        table.add_columns("where", "half-life", "decades", "who did it")
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
        for stretch in self._stretches:
            table.add_row(*self._row(stretch))

    def _row(self, stretch: Stretch) -> list[Text]:
        layer = ARCHITECTURES[self._run.scenario.network.kind].layer
        unit = "step" if self._run.recurrent else "layer"
        told = blame if self.app.size.width >= _ROOMY else figures
        who = told(stretch.culprits, layer.hop_weight).removeprefix("of dL/dc, ")
        cells = (
            where(stretch, self._run.scenario.network.depth, self._run.span),
            half_life(stretch.halving, unit),
            "all" if stretch.halving == 0.0 else f"{stretch.decades:+.2f}",
            who,
        )
        return [Text(cell, no_wrap=True) for cell in cells]

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """Go there."""
        self.dismiss(self._stretches[message.cursor_row].at)


def where(stretch: Stretch, depth: int, span: int) -> str:
    """Which hops a stretch has, from the loss on: "layer 2, steps 100-92"."""
    places = f"{stretch.near}-{stretch.far}"
    if stretch.culprits.axis == "layer":
        return f"layers {places}"
    steps = "all steps" if (stretch.near, stretch.far) == (span, 1) else f"steps {places}"
    return steps if depth == 1 else f"layer {stretch.culprits.layer}, {steps}"
