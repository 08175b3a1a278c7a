"""The columns of a list of runs, the same on the screen and in the shell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from tui.words import duration

Row: TypeAlias = dict[str, Any]


class Column(NamedTuple):
    """One column: how a row fills it, what the store orders it by, and its side."""

    fill: Callable[[Row], str]
    order: str | None = None
    number: bool = False


def began(row: Row) -> str:
    """When it began, in local time."""
    return datetime.fromisoformat(row["began"]).astimezone().strftime("%Y-%m-%d %H:%M")


def of(done: int | None, asked: int) -> str:
    """How many of how many."""
    return f"{'-' if done is None else done}/{asked}"


def called(run: Row) -> str:
    """The name its user gave it, else its scenario's."""
    name: str = run["label"] or run["name"]
    return name


def _path(run: Row) -> str:
    if run["time_steps"] is not None:
        return f"{run['time_steps']} steps"
    return f"{run['depth']} layers"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


COLUMNS = {
    "run": Column(lambda run: str(run["id"]), "id", number=True),
    "began": Column(began, "id"),
    "scenario": Column(called, "name"),
    "changed": Column(lambda run: run["changes"] or ""),
    "path": Column(_path),
    "steps": Column(lambda run: of(run["step"], run["steps"]), "step", number=True),
    "time": Column(lambda run: duration(run["seconds"]), "seconds", number=True),
    "loss": Column(lambda run: _number(run["loss"], ".4g"), "loss", number=True),
    "decades": Column(lambda run: _number(run["decades"], "+.1f"), "decades", number=True),
    "verdict": Column(lambda run: run["verdict"] or "-", "verdict"),
    "state": Column(lambda run: run["state"], "state"),
}
#: What a narrow terminal can best do without goes first.
DROPPED = ("time", "loss", "path", "changed", "began")
#: The columns that a long text would fill, what of it is kept before another column goes, and what
#: is kept of any text.
_LONG, _KEPT, _LEAST = ("scenario", "name", "changed"), 20, 8


def widths_of(
    columns: Mapping[str, Column], rows: Sequence[Mapping[str, str]], room: int
) -> dict[str, int]:
    """How wide each column is that there is room for, two cells between any two of them.

    A column that no row has anything for takes none.
    """
    filled = [name for name in columns if any(row[name] for row in rows)]
    wanted = {name: max(len(name), *(len(row[name]) for row in rows)) for name in filled}
    sizes = {name: min(size, _KEPT) if name in _LONG else size for name, size in wanted.items()}

    def left() -> int:
        return room - sum(sizes.values()) - 2 * (len(sizes) - 1)

    dropped = {}
    for name in DROPPED:
        if name in sizes and left() < 0:
            dropped[name] = sizes.pop(name)
    # A large one that went late has made room for what went before it.
    for name, size in reversed(dropped.items()):
        if size + 2 <= left():
            sizes[name] = size
    sizes = {name: sizes[name] for name in columns if name in sizes}
    # What is left is for long texts; where that is too little they are cut, then the last column.
    for name in (*(name for name in _LONG if name in sizes), next(reversed(sizes))):
        spare = left() if name in _LONG else min(left(), 0)
        sizes[name] = min(wanted[name], max(sizes[name] + spare, _LEAST))
    return sizes


def cell(text: str, size: int, column: Column) -> str:
    """What a column of this size shows of a text, at its side."""
    shown = text if len(text) <= size else f"{text[: size - 1]}…"
    return shown.rjust(size) if column.number else shown.ljust(size)
