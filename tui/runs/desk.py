"""What the Runs screen knows of the store: the rows in sight, and the chosen run in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError
from tui.runs.listing import PAGE, Listing
from tui.runs.shelf import Shelf, StoredRun, take

if TYPE_CHECKING:
    from scenarios.store.history import History
    from tui.lab.live import LiveRun
    from tui.runs.columns import Row


class Desk:
    """A listing, and what of it has been fetched.

    Attributes:
        listing: which runs, in which order.
        stored: the chosen one, None where there is none.
        live: the same as the Lab's plot draws it, None where it kept no step.
        stale: whether everything has to be fetched anew.
        again: whether what was fetched last is not what is wanted any more.
    """

    def __init__(self) -> None:
        self.listing = Listing()
        self.stored: StoredRun | None = None
        self.live: LiveRun | None = None
        self.stale, self.again = True, False
        self._version: int | None = None

    async def look(self, shelf: Shelf, height: int) -> None:
        """Fetch what a list of so many rows shows, as far as it is not known. Raises StoreError,
        and ScenarioError for a chosen run that could not run any more.
        """
        await self._fetch_rows(shelf, height)
        await self._fetch_chosen(shelf)

    async def _fetch_rows(self, shelf: Shelf, height: int) -> None:
        listing = self.listing
        version = await shelf.ask(lambda history: history.version())
        alive = any(row["state"] == "running" for row in listing.rows)
        asked = (listing.words, listing.order, listing.descending)
        start = listing.around(height)
        known = listing.wanted(height) is None and version == self._version
        stale, self.stale = self.stale, False
        if known and not alive and not stale:
            return

        def fetch(history: History) -> tuple[int, list[Row]]:
            words, order, descending = asked
            page = history.page(words, order=order, descending=descending, limit=PAGE, offset=start)
            return history.count(words), page

        found = await shelf.ask(fetch)
        if asked != (listing.words, listing.order, listing.descending):
            self.again = self.stale = True
            return
        self._version = version
        listing.take(*((0, 0, []) if found is None else (found[0], start, found[1])), height)

    async def _fetch_chosen(self, shelf: Shelf) -> None:
        row = self.listing.chosen
        if row is None:
            self.stored = self.live = None
            return
        if self.stored is not None and self.stored.row == row:
            return
        try:
            stored = await shelf.ask(lambda history: take(history, row))
        except ScenarioError:
            self.stored = self.live = None
            raise
        self.stored = stored
        self.live = None if stored is None or not stored.frames else as_live(stored)


def as_live(stored: StoredRun) -> LiveRun:
    """A stored run as the Lab's plot draws it; numbers of the worker's own runs are above 0."""
    from tui.lab.live import LiveRun

    live = LiveRun(-stored.number, stored.scenario, stored.label)
    live.add(stored.frames)
    return live


async def foretold(stored: StoredRun, shelf: Shelf | None) -> LiveRun:
    """A stored run to pin, with what theory says of it; off the thread that keys wait for."""
    from scenarios.predictions import foretell

    live = as_live(stored)
    if shelf is not None:
        prediction = await shelf.ask(lambda _: foretell(stored.scenario))
        if prediction is not None:
            live.foretell(prediction)
    return live
