"""The middle of the Lab: caption, plot, one of the views and the verdict, shown together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from tui.lab.caption import Caption
from tui.lab.inspection import InspectionView
from tui.lab.plot import WAITING, GradientPlot, axes_of
from tui.lab.timeline import Timeline
from tui.lab.verdict import VerdictBar
from tui.lab.views import VIEWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.lab.live import LiveRun, Pin
    from tui.lab.session import Session
    from tui.lab.view import View
    from tui.terminal import Colours


class Picture(Vertical):
    """What a run looks like."""

    def __init__(self, *, colours: Colours, unicode: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.caption = Caption(id="caption")
        self.timeline = Timeline(id="timeline")
        self._plot = GradientPlot(colours=colours, unicode=unicode, id="plot")
        self._views = [view(colours=colours, unicode=unicode) for view in VIEWS]
        self._chosen = 0
        #: For each view, the one that its key leads back to.
        self._before = [0] * len(VIEWS)
        self._verdict = VerdictBar(id="verdict")

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self.caption
        yield self.timeline
        yield self._plot
        for number, view in enumerate(self._views):
            view.display = number == self._chosen
            yield view
        yield self._verdict

    def on_mount(self) -> None:
        """For those who have a mouse."""
        self._plot.tooltip = "Level is healthy. Down to the left vanishes, up to the left explodes."
        self._verdict.tooltip = "From the loss to the far end: beyond 3 decades it is not healthy."

    def show(self, session: Session) -> None:
        """Draw what the session has by now."""
        live = session.live
        self.timeline.show(live)
        self.show_curves(session)
        self._verdict.show(live, session.device, session.pace.per_second)

    def show_curves(self, session: Session) -> None:
        """Draw plot and view alone: other runs are pinned."""
        note = "no picture: this run failed" if session.failure is not None else WAITING
        cursor = isinstance(self.view, InspectionView)
        self._plot.show(session.live, session.curves, note, cursor)
        if session.live is not None:
            self._plot.entitle(_plot_title(session.live, session.curves))
        self.view.show(session.live, session.curves)

    @property
    def view(self) -> View:
        """The view in sight."""
        return self._views[self._chosen]

    def turn_view(self, by: int, session: Session) -> None:
        """Show the next view that fits the run, `by` places after this one, going round."""
        number = (self._chosen + by) % len(self._views)
        live = session.live
        while live is not None and not self._views[number].fits(live):
            number = (number + by) % len(self._views)
        self._show_view(number, session)

    def toggle_view(self, kind: type[View], session: Session) -> None:
        """Show the view of this kind; the one before it again where it is in sight already."""
        wanted = next(number for number, view in enumerate(self._views) if type(view) is kind)
        self._show_view(self._before[wanted] if wanted == self._chosen else wanted, session)

    def _show_view(self, number: int, session: Session) -> None:
        back = self._chosen
        if isinstance(self.view, InspectionView):
            # Nobody comes back to it: its keys are those of the cursor, which only `o` gives it.
            back = self._before[back]
        if back != number:
            self._before[number] = back
        self.view.display = False
        self._chosen = number
        self.view.display = True
        self.show_curves(session)

    def show_failure(self, line: str | None) -> None:
        """Say why a run did not come about, None if it did."""
        self._verdict.show_failure(line)


def _plot_title(live: LiveRun, pins: Sequence[Pin]) -> str:
    mixed = len(axes_of(live, pins)) > 1
    per = "hop" if mixed else "time step" if live.recurrent else "layer"
    depth = live.scenario.network.depth
    where = f", layer {live.layer} of {depth}" if live.recurrent and depth > 1 else ""
    return f"log10 of |∂L/∂h| per {per}{where}"
