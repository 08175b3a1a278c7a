"""The Learn screen: the lesson page by page, its knobs on the arrow keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from scenarios.errors import ScenarioError
from scenarios.lesson.pages import PAGES, find, number_of
from tui.keybar import KeyBar
from tui.learn.knobbar import KnobBar
from tui.learn.notation import plain
from tui.learn.view import PageView
from tui.modes import LAB, LEARN
from tui.sizes import HEIGHTS, WIDTHS, TooSmall, classes_for
from tui.titlebar import TitleBar

if TYPE_CHECKING:
    from textual.geometry import Size

    from scenarios.lesson.page import Page, Reading, Settings
    from scenarios.scenario import Scenario
    from tui.app import NablascopeApp

#: Turns that a key makes with shift held down.
_MANY = 10
_WAITING = "Computing …"


class _State(Enum):
    COMPUTING = "computing"


class LearnScreen(Screen[None]):
    """One page at a time. Every page remembers how its knobs were left."""

    app: NablascopeApp

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDING_GROUP_TITLE = "The lesson"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "turn", key_display="←→", tooltip="Turn the knob down"),
        Binding("right", "turn(1)", "Up", show=False, tooltip="Turn the knob up"),
        Binding("shift+left", f"turn(-{_MANY})", "Down", show=False, tooltip="Ten steps down"),
        Binding("shift+right", f"turn({_MANY})", "Up", show=False, tooltip="Ten steps up"),
        Binding("tab", "choose(1)", "knob", priority=True, tooltip="The next knob"),
        Binding("shift+tab", "choose(-1)", "Knob", False, priority=True, tooltip="The knob before"),
        Binding("backspace", "restore", "Restore", show=False, tooltip="The knob as it was"),
        Binding("space", "go_on", "go on", tooltip="Read on: down, then the next page"),
        Binding("n", "page(1)", "next", tooltip="The next page"),
        Binding("p", "page(-1)", "Previous", show=False, tooltip="The page before"),
        Binding("c", "contents", "contents", tooltip="All pages"),
        Binding("enter,o", "open", "in the Lab", key_display="o", tooltip="Run this in the Lab"),
        Binding("escape", "leave", "back", key_display="esc", tooltip="Back to the Lab"),
        Binding("up,k", "scroll(-1)", "Up", show=False, tooltip="A line up"),
        Binding("down,j", "scroll(1)", "Down", show=False, tooltip="A line down"),
        Binding("pageup", "scroll_screen(-1)", "Up", show=False, tooltip="A screenful up"),
        Binding("pagedown", "scroll_screen(1)", "Down", False, tooltip="A screenful down"),
        Binding("home", "scroll(-100000)", "Top", show=False, tooltip="The top of the page"),
        Binding("end", "scroll(100000)", "Bottom", show=False, tooltip="The end of the page"),
        *(
            Binding(
                str(digit), f"jump({digit or 10})", "Page", False, tooltip="The page so numbered"
            )
            for digit in (*range(1, 10), 0)
        ),
    ]

    @dataclass
    class Read(Message):
        """A page has been computed, or could not be."""

        page: Page
        settings: Settings
        reading: Reading | None
        failure: str | None = None

    def __init__(self, size: Size) -> None:
        super().__init__(classes=classes_for(size))
        self._page = PAGES[0]
        self._settings = {page.name: page.settings() for page in PAGES}
        self._chosen = dict.fromkeys(self._settings, 0)
        self._reading: Reading | None = None
        self._busy = False

    def compose(self) -> ComposeResult:
        """Few widgets: each draws its own lines."""
        yield TitleBar(LEARN, id="title")
        yield PageView(unicode=self.app.unicode, id="page")
        yield KnobBar(unicode=self.app.unicode, id="knobs")
        yield KeyBar(id="keys")
        yield TooSmall(id="too-small")

    def on_mount(self) -> None:
        """Find the parts once, and read the first page when the screen has been drawn."""
        self._title = self.query_one(TitleBar)
        self._view = self.query_one(PageView)
        self._knobs = self.query_one(KnobBar)
        self._view.show_note(_WAITING)
        self._view.focus()
        self._show_settings()
        self.call_after_refresh(self._read)

    @property
    def label(self) -> str:
        """What a saved picture of it is called."""
        return f"learn-{self._page.name}"

    @property
    def scenario(self) -> Scenario | None:
        """What the page has run, None while it is being computed for the first time."""
        return None if self._reading is None else self._reading.scenario

    @property
    def idle(self) -> bool:
        """Whether what is shown is what was asked for."""
        return not self._busy

    # Computing

    def _read(self) -> None:
        """Compute the page in a thread, so that no key waits; one at a time, the newest last."""
        if self._busy:
            return
        self._busy = True
        self._show_title()
        compute = partial(self._compute, self._page, self._settings[self._page.name])
        self.run_worker(compute, thread=True)

    def _compute(self, page: Page, settings: Settings) -> None:
        try:
            self.post_message(self.Read(page, settings, page.read(settings)))
        except ScenarioError as error:
            self.post_message(self.Read(page, settings, None, str(error)))

    def on_learn_screen_read(self, message: Read) -> None:
        """Show what was computed, and go on with what was asked for meanwhile."""
        self._busy = False
        if message.page is self._page:
            self._reading = message.reading
            if message.reading is None:
                self._view.show_note(message.failure or "")
            else:
                self._view.show(message.page, message.reading)
        if message.page is not self._page or message.settings is not self._now:
            self._read()
        self._show_title()

    @property
    def _now(self) -> Settings:
        return self._settings[self._page.name]

    # Drawing

    def _show_settings(self) -> None:
        self._knobs.show(self._page, self._now, self._chosen[self._page.name])
        self._show_title()

    def _show_title(self) -> None:
        title = self._page.title if self.app.unicode else plain(self._page.title)
        text = f"{number_of(self._page)}/{len(PAGES)}  {title}"
        self._title.show(text, _State.COMPUTING if self._busy else None)

    # Keys

    def _change(self, settings: Settings) -> None:
        self._settings[self._page.name] = settings
        self._show_settings()
        self._read()

    def action_turn(self, by: int) -> None:
        """Turn the chosen knob."""
        knob = self._page.knobs[self._chosen[self._page.name]]
        now = self._now
        value = knob.turned(now[knob.key], by)
        if value != now[knob.key]:
            self._change(self._page.settings({**now, knob.key: value}, self._page.name))

    def action_restore(self) -> None:
        """Put the chosen knob back where it was."""
        knob = self._page.knobs[self._chosen[self._page.name]]
        if self._now[knob.key] != knob.default:
            values = {**self._now, knob.key: knob.default}
            self._change(self._page.settings(values, self._page.name))

    def action_choose(self, by: int) -> None:
        """Another knob."""
        name = self._page.name
        self._chosen[name] = (self._chosen[name] + by) % len(self._page.knobs)
        self._show_settings()

    def action_page(self, by: int) -> None:
        """Another page; the lesson has two ends."""
        place = number_of(self._page) - 1 + by
        if 0 <= place < len(PAGES):
            self._go_to(PAGES[place])
        else:
            end = "last" if by > 0 else "first"
            self.notify(f"This is the {end} page: c shows all of them.", timeout=4)

    def action_jump(self, number: int) -> None:
        """The page of this number."""
        self._go_to(PAGES[number - 1])

    def open_page(self, name: str) -> None:
        """Show a page."""
        self._go_to(find(name, "lesson"))

    def _go_to(self, page: Page) -> None:
        if page is self._page:
            return
        self._page, self._reading = page, None
        if self.is_mounted:
            self._view.show_note(_WAITING)
            self._show_settings()
            self._read()

    def action_go_on(self) -> None:
        """A screenful down, or the next page where there is none."""
        if not self._view.scroll_screen(1):
            self.action_page(1)

    def action_scroll(self, by: int) -> None:
        """Some lines up or down."""
        self._view.scroll_lines(by)

    def action_scroll_screen(self, by: int) -> None:
        """A screenful up or down."""
        self._view.scroll_screen(by)

    def action_contents(self) -> None:
        """Pick a page from all of them."""
        from tui.lab.choices import ChoiceScreen

        def chosen(name: str | None) -> None:
            if name is not None:
                self.open_page(name)

        titles = [page.title if self.app.unicode else plain(page.title) for page in PAGES]
        listed = [(page.name, title) for page, title in zip(PAGES, titles, strict=True)]
        self.app.push_screen(ChoiceScreen("the lesson", listed, self._page.name), chosen)

    def action_open(self) -> None:
        """Run the page's scenario in the Lab."""
        if self.scenario is not None:
            self.app.open_in_lab(self.scenario)

    def action_leave(self) -> None:
        """Back to the Lab; L returns to this page."""
        self.app.switch_mode(LAB)
