"""The scenarios that come along: files in the folder beside this one, numbered in reading order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from scenarios.numbered import find_in, paths_in

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: str | Path = os.path.join(os.path.dirname(__file__), "catalogue")


# Neither a dataclass nor a Path: their imports would double the time `nablascope list` takes.
class Entry(NamedTuple):
    """One line of the catalogue; `file` is where it is written."""

    name: str
    title: str
    kind: str
    question: str
    file: str

    @property
    def path(self) -> Path:
        """The file as a Path."""
        from pathlib import Path

        return Path(self.file)


def names() -> list[str]:
    """Every name, in reading order."""
    return list(_paths())


def entries() -> list[Entry]:
    """The whole catalogue in reading order. Raises ScenarioError if one of its files is broken."""
    from scenarios import reader

    found = []
    for name, file in _paths().items():
        values, texts = reader.split(reader.read(file, name), name)
        kind = str(values["network.kind"])
        found.append(Entry(name, texts["title"], kind, texts["question"], file))
    return found


def find(source: str | Path) -> str:
    """The file that `source` means: a name of the catalogue, else a path.

    Raises ScenarioError, with the nearest name, where a text is neither.
    """
    return find_in(_paths(), source, "scenario", "nablascope list")


def _paths() -> dict[str, str]:
    return paths_in(FOLDER)
