"""nablascope runs: what was run, newest first."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scenarios.errors import ScenarioError
from tui.commands.console import VERDICT_STYLES, styled, width, write
from tui.commands.storing import add_store, read_store

if TYPE_CHECKING:
    from collections.abc import Callable

#: How many runs a list without --limit shows.
_LIMIT = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "words",
        metavar="WORD",
        nargs="*",
        help="only runs with every WORD in their name, title, kind, task, verdict, state or device",
    )
    parser.add_argument("--json", action="store_true", help="an array of JSON objects")
    parser.add_argument(
        "--limit",
        metavar="N",
        default=str(_LIMIT),
        help=f"the newest N, {_LIMIT} if left out; 0: all",
    )
    add_store(parser, needed=True)


def execute(args: argparse.Namespace) -> int:
    """Print the runs."""
    limit = _checked(args.limit)
    found: list[dict[str, Any]] = []
    with read_store(args) or nullcontext() as store:
        if store is not None:
            # One more than is shown tells whether there are more.
            found = store.runs(args.words, limit + 1 if limit else None)
    shown = found[:limit] if limit else found
    if args.json:
        import json

        print(json.dumps(shown, indent=2, allow_nan=False))
        return 0
    if not shown:
        some = store is not None and args.words
        write("no run has all of these words" if some else "no run is stored yet")
        return 0
    _write_table(shown)
    if len(found) > len(shown):
        write(styled(f"and older ones: --limit {2 * limit}, or 0 for all", "dim"))
    return 0


def _checked(written: str) -> int:
    if not (written.isascii() and written.isdigit()):
        allowed = "must be a whole number from 0, which means all"
        raise ScenarioError("--limit", allowed, key=written or '""')
    return int(written[:9])


def _write_table(runs: list[dict[str, Any]]) -> None:
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "run": lambda run: str(run["id"]),
        "began": _began,
        "scenario": lambda run: str(run["name"]),
        "path": _path,
        "steps": lambda run: f"{'-' if run['step'] is None else run['step']}/{run['steps']}",
        "loss": lambda run: "-" if run["loss"] is None else f"{run['loss']:.4g}",
        "decades": lambda run: "-" if run["decades"] is None else f"{run['decades']:+.1f}",
        "verdict": lambda run: run["verdict"] or "-",
        "state": lambda run: run["state"],
    }
    rows = [{name: column(run) for name, column in columns.items()} for run in runs]
    numbers = ("run", "steps", "loss", "decades")
    sizes = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    # What a narrow terminal can best do without goes first.
    for name in ("loss", "path", "began"):
        if sum(sizes.values()) + 2 * len(sizes) - 2 > width():
            del sizes[name]

    def line(cells: dict[str, str], *styles: str) -> str:
        padded = {
            name: cells[name].rjust(size) if name in numbers else cells[name].ljust(size)
            for name, size in sizes.items()
        }
        padded["verdict"] = styled(padded["verdict"], *styles)
        return "  ".join(padded.values()).rstrip()

    write(styled(line({name: name for name in columns}), "bold"))
    for row in rows:
        write(line(row, *VERDICT_STYLES.get(row["verdict"], ())))


def _began(run: dict[str, Any]) -> str:
    """In local time."""
    return datetime.fromisoformat(run["began"]).astimezone().strftime("%Y-%m-%d %H:%M")


def _path(run: dict[str, Any]) -> str:
    if run["time_steps"] is not None:
        return f"{run['time_steps']} steps"
    return f"{run['depth']} layers"
