"""The controls: one line per field, stepped with the arrow keys or typed into."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.actions import parse
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import var
from textual.strip import Strip

from tui.lab.knobs import Knob, parsed
from tui.strips import StripWidget, line_of

#: What keys do while a value is typed, and at no other time.
_TYPING = [
    Binding("enter", "take", "take", key_display="enter", tooltip="Take what was typed"),
    Binding("escape", "forget", "forget", key_display="esc", tooltip="Forget what was typed"),
]
_NUMERALS = frozenset("0123456789.")
#: Cells for a row's label.
LABEL_WIDTH = 16


class Controls(StripWidget, can_focus=True):
    """Rows of knobs with a cursor. It changes nothing itself: it says what is asked for."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "controls--label",
        "controls--value",
        "controls--changed",
        "controls--cursor",
        "controls--editing",
        "controls--error",
    }
    BINDING_GROUP_TITLE = "In the controls"
    #: For the line of keys and the palette; `on_key` is what acts on them.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,minus", "turn(-1)", "change", True, "←→", tooltip="Turn a control down"),
        Binding("right,plus,equals_sign", "turn(1)", "Up", False, tooltip="Turn a control up"),
        Binding("shift+left", "turn(-10)", "Down", False, tooltip="Turn it down ten steps"),
        Binding("shift+right", "turn(10)", "Up", False, tooltip="Turn it up ten steps"),
        Binding("enter", "edit", "type", key_display="enter", tooltip="Type or pick a value"),
        Binding("backspace", "restore", "Back", show=False, tooltip="The scenario's own value"),
        Binding("up,k", "move(-1)", "Up", show=False, tooltip="The control above"),
        Binding("down,j", "move(1)", "Down", show=False, tooltip="The control below"),
        Binding("home", "move(-1000)", "First", show=False, tooltip="The first control"),
        Binding("end", "move(1000)", "Last", show=False, tooltip="The last control"),
        *_TYPING,
    ]

    #: What was typed so far, None while nothing is.
    _typed: var[str | None] = var(None, bindings=True)

    class Turned(Message):
        """A knob is to move by so many steps."""

        def __init__(self, knob: Knob, by: int) -> None:
            super().__init__()
            self.knob, self.by = knob, by

    class Entered(Message):
        """A knob is to take this value, which nobody has checked."""

        def __init__(self, knob: Knob, value: object) -> None:
            super().__init__()
            self.knob, self.value = knob, value

    class ListWanted(Message):
        """A knob's choices are to be shown."""

        def __init__(self, knob: Knob) -> None:
            super().__init__()
            self.knob = knob

    class Restored(Message):
        """A knob is to go back to what the scenario says."""

        def __init__(self, knob: Knob) -> None:
            super().__init__()
            self.knob = knob

    class Highlighted(Message):
        """The cursor stands on another knob."""

        def __init__(self, knob: Knob) -> None:
            super().__init__()
            self.knob = knob

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._knobs: Sequence[Knob] = ()
        self._cursor = 0
        self._error: tuple[str, str] | None = None
        self._first_line = 0

    @property
    def highlighted(self) -> Knob | None:
        """The knob under the cursor."""
        return self._knobs[self._cursor] if self._knobs else None

    @property
    def typing(self) -> bool:
        """Whether a value is being typed, which takes every character."""
        return self._typed is not None

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """A character that is typed is no command."""
        return self.typing and character is not None and character.isprintable()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Either what keys do while a value is typed, or what they do otherwise."""
        if (action in ("take", "forget")) is not self.typing:
            return False
        return super().check_action(action, parameters)

    def show(self, knobs: Sequence[Knob], error: tuple[str, str] | None = None) -> None:
        """Show these knobs, and under one of them (by key) what is wrong with a value."""
        highlighted = self.highlighted
        keys = [knob.field.key for knob in knobs]
        if highlighted is not None and highlighted.field.key in keys:
            self._cursor = keys.index(highlighted.field.key)
        self._cursor = min(self._cursor, max(len(knobs) - 1, 0))
        taller = len(knobs) != len(self._knobs) or error != self._error
        self._knobs, self._error = knobs, error
        if taller:
            self._drawn_size = None
            self.refresh(layout=True)
        self.redraw()
        if (now := self.highlighted) is not None and now != highlighted:
            self.post_message(self.Highlighted(now))

    def point_at(self, key: str) -> None:
        """Put the cursor on the knob of this field, if it is listed."""
        keys = [knob.field.key for knob in self._knobs]
        if key in keys:
            self.action_move(keys.index(key) - self._cursor)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are knobs, and those of an error."""
        return len(self._knobs) + len(self._error_lines(width))

    def draw(self, size: Size) -> list[Strip]:
        lines: list[Strip] = []
        cursor_line = 0
        error_style = self.get_component_rich_style("controls--error", partial=True)
        wrong = self._error_row()
        for row, knob in enumerate(self._knobs):
            if row == self._cursor:
                cursor_line = len(lines)
            lines.append(self._row(knob, row == self._cursor, size.width))
            if row == wrong:
                lines += [
                    line_of(size.width, (text.ljust(size.width), error_style))
                    for text in self._error_lines(size.width)
                ]
                if row == self._cursor and len(lines) > self._first_line + size.height:
                    self._first_line = len(lines) - size.height
        last_start = max(len(lines) - size.height, 0)
        self._first_line = min(self._first_line, cursor_line, last_start)
        self._first_line = max(self._first_line, cursor_line - size.height + 1)
        return lines[self._first_line : self._first_line + size.height]

    def _row(self, knob: Knob, here: bool, width: int) -> Strip:
        part = "label" if not here or not self.has_focus else "cursor"
        label_style = self.get_component_rich_style(f"controls--{part}", partial=True)
        value_style = self.get_component_rich_style("controls--value", partial=True)
        mark = "•" if knob.changed else " "
        mark_style = self.get_component_rich_style("controls--changed", partial=True)
        room = width - LABEL_WIDTH
        if here and self._typed is not None:
            value_style = self.get_component_rich_style("controls--editing", partial=True)
            text = f"{self._typed[-(room - 2) :]}▏".ljust(room - 1)
        else:
            text = knob.text
            if here and self.has_focus:
                value_style = label_style
                if len(text) + 2 <= room:
                    text = f"◂ {text} ▸"[:room]
            else:
                text = f"  {text}" if len(text) + 2 <= room else text
            if len(text) > room:
                text = f"{text[: room - 1]}…"
            if here and self.has_focus:
                text = text.ljust(room)
        return line_of(
            width,
            (mark, mark_style if not (here and self.has_focus) else label_style + mark_style),
            (f"{knob.title:<{LABEL_WIDTH - 1}}", label_style),
            (text, value_style),
            (" " * width, value_style if here and self.has_focus else Style()),
        )

    def _error_row(self) -> int:
        """The row under which the error belongs: its own key's, or the cursor's."""
        if self._error is None:
            return -1
        for row, knob in enumerate(self._knobs):
            if knob.field.key == self._error[0]:
                return row
        return self._cursor

    def _error_lines(self, width: int) -> list[str]:
        if self._error is None:
            return []
        return textwrap.wrap(
            self._error[1], max(width, 12), initial_indent=" ✗ ", subsequent_indent="   "
        )

    def on_focus(self) -> None:
        """Show the cursor."""
        self.redraw()
        if (knob := self.highlighted) is not None:
            self.post_message(self.Highlighted(knob))

    def on_blur(self) -> None:
        """Hide the cursor, and drop what was being typed."""
        self._typed = None
        self.redraw()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor where the mouse points."""
        row = self._first_line + event.y
        if row < len(self._knobs) and self._error is None:
            self.action_move(row - self._cursor)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Explain the row under the mouse."""
        row = self._first_line + event.y
        here = row < len(self._knobs) and self._error is None
        self.tooltip = self._knobs[row].field.help if here else None

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        if not self._knobs:
            return
        self._typed = None
        self._cursor = min(max(self._cursor + by, 0), len(self._knobs) - 1)
        self.redraw()
        self.post_message(self.Highlighted(self._knobs[self._cursor]))

    def action_turn(self, by: int) -> None:
        """Move the knob under the cursor."""
        if (knob := self.highlighted) is not None:
            self.post_message(self.Turned(knob, by))

    def action_restore(self) -> None:
        """Undo what was changed about the knob under the cursor."""
        if (knob := self.highlighted) is not None:
            self.post_message(self.Restored(knob))

    def action_edit(self) -> None:
        """Type a value, or pick one."""
        knob = self.highlighted
        if knob is None:
            return
        if knob.field.choices is not None:
            self.post_message(self.ListWanted(knob))
        elif isinstance(knob.value, bool):
            self.post_message(self.Turned(knob, 1))
        else:
            self._typed = ""
            self.redraw()

    def action_take(self) -> None:
        """Ask for the value that was typed, if any was."""
        knob, typed = self.highlighted, self._typed
        self._typed = None
        if knob is not None and typed is not None and typed.strip():
            self.post_message(self.Entered(knob, parsed(knob.field, typed)))

    def action_forget(self) -> None:
        """Keep the value as it was."""
        self._typed = None

    def on_key(self, event: events.Key) -> None:
        """Act on the key at once.

        Bindings are run by the app after the key has bubbled up to it; keys that arrive together,
        as they do over a slow line, would then be overtaken by what is typed after them.
        """
        knob = self.highlighted
        if knob is None:
            return
        character = event.character if event.is_printable else None
        if self._typed is not None:
            taken = self._type(self._typed, event.key, character)
        elif knob.field.type in (int, float) and character in _NUMERALS:
            self._typed, taken = character, True
        elif (bound := _BOUND.get(event.key)) is not None:
            _, action, arguments = parse(bound)
            getattr(self, f"action_{action}")(*arguments)
            taken = True
        else:
            return
        if taken:
            event.stop()
            event.prevent_default()
            self.redraw()

    def _type(self, typed: str, key: str, character: str | None) -> bool:
        """Go on typing. Whether the key meant anything here."""
        if key == "escape":
            self.action_forget()
        elif key in ("enter", "up", "down"):
            self.action_take()
            if key != "enter":
                self.action_move(1 if key == "down" else -1)
        elif key == "backspace":
            self._typed = typed[:-1]
        elif key == "ctrl+u":
            self._typed = ""
        elif character is not None:
            self._typed = typed + character
        else:
            return False
        return True

    def on_paste(self, event: events.Paste) -> None:
        """Paste into what is being typed."""
        if self._typed is not None:
            self._typed += "".join(c for c in event.text if c.isprintable())
            self.redraw()


#: Actions by key.
_BOUND = {b.key: b.action for b in Binding.make_bindings(Controls.BINDINGS) if b not in _TYPING}
