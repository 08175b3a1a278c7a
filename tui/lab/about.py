"""One scenario in full: its question, where it comes from, what was changed, what theory says."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from scenarios.scenario import Scenario


class AboutScreen(ModalScreen[None]):
    """A box to read; Escape closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,i,q", "dismiss(None)", "close")]

    def __init__(self, scenario: Scenario, changes: list[str], theory: str) -> None:
        super().__init__()
        self._scenario, self._changes, self._theory = scenario, changes, theory

    def compose(self) -> ComposeResult:
        """One text."""
        scenario = self._scenario
        parts: list[str | tuple[str, str]] = [" ".join(scenario.question.split())]
        if scenario.source_text:
            parts += ["\n\n", ("From  ", "$muted"), " ".join(scenario.source_text.split())]
        if self._changes:
            parts += ["\n\n", ("Changed  ", "$muted"), ", ".join(self._changes)]
        if self._theory:
            parts += ["\n\n", ("Theory  ", "$muted"), self._theory]
        with VerticalScroll(id="about"):
            yield Static(Content.assemble(*parts))

    def on_mount(self) -> None:
        """Name the box."""
        box = self.query_one("#about")
        box.border_title = f"{self._scenario.title} ({self._scenario.name})"
        box.border_subtitle = "escape closes"
        box.focus()
