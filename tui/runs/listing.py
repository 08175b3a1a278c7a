"""A window on a list of any length: what is in sight, the cursor, and what has to be fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tui.runs.columns import COLUMNS, Row

#: Rows fetched at once: a few screens, so that most keys need no look into the store.
PAGE = 200


@dataclass
class Listing:
    """Which runs are listed, in which order, and where one is among them.

    Attributes:
        words: what every one listed has to hold.
        column: the column that gives the order.
        descending: from the largest on.
        count: how many there are.
        rows: those that are known, the first of them at `start`.
        cursor: the place of the chosen one.
        top: the place of the first one in sight.
        dropped: numbers of runs that are not listed, though the store may still have them.
    """

    words: tuple[str, ...] = ()
    column: str = "run"
    descending: bool = True
    count: int = 0
    start: int = 0
    rows: Sequence[Row] = field(default_factory=list)
    cursor: int = 0
    top: int = 0
    dropped: set[int] = field(default_factory=set)

    @property
    def order(self) -> str:
        """What the store orders by."""
        order = COLUMNS[self.column].order
        assert order is not None
        return order

    @property
    def summary(self) -> str:
        """How many runs with which words, in which order."""
        many = f"{self.count:,} run{'' if self.count == 1 else 's'}"
        words = f" with {' '.join(self.words)}" if self.words else ""
        return f"{many}{words}, by {self.column}, {'down' if self.descending else 'up'}wards"

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor, None while it is not known."""
        place = self.cursor - self.start
        return self.rows[place] if 0 <= place < len(self.rows) else None

    def seen(self, height: int) -> list[Row | None]:
        """The rows in sight, None for those that are not known."""
        places = range(self.top, min(self.top + height, self.count))
        known = range(self.start, self.start + len(self.rows))
        return [self.rows[place - self.start] if place in known else None for place in places]

    def move(self, by: int, height: int) -> None:
        """Move the cursor, and the window with it where it would leave it."""
        self.cursor = min(max(self.cursor + by, 0), max(self.count - 1, 0))
        self.settle(height)

    def settle(self, height: int) -> None:
        """Keep the cursor in sight, and no room below the last row while there are rows above."""
        self.top = min(max(self.top, self.cursor - height + 1), self.cursor)
        self.top = max(min(self.top, self.count - height), 0)

    def wanted(self, height: int) -> int | None:
        """From where on rows have to be fetched, None where those in sight are known."""
        if None not in self.seen(height):
            return None
        return self.around(height)

    def around(self, height: int) -> int:
        """From where on to fetch rows, so that those in sight are in their middle."""
        return max(self.top - (PAGE - height) // 2, 0)

    def take(self, count: int, start: int, rows: Sequence[Row], height: int) -> None:
        """Take in what was fetched; the cursor stays on its run, wherever that is now."""
        chosen = self.chosen
        listed = [row for row in rows if row["id"] not in self.dropped]
        count -= len(rows) - len(listed)
        self.count, self.start, self.rows = count, start, listed
        if chosen is not None:
            same = [k for k, row in enumerate(listed, start) if row["id"] == chosen["id"]]
            if same:
                # At the top of the list the newest are wanted in sight, not the place kept.
                self.top = 0 if self.top == 0 else self.top + same[0] - self.cursor
                self.cursor = same[0]
        self.cursor = min(self.cursor, max(count - 1, 0))
        self.settle(height)

    def drop(self, number: int, height: int) -> None:
        """List a run no more; where the cursor was on it, it is on the one that follows."""
        self.dropped.add(number)
        self.take(self.count, self.start, self.rows, height)

    def narrow(self, words: Sequence[str]) -> None:
        """List only what holds these words."""
        self.words = tuple(words)
        self._begin_anew()

    def sort(self, by: int) -> None:
        """Order by the next column of those that give an order, or the one before."""
        names = [name for name, column in COLUMNS.items() if column.order]
        self.column = names[(names.index(self.column) + by) % len(names)]
        # Words from A on, numbers from the largest on, as one would look for them first.
        self.descending = COLUMNS[self.column].number or self.column == "began"
        self._begin_anew()

    def reverse(self) -> None:
        """The same order from its other end."""
        self.descending = not self.descending
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.cursor = self.top = self.start = 0
        self.rows = []
