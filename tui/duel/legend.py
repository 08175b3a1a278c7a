"""What the lines of a duel's plots are, once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tui.lab.plot import LIVE_MARKER
from tui.strips import StripWidget, ranked_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Size
    from textual.strip import Strip

    from tui.lab.live import LiveRun


class DuelLegend(StripWidget):
    """One line; it names what any of the plots shows."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "plot--live",
        "plot--start",
        "plot--theory",
        "plot--band",
        "plot--note",
    }

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._runs: Sequence[LiveRun] = ()

    def show(self, runs: Sequence[LiveRun]) -> None:
        """Name what these runs' plots show."""
        self._runs = runs
        self.redraw()

    def draw(self, size: Size) -> list[Strip]:
        from tui.theory_words import curve_names

        note = self.get_component_rich_style("plot--note", partial=True)
        entries = [("live", LIVE_MARKER, "now", 3)]
        if any(run.frame is not run.first for run in self._runs):
            entries.append(("start", "──", "before training", 1))
        found = [run.prediction for run in self._runs if run.theory is not None]
        names = dict.fromkeys(curve_names(one)[-1] for one in found if one is not None)
        if names:
            entries.append(("theory", "╍╍", f"{', '.join(names)} at step 0", 2))
        entries.append(("band", "╌╌", "3 decades from the loss", 0))
        parts = []
        for name, line, words, rank in entries:
            style = self.get_component_rich_style(f"plot--{name}", partial=True)
            parts += [(f" {line} ", style, rank), (f"{words}  ", note, rank)]
        return [ranked_line(size.width, *parts)]
