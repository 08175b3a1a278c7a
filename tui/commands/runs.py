"""nablascope runs: the runs that are stored, or the sweeps, newest first; and tidying them up."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import nullcontext

from scenarios.errors import ScenarioError
from tui.commands.console import VERDICT_STYLES, styled, width, write
from tui.commands.storing import add_store, change_store, read_store
from tui.runs.columns import COLUMNS, Column, Row, began, cell, of, widths_of

#: How many runs a list without --limit shows.
_LIMIT = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "words",
        metavar="WORD",
        nargs="*",
        help="only those with every WORD in their name, kind, task, verdict, state, ...",
    )
    parser.add_argument("--sweeps", action="store_true", help="the sweeps instead")
    parser.add_argument("--json", action="store_true", help="an array of JSON objects")
    parser.add_argument(
        "--limit",
        metavar="N",
        default=str(_LIMIT),
        help=f"the newest N, {_LIMIT} if left out; 0: all",
    )
    change = parser.add_mutually_exclusive_group()
    change.add_argument(
        "--rename", metavar=("N", "NAME"), nargs=2, help='call run N something; "" takes it back'
    )
    change.add_argument(
        "--delete", metavar="N", nargs="+", help="take runs out; for a week --undo has them back"
    )
    change.add_argument("--undo", action="store_true", help="have back what was deleted last")
    add_store(parser, needed=True)


def execute(args: argparse.Namespace) -> int:
    """Print the runs, or the sweeps; or change what is stored of runs."""
    if args.rename or args.delete or args.undo:
        return _change(args)
    limit = _checked(args.limit)
    found: list[Row] = []
    with read_store(args) or nullcontext() as store:
        if store is not None:
            ask = store.sweeps if args.sweeps else store.runs
            # One more than is shown tells whether there are more.
            found = ask(args.words, limit + 1 if limit else None)
    shown = found[:limit] if limit else found
    if args.json:
        import json

        print(json.dumps(shown, indent=2, allow_nan=False))
        return 0
    if not shown:
        what = "sweep" if args.sweeps else "run"
        some = store is not None and args.words
        write(f"no {what} has all of these words" if some else f"no {what} is stored yet")
        return 0
    _write_table(shown, _SWEEP_COLUMNS if args.sweeps else COLUMNS)
    if len(found) > len(shown):
        write(styled(f"and older ones: --limit {2 * limit}, or 0 for all", "dim"))
    return 0


def _change(args: argparse.Namespace) -> int:
    """Rename, delete or have back."""
    if args.words or args.sweeps or args.json:
        raise ScenarioError("nablascope runs", "changes runs by their numbers alone")
    option = "--rename" if args.rename else "--delete"
    named = args.rename[:1] if args.rename else args.delete or []
    numbers = [_run_number(option, number) for number in named]
    with change_store(args) as history:
        if args.rename:
            name = args.rename[1]
            history.rename(numbers[0], name)
            write(f"run {numbers[0]} is called {' '.join(name.split()) or 'as its scenario'}")
        elif args.delete:
            history.tidy()
            history.delete(numbers)
            write(f"deleted {_counted(len(numbers))}: --undo has {_them(len(numbers))} back")
        else:
            back = history.restore()
            listed = ", ".join(str(row["id"]) for row in back)
            write(f"back again: {listed}" if back else "nothing is deleted that could come back")
    return 0


def _counted(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"


def _run_number(option: str, written: str) -> int:
    if not (written.isascii() and written.isdigit()):
        raise ScenarioError(option, "must be a run's number in the store", key=written or '""')
    return int(written[:18])


def _checked(written: str) -> int:
    if not (written.isascii() and written.isdigit()):
        allowed = "must be a whole number from 0, which means all"
        raise ScenarioError("--limit", allowed, key=written or '""')
    return int(written[:9])


def _write_table(found: list[Row], columns: Mapping[str, Column]) -> None:
    """One line a row."""
    rows = [{name: column.fill(row) for name, column in columns.items()} for row in found]
    sizes = widths_of(columns, rows, width())

    def line(cells: dict[str, str], *styles: str) -> str:
        padded = {name: cell(cells[name], size, columns[name]) for name, size in sizes.items()}
        if "verdict" in padded:
            padded["verdict"] = styled(padded["verdict"], *styles)
        return "  ".join(padded.values()).rstrip()

    write(styled(line({name: name for name in columns}), "bold"))
    for row in rows:
        write(line(row, *VERDICT_STYLES.get(row.get("verdict", ""), ())))


_SWEEP_COLUMNS = {
    "sweep": Column(lambda sweep: str(sweep["id"]), number=True),
    "began": Column(began),
    "name": Column(lambda sweep: sweep["name"]),
    "cells": Column(lambda sweep: of(sweep["stored"], sweep["cells"]), number=True),
    "failed": Column(lambda sweep: str(sweep["failed"]), number=True),
    "state": Column(lambda sweep: sweep["state"]),
}
