"""What a run store can refuse, and the line it shows."""

from __future__ import annotations

import os

from scenarios.errors import ScenarioError


class StoreError(ScenarioError):
    """A run store that cannot be used as asked. `str()` is one line: the file and what to do.

    Attributes:
        passing: whether waiting may help: another program holds the store, or the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str], allowed: str, passing: bool = False) -> None:
        self.passing = passing
        super().__init__(os.fspath(path), allowed)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.source, self.allowed, self.passing))
