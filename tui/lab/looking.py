"""Looking closer in the Lab: triage, one place in full, and back through what was."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui.lab.inspection import InspectionView
from tui.lab.timeline import Timeline

if TYPE_CHECKING:
    from textual.timer import Timer
    from textual.widget import Widget

    from tui.lab.picture import Picture
    from tui.lab.session import Session


class LookingScreen(Screen[None]):
    """What the Lab's keys t, o and h do; the Lab itself adds everything else.

    Attributes:
        session: the run looked at.
        home: what has the focus when nothing is looked at any more.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "triage", "triage", show=False, tooltip="The worst layers and steps first"),
        Binding("o", "inspect", "inspect", show=False, tooltip="One layer or time step in full"),
        Binding("h", "history", "history", show=False, tooltip="Back through earlier frames"),
    ]

    session: Session
    home: Widget
    _picture: Picture
    _timer: Timer

    @abstractmethod
    def _show_run(self) -> None:
        """Draw what the session has by now."""

    def _look_again(self) -> None:
        self._show_run()
        # The view may want something that nobody has asked for yet.
        self._timer.resume()

    def action_triage(self) -> None:
        """List the worst stretches of the frame in sight."""
        from engine.stretches import stretches
        from tui.lab.triage import TriageScreen

        live = self.session.live
        found = [] if live is None or live.frame is None else stretches(live.frame)
        if live is None or not found:
            lost = live is not None and live.frame is not None and live.frame.overflow is not None
            why = "the forward pass overflowed" if lost else "there is no hop yet"
            self.notify(f"Nothing to sort: {why}.", timeout=4)
            return

        def chosen(place: tuple[int, int] | None) -> None:
            if place is not None:
                self._go_to(*place)

        self.app.push_screen(TriageScreen(live, found), chosen)

    def _go_to(self, layer: int, step: int) -> None:
        live = self.session.live
        if live is None:
            return
        if live.recurrent and live.layer != layer:
            self.session.judge_layer(layer)
        live.place = step if live.recurrent else layer
        self._open_inspection()

    def action_inspect(self) -> None:
        """Look at one place in full, or at the view before that again."""
        if isinstance(self._picture.view, InspectionView) and self._picture.view.has_focus:
            self._close_inspection()
        else:
            self._open_inspection()

    def _open_inspection(self) -> None:
        if not isinstance(self._picture.view, InspectionView):
            self._picture.toggle_view(InspectionView, self.session)
        self.set_focus(self._picture.view)
        self._look_again()

    @on(InspectionView.Closed)
    def _close_inspection(self) -> None:
        self._picture.toggle_view(InspectionView, self.session)
        self._focus_elsewhere()
        self._look_again()

    @on(InspectionView.Moved)
    def _move_cursor(self, message: InspectionView.Moved) -> None:
        live = self.session.live
        if live is None:
            return
        if message.layers and live.recurrent:
            layer = live.layer + message.layers
            if not 1 <= layer <= live.scenario.network.depth:
                return
            self.session.judge_layer(layer)
        live.place = min(max(live.place + message.places, 1), live.span)
        self._look_again()

    def action_history(self) -> None:
        """Hold the picture at this frame and go back from there, or show what comes again."""
        live = self.session.live
        timeline = self._picture.timeline
        if live is None or live.latest is None:
            self.notify("There is no frame to go back from yet.", timeout=4)
        elif live.recalled is not None and timeline.has_focus:
            self._go_live()
        else:
            if live.recalled is None:
                live.recall(0)
            self._look_again()
            self.set_focus(timeline)

    @on(Timeline.Moved)
    def _recall(self, message: Timeline.Moved) -> None:
        live = self.session.live
        if message.by is None or live is None:
            self._go_live()
            return
        live.recall(message.by)
        self._look_again()

    def _go_live(self) -> None:
        if self.session.live is not None:
            self.session.live.recalled = None
        self._look_again()
        self._focus_elsewhere()

    def _looked_away(self, looking: bool) -> None:
        """Another view is in sight; `looking` if the one before it had the focus."""
        if looking:
            self._focus_elsewhere()
        # The view may want something that nobody has asked for yet.
        self._timer.resume()

    def _focus_elsewhere(self) -> None:
        held = self.session.live is not None and self.session.live.recalled is not None
        self.set_focus(self._picture.timeline if held else self.home)
