"""A list to pick a control's value from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from scenarios.schema import choices_for

if TYPE_CHECKING:
    from scenarios.field import Field


def choices_with_titles(kind: str, field: Field) -> list[tuple[str, str]]:
    """The names a field can take in a network of `kind`, each with what is known of it."""
    about = field.choices() if field.choices is not None else {}
    return [(name, about[name]) for name in choices_for(kind, field.key)]


class ChoiceScreen(ModalScreen[str | None]):
    """Arrow keys and Enter; Escape leaves things as they are."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "close")]

    def __init__(self, title: str, listed: Sequence[tuple[str, str]], value: str) -> None:
        super().__init__()
        self._title, self._listed, self._value = title, listed, value

    def compose(self) -> ComposeResult:
        """One option per choice."""
        width = max(len(name) for name, _ in self._listed)
        options = [
            Option(Content.assemble(f"{name:<{width}}  ", (about, "dim")), id=name)
            for name, about in self._listed
        ]
        yield OptionList(*options, id="choices")

    def on_mount(self) -> None:
        """Start at the value there is."""
        choices = self.query_one(OptionList)
        choices.border_title = self._title
        names = [name for name, _ in self._listed]
        choices.highlighted = names.index(self._value) if self._value in names else 0

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Take it."""
        self.dismiss(message.option_id)
