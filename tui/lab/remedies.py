"""The remedies by key, and the list of them: what each does, and why one does not apply."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from scenarios.changes import setting
from scenarios.errors import ScenarioError
from scenarios.remedies import REMEDIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.frame import Frame
    from scenarios.remedies import Remedy
    from scenarios.scenario import Scenario

#: The row of digits on a keyboard and what comes next to it, one remedy each.
KEYS: dict[str, Remedy] = dict(zip((*"1234567890", "minus"), REMEDIES.values(), strict=True))
#: What stands on a key that is not called so.
_KEY_TOPS = {"minus": "-"}


def bindings_of_remedies() -> list[BindingType]:
    """One key each, for the palette and for those who know them."""
    return [
        Binding(
            key,
            f"treat('{key}')",
            remedy.title,
            key_display=_KEY_TOPS.get(key),
            show=False,
            tooltip=f"Remedy: {remedy.title}, on or off",
        )
        for key, remedy in KEYS.items()
    ]


class RemedyScreen(ModalScreen[str | None]):
    """A remedy's key, or arrow keys and Enter; Escape leaves things as they are.

    Args:
        scenario: what the remedies would be applied to.
        in_force: the one that is on, None without one.
        frames: what was measured of the scenario, see `Remedy.changes`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,x,q", "dismiss(None)", "close")]

    def __init__(
        self, scenario: Scenario, in_force: Remedy | None, frames: Sequence[Frame]
    ) -> None:
        super().__init__()
        self._scenario, self._in_force, self._frames = scenario, in_force, frames

    def compose(self) -> ComposeResult:
        """One option per remedy: those that apply, then the others."""
        # Wrapped here, since a list knows no hanging indent; the box is 84 cells wide at most.
        width = min(84, self.app.size.width * 96 // 100) - 6
        apply, others = [], []
        for key, remedy in KEYS.items():
            top = _KEY_TOPS.get(key, key)
            try:
                changes = remedy.changes(self._scenario, self._frames)
            except ScenarioError as error:
                reason = str(error).partition(": ")[2]
                head, body = f"{top}  {remedy.title}", _indented(f"not here: {reason}", width)
                others.append(Option(Content.assemble(head, (body, "dim")), id=key))
                continue
            on = "  (on)" if remedy is self._in_force else ""
            what = ", ".join(f"{k} = {setting(v)}" for k, v in changes.items())
            prompt = Content.assemble(
                (f"{top}  {remedy.title}{on}", "bold"),
                _indented(remedy.about, width),
                (_indented(f"{what}  ({remedy.source})", width), "dim"),
            )
            apply.append(Option(prompt, id=key))
        yield OptionList(*apply, *others, id="remedies")

    def on_mount(self) -> None:
        """Start at the one in force."""
        listed = self.query_one(OptionList)
        listed.border_title = f"remedies for {self._scenario.name}"
        listed.border_subtitle = "its key or enter applies, again takes away; escape closes"
        on = [key for key, remedy in KEYS.items() if remedy is self._in_force]
        listed.highlighted = listed.get_option_index(on[0]) if on else 0

    def on_key(self, event: events.Key) -> None:
        """A remedy's key chooses it at once."""
        if event.key in KEYS:
            event.stop()
            self.dismiss(event.key)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Take it."""
        self.dismiss(message.option_id)


def _indented(text: str, width: int) -> str:
    lines = textwrap.wrap(text, width, initial_indent="   ", subsequent_indent="   ")
    return "".join(f"\n{line}" for line in lines)
