"""The catalogue: scenarios grouped by architecture, narrowed by typing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from scenarios.catalogue import Entry


class Catalogue(OptionList):
    """Every scenario on offer, under its architecture."""

    def __init__(self, entries: Sequence[Entry], *, id: str | None = None) -> None:
        self._entries = entries
        self._current: str | None = None
        super().__init__(*self._grouped(entries), id=id, markup=False)
        self._announce(len(entries))

    def entry(self, name: str) -> Entry | None:
        """The entry called `name`, None if the scenario came from elsewhere."""
        return next((entry for entry in self._entries if entry.name == name), None)

    @property
    def highlighted_entry(self) -> Entry | None:
        """The entry under the cursor."""
        option = self.highlighted_option
        return None if option is None or option.id is None else self.entry(option.id)

    def mark(self, name: str) -> None:
        """Show which scenario is the one that runs."""
        for changed in (self._current, name):
            entry = None if changed is None else self.entry(changed)
            if entry is None or not self._listed(entry.name):
                continue
            self.replace_option_prompt(entry.name, _prompt(entry, entry.name == name))
        self._current = name

    def point_at(self, name: str) -> None:
        """Put the cursor on a scenario, if it is listed."""
        if self._listed(name):
            self.highlighted = self.get_option_index(name)

    def narrow(self, words: str) -> None:
        """List only what holds every one of these words; all of it for none."""
        wanted = words.lower().split()
        found = [entry for entry in self._entries if all(w in _text(entry) for w in wanted)]
        before = self.highlighted_entry
        self.clear_options()
        self.add_options(self._grouped(found))
        self._announce(len(found))
        if before is not None and before in found:
            self.point_at(before.name)
        elif found:
            self.point_at(found[0].name)

    def _announce(self, count: int) -> None:
        self.border_title = "catalogue"
        total = len(self._entries)
        self.border_subtitle = f"{count} of {total}" if count < total else None

    def _listed(self, name: str) -> bool:
        return any(option.id == name for option in self.options)

    def _grouped(self, entries: Sequence[Entry]) -> list[Option]:
        options: list[Option] = []
        kind = None
        order = [*ARCHITECTURES]
        for entry in sorted(entries, key=lambda e: order.index(e.kind) if e.kind in order else 99):
            if entry.kind != kind:
                kind = entry.kind
                title = ARCHITECTURES[kind].title if kind in ARCHITECTURES else kind
                options.append(Option(Content.styled(title, "bold"), disabled=True))
            options.append(Option(_prompt(entry, entry.name == self._current), id=entry.name))
        return options or [Option("nothing matches", disabled=True)]


def _prompt(entry: Entry, current: bool) -> Content:
    return Content(f"{'▸' if current else ' '} {entry.title}")


def _text(entry: Entry) -> str:
    title = ARCHITECTURES[entry.kind].title if entry.kind in ARCHITECTURES else ""
    return f"{entry.name} {entry.title} {entry.question} {entry.kind} {title}".lower()
