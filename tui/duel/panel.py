"""One side of a duel: a run of its own, its plot, and what became of its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from tui.duel.verdict import DuelVerdict
from tui.lab.plot import WAITING, GradientPlot
from tui.lab.session import Session

if TYPE_CHECKING:
    from scenarios.duels.definition import Panel
    from tui.app import NablascopeApp


class DuelPanel(Vertical, can_focus=True):
    """A plot and its verdict.

    Attributes:
        panel: what runs.
        session: the run.
    """

    app: NablascopeApp

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        app = self.app
        self.panel = panel
        self.session = Session(panel.scenario, app.make_worker, app.clock, None, app.device)
        self.plot = GradientPlot(colours=app.colours, unicode=app.unicode)
        self.plot.add_class("duel-plot")
        self._verdict = DuelVerdict()
        self._verdict.add_class("duel-verdict")

    def compose(self) -> ComposeResult:
        """The picture above the words."""
        yield self.plot
        yield self._verdict

    def on_mount(self) -> None:
        """Say what runs here."""
        self._mark(chosen=self.has_focus)

    def on_focus(self) -> None:
        """Show, also without colours, that keys are about this one."""
        self._mark(chosen=True)

    def on_blur(self) -> None:
        """Show that they no longer are."""
        self._mark(chosen=False)

    def _mark(self, *, chosen: bool) -> None:
        self.plot.border_title = f"▸ {self.panel.title}" if chosen else self.panel.title

    def show(self) -> None:
        """Draw what the run has come to; the plot's axes are the screen's to set."""
        session = self.session
        failure = session.failure
        self._verdict.show(session.live, session.device, session.pace.per_second)
        self._verdict.show_failure(None if failure is None else failure[1])
        note = WAITING if failure is None else "no picture: this run failed"
        self.plot.show(session.live, (), note)
