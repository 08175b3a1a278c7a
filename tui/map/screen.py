"""The Map screen: controls on the left, the map beside them, the point under the cursor below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from scenarios.errors import ScenarioError
from tui.keybar import KeyBar
from tui.lab.controls import Controls
from tui.map.knobs import SOURCE, choices_of, chosen_of, knobs_for, turned
from tui.map.reading import Reading
from tui.map.session import MapSession, State
from tui.map.view import MapView
from tui.modes import LAB, MAP
from tui.sizes import HEIGHTS, WIDTHS, TooSmall, classes_for
from tui.titlebar import TitleBar

if TYPE_CHECKING:
    from textual.geometry import Size

    from scenarios.scenario import Scenario
    from tui.app import NablascopeApp

#: Pictures a second, at most.
FRAME_RATE = 12


class MapScreen(Screen[None]):
    """A sweep over two fields. It goes on behind another screen, and is drawn when in sight."""

    app: NablascopeApp

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDING_GROUP_TITLE = "The map"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "run", tooltip="Fill in the map, stop, or go on"),
        Binding("tab", "next_part", "controls", False, priority=True, tooltip="Controls or map"),
        Binding("b", "side_panel", "Side panel", show=False, tooltip="Hide or show the controls"),
        Binding("escape", "leave", "back", key_display="esc", tooltip="Back to the Lab"),
    ]

    def __init__(self, lab: Scenario, size: Size) -> None:
        super().__init__(classes=classes_for(size))
        app = self.app
        self.session = MapSession(lab, app.make_sweep_worker(), app.clock)
        self._error: tuple[str, str] | None = None
        #: Whether something has come that is not drawn yet.
        self._due = False

    def compose(self) -> ComposeResult:
        """Few widgets: each draws its own lines."""
        app, session = self.app, self.session
        yield TitleBar(MAP, id="title")
        with Horizontal(id="body"):
            yield Controls(id="controls")
            yield MapView(session, colours=app.colours, unicode=app.unicode, id="map")
        yield Reading(session, id="reading")
        yield KeyBar(id="keys")
        yield TooSmall(id="too-small")

    def on_mount(self) -> None:
        """Find the parts once."""
        self._title = self.query_one(TitleBar)
        self._controls = self.query_one(Controls)
        self._view = self.query_one(MapView)
        self._reading = self.query_one(Reading)
        self._controls.border_title = "controls"
        self._timer = self.set_interval(1 / FRAME_RATE, self._tick, pause=True)
        self._view.focus()
        self._started_over()

    def on_screen_resume(self) -> None:
        """The Lab may have another network by now."""
        if hasattr(self, "_view") and self.session.follow(self.app.lab.scenario):
            self._started_over()

    def on_unmount(self) -> None:
        """Let go of the sweep."""
        self.session.close()

    @property
    def label(self) -> str:
        """What a saved picture of it is called."""
        return self.session.sweep.name

    @property
    def scenario(self) -> Scenario | None:
        """What runs at the cursor, None where its values do not go together."""
        try:
            return self.session.scenario_at(*self._view.cursor)
        except ScenarioError:
            return None

    # Drawing

    def _tick(self) -> None:
        news = self.session.poll()
        # What came is kept; a picture of it is drawn if it is in sight and the terminal is ready.
        self._due |= news
        if self._due and self.app.current_mode == MAP and not self.app.output_pending:
            self._due = False
            self._show_map()
        if not self.session.busy and not self._due:
            self._timer.pause()

    def _show_map(self) -> None:
        session = self.session
        self._title.show(session.title, None if session.state is State.READY else session.state)
        self._view.show()
        self._read()

    def _show_settings(self) -> None:
        session = self.session
        self._controls.show(knobs_for(session.setup, session.origin), self._error)

    @on(MapView.Moved)
    def _read(self) -> None:
        self._reading.show(self._view.cursor, self._view.mark)

    def _started_over(self) -> None:
        """Another map."""
        self._error = None
        self._due = False
        self._show_settings()
        self._view.start_over()
        self._show_map()
        self._timer.resume()

    def open_sweep(self, name: str) -> None:
        """Map a sweep of the catalogue."""
        if self.is_mounted:
            self._change(SOURCE, name)
        else:
            self.session.choose(SOURCE, name, self.app.lab.scenario)

    # Controls

    def _change(self, key: str, value: object) -> None:
        try:
            self.session.choose(key, value, self.app.lab.scenario)
        except ScenarioError as error:
            self._error = (error.key or key, error.allowed)
            self._show_settings()
            return
        self._started_over()

    @on(Controls.Turned)
    def _turn(self, message: Controls.Turned) -> None:
        # Its value may have moved on since the key was pressed.
        knobs = knobs_for(self.session.setup, self.session.origin)
        key = message.knob.field.key
        knob = next((knob for knob in knobs if knob.field.key == key), message.knob)
        value = turned(self.session.setup, knob, message.by)
        if value != knob.value:
            self._change(key, value)

    @on(Controls.Entered)
    def _enter(self, message: Controls.Entered) -> None:
        self._change(message.knob.field.key, message.value)

    @on(Controls.Restored)
    def _restore(self, message: Controls.Restored) -> None:
        key = message.knob.field.key
        origin = self.session.origin
        before = {knob.field.key: knob.value for knob in knobs_for(origin, origin)}
        if message.knob.changed and key in before:
            self._change(key, before[key])

    @on(Controls.ListWanted)
    def _list(self, message: Controls.ListWanted) -> None:
        from tui.lab.choices import ChoiceScreen

        knob = message.knob

        def chosen(value: str | None) -> None:
            # The Lab's network may be another one by now.
            if value is not None:
                self._change(knob.field.key, value)

        setup = self.session.setup
        listed = choices_of(setup, knob.field.key)
        screen = ChoiceScreen(knob.title.strip(), listed, chosen_of(setup, knob))
        self.app.push_screen(screen, chosen)

    # Keys

    def action_play(self) -> None:
        """Run, stop, or go on."""
        self.session.toggle()
        self._show_map()
        self._timer.resume()

    @on(MapView.Zoomed)
    def _zoom(self, message: MapView.Zoomed) -> None:
        if self.session.zoom(message.one, message.other):
            self._started_over()
        else:
            self.notify("There is nothing between the two that is not on the map.", timeout=4)

    @on(MapView.Unzoomed)
    def _unzoom(self) -> None:
        if self.session.unzoom():
            self._started_over()
        else:
            self.notify("This is the whole map: z at two corners zooms in.", timeout=4)

    @on(MapView.Opened)
    def _open(self) -> None:
        try:
            scenario = self.session.scenario_at(*self._view.cursor)
        except ScenarioError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.app.open_in_lab(scenario)

    def action_next_part(self) -> None:
        """From the map to the controls and back."""
        if self._controls.display:
            self.set_focus(self._view if self._controls.has_focus else self._controls)

    def action_side_panel(self) -> None:
        """Hide or show the controls."""
        self._controls.display = not self._controls.display
        if not self._controls.display:
            self.set_focus(self._view)

    def action_leave(self) -> None:
        """Forget the corner of a zoom, or go back to the Lab."""
        if not self._view.drop_mark():
            self.app.switch_mode(LAB)
