"""The catalogue: scenarios grouped by architecture, narrowed by typing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from scenarios.catalogue import Entry


class Catalogue(OptionList):
    """Every scenario on offer, under its architecture; `choose` is told the name of one to run."""

    BINDING_GROUP_TITLE = "In the catalogue"

    def __init__(
        self, entries: Sequence[Entry], choose: Callable[[str], None], *, id: str | None = None
    ) -> None:
        self._choose = choose
        self._entries = sorted(entries, key=_architecture)
        self._current: str | None = None
        super().__init__(*self._grouped(self._entries), id=id, markup=False)
        self._announce(len(entries))

    def entry(self, name: str) -> Entry | None:
        """The entry called `name`, None if the scenario came from elsewhere."""
        return next((entry for entry in self._entries if entry.name == name), None)

    @property
    def highlighted_entry(self) -> Entry | None:
        """The entry under the cursor."""
        option = self.highlighted_option
        return None if option is None or option.id is None else self.entry(option.id)

    def action_select(self) -> None:
        """Run what is under the cursor.

        Called, and not told by a message: the next key would overtake that.
        """
        entry = self.highlighted_entry
        if entry is not None:
            self._choose(entry.name)

    def mark(self, name: str) -> None:
        """Show which scenario is the one that runs."""
        for changed in (self._current, name):
            entry = None if changed is None else self.entry(changed)
            if entry is None or not self._listed(entry.name):
                continue
            self.replace_option_prompt(entry.name, _prompt(entry, entry.name == name))
        self._current = name

    def point_at(self, name: str) -> None:
        """Put the cursor on a scenario; nowhere if it is not listed."""
        self.highlighted = self.get_option_index(name) if self._listed(name) else None

    def narrow(self, words: str) -> None:
        """List only what holds every one of these words, the cursor on what they fit best.

        For no words, all of it, the cursor where it was.
        """
        wanted = words.lower().split()
        found = [entry for entry in self._entries if all(w in _text(entry) for w in wanted)]
        before = self.highlighted_entry
        self.clear_options()
        self.add_options(self._grouped(found))
        self._announce(len(found))
        if not wanted:
            place = self._current if before is None else before.name
            if place is not None:
                self.point_at(place)
        elif found:
            # The first of those that fit equally well.
            self.point_at(max(found, key=lambda entry: _fit(entry, wanted)).name)

    def _announce(self, count: int) -> None:
        self.border_title = "catalogue"
        total = len(self._entries)
        self.border_subtitle = f"{count} of {total}" if count < total else None

    def _listed(self, name: str) -> bool:
        return any(option.id == name for option in self.options)

    def _grouped(self, entries: Sequence[Entry]) -> list[Option]:
        options: list[Option] = []
        kind = None
        for entry in entries:
            if entry.kind != kind:
                kind = entry.kind
                title = ARCHITECTURES[kind].title if kind in ARCHITECTURES else kind
                options.append(Option(Content.styled(title, "bold"), disabled=True))
            options.append(Option(_prompt(entry, entry.name == self._current), id=entry.name))
        return options or [Option("nothing matches", disabled=True)]


def _prompt(entry: Entry, current: bool) -> Content:
    return Content(f"{'▸' if current else ' '} {entry.title}")


def _architecture(entry: Entry) -> int:
    """The place of its group in the list."""
    order = [*ARCHITECTURES]
    return order.index(entry.kind) if entry.kind in order else len(order)


def _heading(entry: Entry) -> str:
    """What can be searched for but the question."""
    title = ARCHITECTURES[entry.kind].title if entry.kind in ARCHITECTURES else ""
    return f"{entry.name} {entry.title} {entry.kind} {title}".lower()


def _text(entry: Entry) -> str:
    return f"{_heading(entry)} {entry.question}".lower()


def _fit(entry: Entry, wanted: Sequence[str]) -> int:
    """How well an entry that holds every one of these words fits them.

    3: they are its name or its title; 2: they stand there in a row; 1: they all stand in its
    heading; 0: some of them only in its question.
    """
    phrase = " ".join(wanted).replace("-", " ")
    labels = [entry.name.replace("-", " "), entry.title.lower().replace("-", " ")]
    if phrase in labels:
        return 3
    if any(phrase in label for label in labels):
        return 2
    heading = _heading(entry)
    return int(all(word in heading for word in wanted))
