"""The Duel screen: two to four scenarios on the same axes, started, paused and stepped together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.screen import Screen

from tui.duel.legend import DuelLegend
from tui.duel.panel import DuelPanel
from tui.keybar import KeyBar
from tui.lab.axis import StickyRange
from tui.lab.caption import Caption
from tui.lab.session import GO_ON, PAUSE, RERUN, State
from tui.sizes import HEIGHTS, WIDTHS, TooSmall, classes_for
from tui.titlebar import TitleBar

if TYPE_CHECKING:
    from textual.geometry import Size

    from scenarios.duels.definition import Duel
    from scenarios.scenario import Scenario
    from tui.app import NablascopeApp

#: Pictures a second, at most.
FRAME_RATE = 8
#: Panels that stand in one row; four make two rows.
_IN_A_ROW = 3


class DuelScreen(Screen[None]):
    """Small multiples. Each panel's run has an engine of its own."""

    app: NablascopeApp

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDING_GROUP_TITLE = "The duel"
    BINDINGS: ClassVar[list[BindingType]] = [
        # One at a time, by what the runs are doing.
        *(
            Binding("space", f"play('{what}')", what, tooltip="Pause all, go on, or start again")
            for what in (PAUSE, GO_ON, RERUN)
        ),
        Binding("n", "step", "step", tooltip="One training step of each, then wait"),
        Binding("r", "reset", "reset", show=False, tooltip="All back to step 0"),
        Binding("tab,right,down", "choose(1)", "panel", True, "←→", True, "The next panel"),
        Binding("shift+tab,left,up", "choose(-1)", "Panel", False, None, True, "The panel before"),
        Binding("enter", "open", "Lab", key_display="enter", tooltip="Go on with it in the Lab"),
        Binding("i", "about", "more", tooltip="The question in full"),
        Binding("D", "app.duel", "another", tooltip="Another duel"),
        Binding("escape", "leave", "back", key_display="esc", tooltip="Where you were"),
    ]

    def __init__(self, duel: Duel, size: Size, mode: str) -> None:
        super().__init__(classes=classes_for(size))
        self._duel, self._mode = duel, mode
        self._panels = [DuelPanel(panel) for panel in duel.panels]
        self._told = ""

    def compose(self) -> ComposeResult:
        """The question, then the panels."""
        yield TitleBar(self._mode, id="title")
        yield Caption(id="question")
        with Grid(id="duel") as grid:
            count = len(self._panels)
            grid.styles.grid_size_columns = count if count <= _IN_A_ROW else (count + 1) // 2
            for panel in self._panels:
                panel.set_class(count > _IN_A_ROW, "-half")
                yield panel
        yield DuelLegend(unicode=self.app.unicode, id="legend")
        yield KeyBar(id="keys")
        yield TooSmall(id="too-small")

    def on_mount(self) -> None:
        """Start all engines when the first picture is on the screen."""
        self._title = self.query_one(TitleBar)
        self._legend = self.query_one(DuelLegend)
        self._title.show(self._duel.title, State.STARTING)
        self.query_one(Caption).show("", self._duel.question)
        self._panels[0].focus()
        self._timer = self.set_interval(1 / FRAME_RATE, self._tick, pause=True)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        for panel in self._panels:
            # A key may have been quicker.
            panel.session.start(paused=panel.session.state is State.PAUSED)
        self._timer.resume()

    def on_unmount(self) -> None:
        """Take the engines along; they end at the same time."""
        for panel in self._panels:
            panel.session.leave()
        for panel in self._panels:
            panel.session.close()

    @property
    def label(self) -> str:
        """What a saved picture of it is called."""
        return f"duel-{self._duel.name}"

    @property
    def chosen(self) -> DuelPanel:
        """The panel that keys are about."""
        focused = self.focused
        return focused if isinstance(focused, DuelPanel) else self._panels[0]

    @property
    def scenario(self) -> Scenario:
        """What the chosen panel runs."""
        return self.chosen.session.scenario

    @property
    def state(self) -> State:
        """What the runs are doing, taken together."""
        states = [panel.session.state for panel in self._panels]
        ranked = (State.STARTING, State.RUNNING, State.PAUSED, State.FINISHED, State.DIVERGED)
        return next((state for state in ranked if state in states), State.FAILED)

    @property
    def idle(self) -> bool:
        """Whether all runs are over."""
        return all(panel.session.idle for panel in self._panels)

    # Drawing

    def _tick(self) -> None:
        # Frames are dropped, not queued, as in the Lab; behind another screen the runs go on.
        if self.app.output_pending or not self.is_current:
            return
        news = [panel.session.poll() for panel in self._panels]
        if any(news):
            self._show()
        if all(panel.session.quiet for panel in self._panels):
            self._timer.pause()

    def _show(self) -> None:
        self._show_state()
        for panel in self._panels:
            panel.show()
        self._legend.show([live for panel in self._panels if (live := panel.session.live)])
        self._share_axes()

    def _show_state(self) -> None:
        self._title.show(self._duel.title, self.state)
        if self._toggling != self._told:
            self._told = self._toggling
            self.refresh_bindings()

    def _share_axes(self) -> None:
        extents = [extent for panel in self._panels if (extent := panel.plot.extent()) is not None]
        if not extents:
            return
        reach = StickyRange()
        for limits, _ in extents:
            reach.include(*limits)
        for panel in self._panels:
            panel.plot.share((reach.limits, max(span for _, span in extents)))

    def on_screen_resume(self, _: events.ScreenResume) -> None:
        """Take in what came meanwhile."""
        if hasattr(self, "_timer"):
            self._timer.resume()

    # Keys

    @property
    def _toggling(self) -> str:
        """What Space does: it pauses those that run, or goes on with those that are paused."""
        each = {panel.session.toggling for panel in self._panels}
        return next(what for what in (PAUSE, GO_ON, RERUN) if what in each)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What Space does at the moment."""
        if action == "play":
            return parameters == (self._toggling,)
        return super().check_action(action, parameters)

    def action_play(self, what: str) -> None:
        """Pause all, go on with all, or start again what has ended."""
        for session in [panel.session for panel in self._panels]:
            if session.toggling == what:
                session.toggle()
        self._after_key()

    def action_step(self) -> None:
        """One training step of each."""
        if not any([panel.session.step() for panel in self._panels]):
            self.notify("No training step is left: r goes back to step 0.", timeout=4)
        self._after_key()

    def action_reset(self) -> None:
        """All back to step 0."""
        for panel in self._panels:
            panel.session.reset()
        self._after_key()

    def _after_key(self) -> None:
        self._show_state()
        self._timer.resume()

    def action_choose(self, by: int) -> None:
        """Another panel."""
        place = self._panels.index(self.chosen)
        self._panels[(place + by) % len(self._panels)].focus()

    def action_open(self) -> None:
        """Run the chosen panel's scenario in the Lab."""
        self.app.open_in_lab(self.scenario)

    def action_about(self) -> None:
        """The question in full, and what runs."""
        from tui.lab.about import AboutScreen

        duel = self._duel
        panels = [f"{panel.title}: {panel.scenario.title}." for panel in duel.panels]
        about = {"from": duel.source, "panels": " ".join(panels)}
        self.app.push_screen(AboutScreen(duel.title, duel.question, **about))

    def action_leave(self) -> None:
        """Back to what it was opened from."""
        self.dismiss()
