"""What the Runs screen asks for in a line: words to narrow the list, and a run's name."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input

from scenarios.store.history import LONGEST_LABEL


class Filter(Input):
    """Narrows the list as it is typed into; Escape ends it, Enter and Down go to the list."""

    BINDING_GROUP_TITLE = "Typing words to find (/)"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave(True)", "all runs", key_display="esc"),
        Binding("down", "leave(False)", "to the list"),
        Binding("enter", "leave(False)", "to the list"),
    ]

    class Left(Message):
        """It is done with; `cleared` where all runs are wanted again."""

        def __init__(self, cleared: bool) -> None:
            super().__init__()
            self.cleared = cleared

    def __init__(self) -> None:
        super().__init__(placeholder="words: a name, lstm, vanishing, done, …", compact=True)
        # A blinking cursor would redraw for ever.
        self.cursor_blink = False

    def action_leave(self, cleared: bool) -> None:
        """Done."""
        self.post_message(self.Left(cleared))


class NameScreen(ModalScreen[str | None]):
    """A run's name: Enter takes it, an empty one gives the scenario's back, Escape leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "close")]

    def __init__(self, title: str, name: str, scenario: str) -> None:
        super().__init__()
        self._title, self._name_now, self._scenario = title, name, scenario

    def compose(self) -> ComposeResult:
        """One line."""
        yield Input(
            self._name_now,
            placeholder=self._scenario,
            max_length=LONGEST_LABEL,
            id="name",
        )

    def on_mount(self) -> None:
        """Say what is asked."""
        box = self.query_one(Input)
        box.cursor_blink = False
        box.border_title = self._title
        box.border_subtitle = "enter takes it, empty: the scenario's name, escape leaves it"

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Take it."""
        self.dismiss(message.value)
