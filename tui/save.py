"""Saved files: named after what they hold, numbered where a name is taken, never overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO


def save_new(folder: Path, stem: str, suffix: str, text: str) -> Path:
    """Write `text` to a file that was not there before, and return its path.

    `stem` is reduced to letters, digits, dots and dashes. Raises OSError where the folder cannot
    be written to.
    """
    with new_file(folder, stem, suffix) as (path, file):
        file.write(text.encode())
    return path


@contextmanager
def new_file(folder: Path, stem: str, suffix: str) -> Iterator[tuple[Path, BinaryIO]]:
    """A file that was not there before, to write to, in the same way; gone again on an error."""
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "scenario"
    path, file = next(_opened(folder, stem, suffix))
    try:
        with file:
            yield path, file
    except BaseException:
        path.unlink()
        raise


def _opened(folder: Path, stem: str, suffix: str) -> Iterator[tuple[Path, BinaryIO]]:
    for number in count(1):
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            yield path, path.open("xb")
        except FileExistsError:
            continue
