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


#: The curve before training, theory's, and the band within which a gradient is healthy.
_SIGNS, _ASCII_SIGNS = ("──", "╍╍", "╌╌"), ("..", "- -", "---")


class DuelLegend(StripWidget):
    """One line; it names what any of the plots shows."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "plot--live",
        "plot--start",
        "plot--theory",
        "plot--band",
        "plot--note",
    }

    def __init__(self, *, unicode: bool, id: str) -> None:
        super().__init__(id=id)
        # In ASCII a curve is dots, and what differs in height alone would be the same dashes.
        self._start, self._theory, self._band = _SIGNS if unicode else _ASCII_SIGNS
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
            entries.append(("start", self._start, "before training", 1))
        found = [run.prediction for run in self._runs if run.theory is not None]
        names = dict.fromkeys(curve_names(one)[-1] for one in found if one is not None)
        if names:
            entries.append(("theory", self._theory, f"{', '.join(names)} at step 0", 2))
        entries.append(("band", self._band, "3 decades from the loss", 0))
        parts = []
        for name, line, words, rank in entries:
            style = self.get_component_rich_style(f"plot--{name}", partial=True)
            parts += [(f" {line} ", style, rank), (f"{words}  ", note, rank)]
        return [ranked_line(size.width, *parts)]
