"""Folders of TOML files numbered in reading order, as both catalogues are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError, nearest_of

if TYPE_CHECKING:
    from pathlib import Path


def paths_in(folder: str | Path) -> dict[str, str]:
    """Every file by its name, in reading order: 020-mlp-tanh.toml is mlp-tanh."""
    found = {}
    for file in sorted(os.listdir(folder)):
        number, _, rest = file.partition("-")
        if number.isdigit() and rest.endswith(".toml"):
            found[rest.removesuffix(".toml")] = os.path.join(folder, file)
    return found


def find_in(paths: Mapping[str, str], source: str | Path, what: str) -> str:
    """The file that `source` means: a name among `paths`, else a path.

    Raises ScenarioError, with the nearest name, where a text is neither; `what` names the files.
    """
    if not isinstance(source, str):
        return str(source)
    if source in paths:
        return paths[source]
    if source.endswith(".toml") or os.sep in source or os.path.exists(source):
        return source
    allowed = f"neither a {what} of the catalogue nor a file"
    raise ScenarioError(source or '""', allowed, nearest=nearest_of(source, paths))
