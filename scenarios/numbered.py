"""Folders of TOML files numbered in reading order, as all catalogues are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from scenarios.errors import ScenarioError, nearest_of

if TYPE_CHECKING:
    from pathlib import Path


class Entry(NamedTuple):
    """One line of a catalogue."""

    name: str
    title: str
    question: str
    source: str


class Catalogue:
    """A folder of files that are not scenarios themselves.

    `what` names one of them, `listing` is the command that lists them.
    """

    def __init__(self, folder: str | Path, what: str, listing: str = "") -> None:
        self.folder = folder
        self._what, self._listing = what, listing

    def names(self) -> list[str]:
        """Every name, in reading order."""
        return list(paths_in(self.folder))

    def entries(self) -> list[Entry]:
        """The whole catalogue in reading order. Raises ScenarioError if a file is broken."""
        from scenarios import reader

        found = []
        for name, file in paths_in(self.folder).items():
            document = reader.read(file, name)
            title, question, source = (
                " ".join(str(document.get(key, "")).split())
                for key in ("title", "question", "source")
            )
            found.append(Entry(name, title, question, source))
        return found

    def find(self, source: str | Path) -> str:
        """The file that `source` means: a name of the catalogue, else a path.

        Raises ScenarioError, with the nearest name, where a text is neither.
        """
        return find_in(paths_in(self.folder), source, self._what, self._listing)


def paths_in(folder: str | Path) -> dict[str, str]:
    """Every file by its name, in reading order: 020-mlp-tanh.toml is mlp-tanh."""
    found = {}
    for file in sorted(os.listdir(folder)):
        number, _, rest = file.partition("-")
        if number.isdigit() and rest.endswith(".toml"):
            found[rest.removesuffix(".toml")] = os.path.join(folder, file)
    return found


def find_in(paths: Mapping[str, str], source: str | Path, what: str, listing: str = "") -> str:
    """The file that `source` means: a name among `paths`, else a path.

    Raises ScenarioError where a text is neither: with what it is in another catalogue, else with
    the nearest name or, without one, the command that is the `listing`; `what` names the files.
    """
    if not isinstance(source, str):
        return str(source)
    if source in paths:
        return paths[source]
    if source.endswith(".toml") or os.sep in source or os.path.exists(source):
        return source
    if (other := elsewhere(source)) is not None:
        raise ScenarioError(source, other)
    allowed = f"neither a {what} of the catalogue nor a file"
    nearest = nearest_of(source, paths)
    if nearest is None and listing:
        allowed += f"; see {listing}"
    raise ScenarioError(source or '""', allowed, nearest=nearest)


def elsewhere(name: str) -> str | None:
    """What a name is, in whichever catalogue, and what runs it, in words; None if it is in none."""
    from scenarios import catalogue
    from scenarios.duels.catalogue import DUELS
    from scenarios.papers.catalogue import PAPERS
    from scenarios.sweeps.catalogue import SWEEPS

    if name in catalogue.names():
        return f"is a scenario; nablascope run {name} runs it"
    if name in SWEEPS.names():
        return f"is a sweep; nablascope sweep {name} runs it"
    if name in PAPERS.names():
        return f"is a paper's set; nablascope reproduce {name} runs it"
    return "is a duel, and D in the app opens it" if name in DUELS.names() else None
