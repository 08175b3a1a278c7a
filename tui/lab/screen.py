"""The Lab screen: puts its parts together and turns keys into what the session does."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import OptionList

from scenarios.changes import original
from scenarios.errors import ScenarioError
from tui.keybar import KeyBar
from tui.lab.catalogue import Catalogue
from tui.lab.controls import Controls
from tui.lab.inspection import InspectionView
from tui.lab.knobs import knobs_of, stepped
from tui.lab.looking import LookingScreen
from tui.lab.picture import Picture
from tui.lab.remedies import KEYS, bindings_of_remedies
from tui.lab.session import GO_ON, PAUSE, RERUN, Session, State
from tui.modes import LAB
from tui.sizes import HEIGHTS, WIDTHS, TooSmall, classes_for
from tui.titlebar import TitleBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Size

    from engine.frame import Frame
    from scenarios.scenario import Scenario
    from tui.app import NablascopeApp

#: Pictures a second, at most.
FRAME_RATE = 12
#: What switching training on gives where the scenario itself does not train.
DEFAULT_STEPS = 100


class LabScreen(LookingScreen):
    """Catalogue and controls on the left, the live picture beside them, the verdict below."""

    app: NablascopeApp

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDING_GROUP_TITLE = "The Lab"
    BINDINGS: ClassVar[list[BindingType]] = [
        # One at a time, by what the run is doing.
        *(
            Binding("space", f"play('{what}')", what, tooltip="Pause, go on, or start again")
            for what in (PAUSE, GO_ON, RERUN)
        ),
        Binding("n", "step", "step", show=False, tooltip="One training step, then wait"),
        Binding("r", "reset", "reset", show=False, tooltip="Back to step 0"),
        Binding("p", "pin", "pin", tooltip="Keep this run in the plot"),
        Binding("v", "turn_view(1)", "view", tooltip="The next view under the plot"),
        Binding(
            "V", "turn_view(-1)", "View", show=False, tooltip="The view before it, under the plot"
        ),
        Binding("c", "compare", "compare", show=False, tooltip="The runs in the plot as a table"),
        Binding("x", "remedies", "cure", tooltip="What could be done about it: the remedies"),
        Binding("P", "unpin", "Unpin", show=False, tooltip="Let the latest pinned run go"),
        # These two before anything else: keys typed right after them belong to the new focus.
        Binding(
            "slash",
            "search",
            "find",
            key_display="/",
            tooltip="Search the catalogue; enter runs the best match",
            priority=True,
        ),
        Binding("tab", "next_part", "Next", False, priority=True, tooltip="Catalogue or controls"),
        Binding("l", "next_layer", "Layer", show=False, tooltip="Judge another layer"),
        Binding("m", "more", "More", show=False, tooltip="Every setting, or the main ones"),
        Binding("b", "side_panel", "Side panel", show=False, tooltip="Hide or show the left side"),
        Binding("i", "about", "About", show=False, tooltip="The scenario's question in full"),
        Binding("escape", "leave", "Leave", show=False, tooltip="Back to the catalogue, all of it"),
        *bindings_of_remedies(),
    ]

    def __init__(self, scenario: Scenario, size: Size) -> None:
        super().__init__(classes=classes_for(size))
        app = self.app
        self.session = Session(scenario, app.make_worker, app.clock, app.received, app.device)
        self._everything = False
        self._error: tuple[str, str] | None = None
        self._toggling = ""

    def compose(self) -> ComposeResult:
        """Few widgets: each draws its own lines."""
        from scenarios.catalogue import entries

        app = self.app
        yield TitleBar(LAB, id="title")
        with Horizontal(id="body"):
            with Vertical(id="side"):
                yield Catalogue(entries(), self.run_scenario, id="catalogue")
                yield Controls(id="controls")
            yield Picture(colours=app.colours, unicode=app.unicode, id="picture")
        yield KeyBar(id="keys")
        yield TooSmall(id="too-small")

    def on_mount(self) -> None:
        """Find the parts once, and start the engine when the first picture is on the screen."""
        self._title = self.query_one(TitleBar)
        self._catalogue = self.home = self.query_one(Catalogue)
        self._controls = self.query_one(Controls)
        self._picture = self.query_one(Picture)
        self._timer = self.set_interval(1 / FRAME_RATE, self._tick, pause=True)
        self._controls.border_title = "controls"
        self._catalogue.mark(self.session.scenario.name)
        self._catalogue.point_at(self.session.scenario.name)
        self._show_settings()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        # A key may have been quicker.
        self.session.start(paused=self.session.state is State.PAUSED)
        self._restarted()

    def on_unmount(self) -> None:
        """Take the engine along."""
        self.session.close()

    # Drawing

    def _tick(self) -> None:
        # A terminal that is still busy with the picture before gets none on top: dropped, not
        # queued. Behind another screen the run goes on unseen.
        if self.app.output_pending or self.app.current_mode != LAB:
            return
        news = self.session.poll()
        wanted = self._picture.view.wants
        if wanted is not None and self.session.ask(wanted):
            news = True
        if news:
            self._show_run()
        self.session.catch_up()
        while self.session.notices:
            self.notify(self.session.notices.pop(0), severity="warning", markup=False)
        if self.session.quiet:
            self._timer.pause()

    def take_in(self) -> None:
        """Take in what the engine has said, whatever screen is in sight."""
        if self.session.poll():
            self._show_run()

    def _show_run(self) -> None:
        session = self.session
        if session.failure is not None:
            self._fail(*session.failure)
        self._show_state()
        self._picture.show(session)

    def _show_state(self) -> None:
        self._title.show(self.session.title, self.session.state)
        if self.session.toggling != self._toggling:
            self._toggling = self.session.toggling
            self.refresh_bindings()

    def _show_settings(self) -> None:
        session = self.session
        knobs = knobs_of(session.scenario, session.origin, self._everything)
        self._controls.show(knobs, self._error)
        self._show_state()
        self._explain()

    def _fail(self, key: str, line: str) -> None:
        """Show one line by the control it is about, or under the picture if it is about none."""
        if key in self.session.scenario.values() and self.query_one("#side").display:
            self._error = (key, line)
            self._show_settings()
        else:
            self._picture.show_failure(line)

    def _explain(self) -> None:
        """What to look for; for a control under the cursor, what it does."""
        knob = self._controls.highlighted
        scenario, treatment = self.session.origin, self.session.treatment
        if self._controls.has_focus and knob is not None:
            self._picture.caption.show(f"{knob.title}:", knob.field.help)
            return
        entry = self._catalogue.highlighted_entry
        if entry is not None and entry.name != scenario.name and self._catalogue.has_focus:
            self._picture.caption.show(f"Enter runs {entry.title}:", entry.question)
        elif treatment is not None:
            self._picture.caption.show(f"{treatment.remedy.title}:", treatment.remedy.about)
        else:
            self._picture.caption.show("", scenario.question)

    # Scenarios and settings

    def _restarted(self) -> None:
        self._error = None
        self._picture.show_failure(None)
        self._show_settings()
        self._timer.resume()

    def run_scenario(self, name: str) -> None:
        """Run a scenario of the catalogue."""
        from scenarios.scenario import load

        try:
            self.session.choose(load(name))
        except ScenarioError as error:
            self._picture.show_failure(str(error))
            return
        self._catalogue.mark(name)
        self._catalogue.point_at(name)
        self._restarted()

    def show_stored(self, scenario: Scenario, frames: Sequence[Frame], label: str) -> None:
        """Show a run as it was stored, under its own settings."""
        self.session.show_stored(scenario, frames, label)
        self._catalogue.mark(scenario.name)
        self._catalogue.point_at(scenario.name)
        self._restarted()
        self._show_run()

    def show_compared(self) -> None:
        """The runs in the plot as a table."""
        from tui.lab.compare import CompareView

        if not isinstance(self._picture.view, CompareView):
            self.action_compare()
        self._picture.show_curves(self.session)

    def run_unlisted(self, scenario: Scenario) -> None:
        """Run a scenario that the catalogue does not have, or has with other values."""
        self.session.choose(scenario, original(scenario))
        self._catalogue.mark(scenario.name)
        self._catalogue.point_at(scenario.name)
        self._restarted()

    @property
    def label(self) -> str:
        """What a saved picture of it is called."""
        return self.session.label

    @property
    def scenario(self) -> Scenario:
        """What runs."""
        return self.session.scenario

    def change(self, key: str, value: object) -> None:
        """Run with another value, or say by the control why not."""
        try:
            self.session.change({key: value})
        except ScenarioError as error:
            self._error = (key, str(error))
            self._show_settings()
            return
        self._restarted()

    @on(Controls.Turned)
    def _turn(self, message: Controls.Turned) -> None:
        # Its value may have moved on since the key was pressed.
        knobs = knobs_of(self.session.scenario, self.session.origin, True)
        knob = next((k for k in knobs if k.field is message.knob.field), message.knob)
        kind = self.session.scenario.network.kind
        steps = self.session.origin.training.steps or DEFAULT_STEPS
        value = stepped(knob, kind, message.by, steps)
        if value != knob.value:
            self.change(knob.field.key, value)

    @on(Controls.Entered)
    def _enter(self, message: Controls.Entered) -> None:
        self.change(message.knob.field.key, message.value)

    @on(Controls.Restored)
    def _restore(self, message: Controls.Restored) -> None:
        value = self.session.origin.values().get(message.knob.field.key)
        if message.knob.changed and value is not None:
            self.change(message.knob.field.key, value)

    @on(Controls.ListWanted)
    def _list(self, message: Controls.ListWanted) -> None:
        from tui.lab.choices import ChoiceScreen, choices_with_titles

        knob = message.knob

        def chosen(value: str | None) -> None:
            if value is not None and value != knob.value:
                self.change(knob.field.key, value)

        listed = choices_with_titles(self.session.scenario.network.kind, knob.field)
        self.app.push_screen(ChoiceScreen(knob.title, listed, str(knob.value)), chosen)

    @on(Controls.Highlighted)
    @on(OptionList.OptionHighlighted, "#catalogue")
    def _look(self) -> None:
        self._explain()

    @on(events.DescendantFocus)
    def _look_elsewhere(self) -> None:
        self._explain()

    # Keys

    def action_play(self, _what: str) -> None:
        """Pause, go on, or start again."""
        self.session.toggle()
        self._after_key()

    def action_step(self) -> None:
        """One training step."""
        if self.session.live is not None:
            self.session.live.recalled = None
        if not self.session.step():
            self.notify("No training step is left: r goes back to step 0.", timeout=4)
        self._after_key()

    def action_reset(self) -> None:
        """Back to step 0."""
        self.session.reset()
        self._restarted()

    def _after_key(self) -> None:
        self._show_state()
        self._timer.resume()

    def action_pin(self) -> None:
        """Keep this run in the plot."""
        self.session.once_shown(lambda: self._pinned(self.session.pin()))

    def _pinned(self, refusal: str | None) -> None:
        if refusal is not None:
            self.notify(refusal, timeout=4)
        self._picture.show_curves(self.session)

    def action_unpin(self) -> None:
        """Let the latest pinned run go."""
        self._pinned(self.session.unpin())

    def action_remedies(self) -> None:
        """List the remedies, and why some do not apply."""
        from tui.lab.remedies import RemedyScreen

        treatment = self.session.treatment
        scenario = self.session.scenario if treatment is None else treatment.before
        in_force = None if treatment is None else treatment.remedy

        def chosen(key: str | None) -> None:
            if key is not None:
                self.action_treat(key)

        screen = RemedyScreen(scenario, in_force, self.session.untreated_frames)
        self.app.push_screen(screen, chosen)

    def action_treat(self, key: str) -> None:
        """Apply the remedy of this key, or take it away again."""
        self.session.once_shown(lambda: self._treat(key))

    def _treat(self, key: str) -> None:
        try:
            refusal = self.session.treat(KEYS[key])
        except ScenarioError as error:
            refusal = f"{KEYS[key].title}: {error}"
        if refusal is not None:
            self.notify(refusal, timeout=6, markup=False)
            return
        self._restarted()
        self._picture.show_curves(self.session)

    def action_turn_view(self, by: int) -> None:
        """Another view under the plot."""
        looking = self._picture.view.has_focus
        self._picture.turn_view(by, self.session)
        self._looked_away(looking)

    def action_compare(self) -> None:
        """The runs in the plot as a table, or the view before it again."""
        from tui.lab.compare import CompareView

        looking = self._picture.view.has_focus
        self._picture.toggle_view(CompareView, self.session)
        self._looked_away(looking)

    def action_next_layer(self) -> None:
        """Judge another layer of a deep recurrent net."""
        if self.session.next_layer() is None:
            self.notify("Only a recurrent net of several layers has a choice here.", timeout=4)
        self._show_run()
        # The view may want something of that layer.
        self._timer.resume()

    def action_more(self) -> None:
        """Show every setting, or the main ones."""
        self._everything = not self._everything
        self._show_settings()

    def go_to_setting(self, key: str) -> None:
        """Put the cursor on a control, even if only every setting has it."""
        self.query_one("#side").display = True
        main = knobs_of(self.session.scenario, self.session.origin, False)
        if key not in [knob.field.key for knob in main]:
            self._everything = True
            self._show_settings()
        self.set_focus(self._controls)
        self._controls.point_at(key)

    def action_side_panel(self) -> None:
        """Hide or show catalogue and controls."""
        side = self.query_one("#side")
        side.display = not side.display
        if side.display:
            self._catalogue.focus()

    async def action_search(self) -> None:
        """Type to narrow the catalogue."""
        from tui.lab.search import Search

        side = self.query_one("#side")
        side.display = True
        if not side.query(Search):
            await side.mount(Search(self._catalogue), before=0)
        self.set_focus(side.query_one(Search))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What Space does at the moment; a slash that is typed into something is a slash."""
        if action == "play":
            return parameters == (self.session.toggling,)
        if action == "search":
            from tui.lab.search import Search

            return not isinstance(self.focused, Search) and not self._controls.typing
        return super().check_action(action, parameters)

    def action_next_part(self) -> None:
        """From the catalogue to the controls and back."""
        self.set_focus(self._catalogue if self._controls.has_focus else self._controls)

    def action_about(self) -> None:
        """Show the scenario's question in full."""
        from tui.lab.about import AboutScreen
        from tui.theory_words import in_full

        live = self.session.live
        theory = ""
        if live is not None and live.prediction is not None:
            theory = in_full(live.prediction, live.theory_silence, live.comparison)
        origin, changed = self.session.origin, ", ".join(self.session.changes)
        title, source = f"{origin.title} ({origin.name})", origin.source_text
        about = {"from": source, "changed": changed, "theory": theory}
        self.app.push_screen(AboutScreen(title, origin.question, **about))

    def action_leave(self) -> None:
        """Back to the catalogue, all of it; a value that was refused is forgotten."""
        from tui.lab.search import Search

        if self._error is not None and self.session.failure is None:
            self._error = None
            self._show_settings()
        for search in self.query(Search):
            search.action_close()
        if isinstance(self._picture.view, InspectionView):
            self._close_inspection()
        self._catalogue.focus()
