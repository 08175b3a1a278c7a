"""The app: one worker factory, one clock, one terminal, and the screens they serve."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual._compositor import CompositorUpdate
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.events import Resize

from scenarios.devices import check_device
from scenarios.errors import ScenarioError
from scenarios.threads import leave_one_core
from tui.flow import Flow
from tui.hangup import leave_with_terminal
from tui.modes import LAB, LEARN, MAP, MODES
from tui.palette import PROVIDERS
from tui.terminal import AsciiFilter, Colours, colours_of, speaks_unicode
from tui.themes import ANSI, DARK, LIGHT
from tui.wire import Wire

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.screen import Screen

    from engine.frame import Frame
    from scenarios.scenario import Scenario
    from scenarios.sweeps.worker import SweepWorker
    from scenarios.worker import Worker
    from tui.lab.screen import LabScreen


#: Seconds that leaving may take at most on a link whose answers are slow.
QUIT_PATIENCE = 2.0
_FAINT_ANSI = "ansi_bright_black"


def _in_full(word: str, tooltip: str) -> str:
    """What a key does, with the word that the line of keys has for it."""
    if not tooltip or word.lower() in tooltip.lower():
        return tooltip or word
    return f"{word[:1].upper()}{word[1:]}: {tooltip}"


class NablascopeApp(App[None]):
    """A gradient lab in a terminal.

    Args:
        scenario: what to open with; the catalogue's first if None.
        device: runs on this device instead of the scenario's own.
        worker_mode: where the engine lives, see `scenarios.worker`.
        clock: seconds, for frames per second.
        colours, unicode: what the terminal can show; asked of it if None.
        folder: where pictures and scenarios are saved.
        store: the file of the run store, None for none.
        received: called with every frame that arrives.
    """

    TITLE = "nablascope"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    DEFAULT_MODE = LAB
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = App.COMMANDS | PROVIDERS
    BINDING_GROUP_TITLE = "Everywhere"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "question_mark",
            "help",
            "help",
            key_display="?",
            tooltip="This screen's keys, and what it shows",
        ),
        *(
            Binding(mode.key, f"switch_mode('{mode.name}')", mode.title, False, tooltip=mode.about)
            for mode in MODES
        ),
        Binding("D", "duel", "Duel", show=False, tooltip="Scenarios side by side, all live"),
        Binding("ctrl+p", "command_palette", "palette", tooltip="Find any command or scenario"),
        Binding("s", "save_picture", "Save picture", show=False, tooltip="Save the picture (SVG)"),
        Binding("w", "save_scenario", "Write scenario", False, tooltip="Write the scenario (TOML)"),
        Binding("ctrl+l", "redraw", "Redraw", show=False, tooltip="Draw the whole screen again"),
        Binding("q", "quit", "quit", tooltip="Leave"),
    ]

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        device: str | None = None,
        worker_mode: Literal["process", "thread"] = "process",
        clock: Callable[[], float] = time.monotonic,
        colours: Colours | None = None,
        unicode: bool | None = None,
        folder: Path | None = None,
        store: Path | None = None,
        received: Callable[[Frame], None] | None = None,
    ) -> None:
        # Without colour Textual would still send greys; with ansi_color it sends none at all.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.colours = colours_of(self) if colours is None else colours
        self.unicode = speaks_unicode() if unicode is None else unicode
        self.clock = clock
        self.received = received
        self.wire = Wire()
        self._flow = Flow()
        # Nothing glides or fades: reduced motion for all, and fewer bytes on a slow link.
        self.animation_level = "none"
        self._scenario = scenario
        self.device = device
        self._worker_mode = worker_mode
        self._folder = folder
        self.store = store
        if not self.unicode:
            self._filters.append(AsciiFilter())
        for theme in (DARK, LIGHT, ANSI):
            self.register_theme(theme)
        self.theme = DARK.name if self.colours == Colours.MANY else ANSI.name
        for mode in MODES:
            self.add_mode(mode.name, partial(mode.make, self))

    def first_scenario(self) -> Scenario:
        """What the Lab opens with."""
        from scenarios.catalogue import names
        from scenarios.scenario import load

        scenario = self._scenario or load(names()[0])
        if self.device is not None:
            scenario = scenario.with_changes({"run.device": self.device}, source="--device")
        return scenario

    def get_css_variables(self) -> dict[str, str]:
        """Textual's, and two greys between foreground and background that need no blending."""
        theme = self.current_theme
        if theme.ansi:
            return {**super().get_css_variables(), "muted": "ansi_default", "faint": _FAINT_ANSI}
        system = theme.to_color_system().generate()
        ground, ink = Color.parse(system["background"]), Color.parse(system["foreground"])
        greys = {"muted": ground.blend(ink, 0.65).hex, "faint": ground.blend(ink, 0.35).hex}
        return {**super().get_css_variables(), **greys}

    def make_worker(self) -> Worker:
        """A fresh engine beside the app."""
        from scenarios.worker import Worker

        return Worker(self._worker_mode, self.store)

    def make_sweep_worker(self) -> SweepWorker:
        """A fresh sweep beside the app."""
        from scenarios.sweeps.worker import SweepWorker

        return SweepWorker(self._worker_mode, self.store)

    @property
    def output_pending(self) -> bool:
        """Whether the terminal still has to take in what was drawn before."""
        if self._flow.waiting:
            return True
        # Textual has no public word for how much its writer thread still holds.
        writer = getattr(self._driver, "_writer_thread", None)
        queue = getattr(writer, "_queue", None)
        return queue is not None and queue.qsize() > 0

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        # Textual has no public place between what it draws and what it sends.
        if isinstance(renderable, CompositorUpdate):
            renderable = self.wire.lean(renderable)
        super()._display(screen, renderable)

    def on_mount(self) -> None:
        """Whoever had the terminal meanwhile left something on it."""
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        # Disabled on the way to the first picture.
        self.call_after_refresh(gc.enable)

    def on_notify(self) -> None:
        """A notice takes the place of the one before: together they would cover the picture."""
        # Textual's own handler adds the new one after this; it would leave the empty holders.
        self.clear_notifications()
        self.screen.query("ToastHolder").remove()

    def on_resize(self, event: Resize) -> None:
        """A terminal of another size shows nobody knows what."""
        self.wire.resize(*event.size)

    def action_redraw(self) -> None:
        """Send everything again, whatever else wrote to the terminal."""
        self.wire.forget()
        self.screen.refresh()

    def post_display_hook(self) -> None:
        """Whatever was drawn, the terminal is asked when it has got there."""
        if self._driver is not None and not self.is_headless:
            self._flow.sent(self._driver.write)

    def on_cursor_position(self) -> None:
        """The terminal has drawn what it was sent."""
        if self._driver is not None:
            self._flow.answered(self._driver.write)

    def action_help_quit(self) -> None:
        """What Ctrl+C does: out of habit it is pressed to leave, and nothing is lost by it here."""
        self.notify("q leaves, and so does ctrl+q where a q would be typed.", timeout=4)

    async def action_quit(self) -> None:
        """Leave, once no answer of the terminal is on its way: the shell would take it as typed."""
        self._flow.close()
        end = time.monotonic() + QUIT_PATIENCE
        while self._flow.waiting and time.monotonic() < end:
            await asyncio.sleep(0.01)
        await super().action_quit()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Everything the keys do, and Textual's own commands."""
        yield from super().get_system_commands(screen)
        seen: set[str] = set()
        for namespace, binding, enabled, tooltip in screen.active_bindings.values():
            words = _in_full(binding.description, tooltip)
            if not enabled or not words or words in seen or binding.action == "command_palette":
                continue
            seen.add(words)
            key = self.get_key_display(binding)

            async def act(action: str = binding.action, node: Any = namespace) -> None:
                await self.run_action(action, node)

            yield SystemCommand(words, f"key {key}", act)

    def action_help(self) -> None:
        """Explain the screen in sight, and list its keys."""
        from tui.help import HelpScreen

        # The palette, which knows the key too, lies on top of it.
        about = next(screen for screen in reversed(self.screen_stack) if not screen.is_modal)
        self.push_screen(HelpScreen(about))

    def action_duel(self) -> None:
        """Pick a duel."""
        from scenarios.duels.catalogue import DUELS
        from tui.lab.choices import ChoiceScreen

        def chosen(name: str | None) -> None:
            if name is not None:
                self.open_duel(name)

        listed = [(entry.name, entry.title) for entry in DUELS.entries()]
        self.push_screen(ChoiceScreen("side by side", listed, listed[0][0]), chosen)

    def open_duel(self, name: str) -> None:
        """Run a duel, on top of whatever is shown."""
        from scenarios.duels.definition import load_duel
        from tui.duel.screen import DuelScreen

        try:
            duel = load_duel(name)
        except ScenarioError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        opened = DuelScreen(duel, self.size, self.current_mode)
        if isinstance(self.screen, DuelScreen):
            self.switch_screen(opened)
        else:
            self.push_screen(opened)

    def open_page(self, name: str) -> None:
        """Open the lesson at a page."""
        from tui.learn.screen import LearnScreen

        self.switch_mode(LEARN)
        lesson = self.get_screen_stack(LEARN)[0]
        assert isinstance(lesson, LearnScreen)
        lesson.open_page(name)

    def open_map(self, name: str) -> None:
        """Open a sweep of the catalogue in the Map."""
        from tui.map.screen import MapScreen

        self.switch_mode(MAP)
        screen = self.get_screen_stack(MAP)[0]
        assert isinstance(screen, MapScreen)
        screen.open_sweep(name)

    def run_scenario(self, name: str) -> None:
        """Run a scenario of the catalogue, in the Lab."""
        self._show_lab().run_scenario(name)

    def go_to_setting(self, key: str) -> None:
        """Put the cursor on a control of the Lab."""
        self._show_lab().go_to_setting(key)

    def open_in_lab(self, scenario: Scenario) -> None:
        """Run a scenario that is in no catalogue, in the Lab."""
        self._show_lab().run_unlisted(scenario)

    def open_stored(self, scenario: Scenario, frames: Sequence[Frame], label: str) -> None:
        """Show a stored run in the Lab."""
        self._show_lab().show_stored(scenario, frames, label)

    def compare_runs(self) -> None:
        """Show the runs in the Lab's plot side by side."""
        self._show_lab().show_compared()

    @property
    def lab(self) -> LabScreen:
        """The Lab, whatever else is shown."""
        from tui.lab.screen import LabScreen

        lab = self.get_screen_stack(LAB)[0]
        assert isinstance(lab, LabScreen)
        return lab

    def _show_lab(self) -> LabScreen:
        self.switch_mode(LAB)
        while len(self.screen_stack) > 1:
            self.pop_screen()
        return self.lab

    def action_save_picture(self) -> None:
        """Save the screen as an SVG file."""
        # The topmost screen that has a name: a dialogue over it has none.
        name = next(s.label for s in reversed(self.screen_stack) if hasattr(s, "label"))
        # What was said of the picture before has no place in this one.
        self.clear_notifications()
        self.call_after_refresh(self._save_picture, name)

    def _save_picture(self, name: str) -> None:
        self._save(name, ".svg", self.export_screenshot(title="nablascope"))

    def action_save_scenario(self) -> None:
        """Save the scenario as a TOML file: the topmost's of the screens that show one."""
        from scenarios.changes import changes_between, original

        screen = next(s for s in reversed(self.screen_stack) if hasattr(s, "scenario"))
        scenario: Scenario | None = screen.scenario
        if scenario is None:
            self.notify("There is no scenario here to write yet.", timeout=4)
            return
        origin = self.lab.session.origin if screen is self.lab else original(scenario)
        name = " ".join([scenario.name, *changes_between(origin, scenario)])
        self._save(name, ".toml", scenario.to_toml())

    @property
    def folder(self) -> Path:
        """Where files are saved."""
        return self._folder or Path.cwd()

    def _save(self, name: str, suffix: str, text: str) -> None:
        from tui.save import save_new

        folder = self.folder
        try:
            path = save_new(folder, name, suffix, text)
        except OSError as error:
            self.notify(f"{folder}: {error.strerror}; nothing was saved", severity="error")
            return
        self.notify(f"Saved {path.name} in {folder}")


def run_app(
    scenario: Scenario | None, *, device: str | None = None, store: Path | None = None
) -> int:
    """Open the app and return its exit code: 0, or what a crash left.

    Raises ScenarioError where a GPU was asked for that is not there.
    """
    # Before NumPy is imported; the engine's own process does the same.
    leave_one_core(os.environ)
    if device is not None:
        check_device(device, "--device")
    elif scenario is not None:
        check_device(scenario.run.device, scenario.origin)
    leave_with_terminal()
    app = NablascopeApp(scenario, device=device, store=store)
    app.run()
    return app.return_code or 0
