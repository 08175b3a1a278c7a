"""In full: a question, where it comes from, what was changed, what theory says."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class AboutScreen(ModalScreen[None]):
    """A box to read; Escape closes it.

    Args:
        title, question: what it is about.
        more: texts by what they say of it; empty ones are left out.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,i,q", "dismiss(None)", "close")]

    def __init__(self, title: str, question: str, **more: str) -> None:
        super().__init__()
        self._title, self._question, self._more = title, question, more

    def compose(self) -> ComposeResult:
        """One text."""
        parts: list[str | tuple[str, str]] = [" ".join(self._question.split())]
        for about, text in self._more.items():
            if text:
                parts += ["\n\n", (f"{about.capitalize()}  ", "$muted"), " ".join(text.split())]
        with VerticalScroll(id="about"):
            yield Static(Content.assemble(*parts))

    def on_mount(self) -> None:
        """Name the box."""
        box = self.query_one("#about")
        box.border_title = self._title
        box.border_subtitle = "escape closes"
        box.focus()
