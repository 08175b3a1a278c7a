"""The sweeps that come along: files in the folder beside this one, numbered in reading order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from scenarios.numbered import find_in, paths_in

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: str | Path = os.path.join(os.path.dirname(__file__), "catalogue")


class Entry(NamedTuple):
    """One line of the catalogue."""

    name: str
    title: str
    question: str
    source: str


def names() -> list[str]:
    """Every name, in reading order."""
    return list(_paths())


def entries() -> list[Entry]:
    """The whole catalogue in reading order. Raises ScenarioError if one of its files is broken."""
    from scenarios import reader

    found = []
    for name, file in _paths().items():
        document = reader.read(file, name)
        title, question, source = (
            " ".join(str(document.get(key, "")).split()) for key in ("title", "question", "source")
        )
        found.append(Entry(name, title, question, source))
    return found


def find(source: str | Path) -> str:
    """The file that `source` means: a name of the catalogue, else a path.

    Raises ScenarioError, with the nearest name, where a text is neither.
    """
    return find_in(_paths(), source, "sweep")


def _paths() -> dict[str, str]:
    return paths_in(FOLDER)
