"""Saved files: named after the scenario, numbered where a name is taken, never overwritten."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path


def save_new(folder: Path, stem: str, suffix: str, text: str) -> Path:
    """Write `text` to a file that was not there before, and return its path.

    `stem` is reduced to letters, digits, dots and dashes. Raises OSError where the folder cannot
    be written to.
    """
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "scenario"
    for number in count(1):
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return path
    raise AssertionError("unreachable")
