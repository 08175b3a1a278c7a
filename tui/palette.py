"""The command palette's way to every scenario, sweep, page and setting, from any screen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider

if TYPE_CHECKING:
    from tui.app import NablascopeApp


class _Goal(NamedTuple):
    """One line: what it says, what else can be typed for it, what it is about, what it does."""

    title: str
    name: str
    help: str
    act: Callable[[], None]


class _Goals(Provider):
    """Lists its goals; a subclass says which."""

    @abstractmethod
    def goals(self, app: NablascopeApp) -> Iterator[_Goal]:
        """Everything there is."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for goal in self._goals():
            yield DiscoveryHit(goal.title, goal.act, help=goal.help)

    async def search(self, query: str) -> Hits:
        """Those that match what is typed."""
        matcher = self.matcher(query)
        for goal in self._goals():
            words = f"{goal.title} ({goal.name})"
            score = matcher.match(words)
            if score > 0:
                yield Hit(score, matcher.highlight(words), goal.act, help=goal.help)

    def _goals(self) -> Iterator[_Goal]:
        from tui.app import NablascopeApp

        assert isinstance(self.app, NablascopeApp)
        return self.goals(self.app)


class ScenarioProvider(_Goals):
    """Runs a scenario of the catalogue."""

    def goals(self, app: NablascopeApp) -> Iterator[_Goal]:
        """One for each."""
        from scenarios.catalogue import entries

        for entry in entries():
            run = partial(app.run_scenario, entry.name)
            question = " ".join(entry.question.split())
            yield _Goal(f"Run {entry.title}", entry.name, question, run)


class DuelProvider(_Goals):
    """Runs scenarios side by side."""

    def goals(self, app: NablascopeApp) -> Iterator[_Goal]:
        """One for each duel."""
        from scenarios.duels.catalogue import DUELS

        for entry in DUELS.entries():
            run = partial(app.open_duel, entry.name)
            yield _Goal(f"Duel: {entry.title}", entry.name, entry.question, run)


class SweepProvider(_Goals):
    """Opens a sweep of the catalogue in the Map."""

    def goals(self, app: NablascopeApp) -> Iterator[_Goal]:
        """One for each."""
        from scenarios.sweeps.catalogue import entries

        for entry in entries():
            opened = partial(app.open_map, entry.name)
            yield _Goal(f"Map {entry.title}", entry.name, entry.question, opened)


class PageProvider(_Goals):
    """Opens a page of the lesson."""

    def goals(self, app: NablascopeApp) -> Iterator[_Goal]:
        """One for each."""
        from scenarios.lesson.pages import PAGES, number_of

        for page in PAGES:
            opened = partial(app.open_page, page.name)
            yield _Goal(f"Page {number_of(page)}: {page.title}", page.name, page.source, opened)


class SettingProvider(_Goals):
    """Goes to a control of the Lab."""

    def goals(self, app: NablascopeApp) -> Iterator[_Goal]:
        """One for each that the scenario has."""
        from tui.lab.knobs import knobs_of

        session = app.lab.session
        for knob in knobs_of(session.scenario, session.origin, True):
            key = knob.field.key
            yield _Goal(f"Set {knob.title}", key, knob.field.help, partial(app.go_to_setting, key))


PROVIDERS = {ScenarioProvider, DuelProvider, SweepProvider, PageProvider, SettingProvider}
