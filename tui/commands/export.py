"""nablascope export: what the store holds, for other tools."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError, nearest_of
from scenarios.files import replacing
from scenarios.store.export import FORMATS, check_format, export
from tui.commands.options import either
from tui.commands.output import check
from tui.commands.storing import add_store, read_store

if TYPE_CHECKING:
    from scenarios.store.store import Store

#: What can be exported, each with the option that picks what belongs to one run or sweep.
_TABLES = {"runs": "run", "frames": "run", "sweeps": "sweep", "cells": "sweep"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("table", metavar="TABLE", help=either(_TABLES))
    parser.add_argument("--run", metavar="N", help="only this run, by its number in `runs`")
    parser.add_argument("--sweep", metavar="N", help="only this sweep")
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        help=f"{either(FORMATS)}; by default what FILE ends in, csv where it has no ending",
    )
    parser.add_argument(
        "--output", metavar="FILE", default="-", help="by default -, the standard output"
    )
    add_store(parser, needed=True)


def execute(args: argparse.Namespace) -> int:
    """Write the table."""
    _one_of("TABLE", args.table, _TABLES)
    form = _format(args)
    belongs_to = _owner(args)
    target = None if args.output == "-" else check("--output", args.output)
    check_format(form, "--format")
    if form == "parquet" and target is None and sys.stdout.isatty():
        raise ScenarioError("--output", "Parquet is not for a terminal; name a file", key="-")
    store = read_store(args)
    if store is None:
        raise ScenarioError("nablascope export", "no run is stored yet")
    with store:
        if belongs_to is not None:
            _check_owner(store, args, belongs_to)
        if target is None:
            export(store, args.table, form, sys.stdout.buffer, belongs_to)
            return 0
        try:
            with replacing(target) as file:
                export(store, args.table, form, file, belongs_to)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            line = ScenarioError("--output", f"not written: {reason}", key=args.output)
            print(line, file=sys.stderr)
            return 1
    return 0


def _format(args: argparse.Namespace) -> str:
    if args.format is not None:
        _one_of("--format", args.format, FORMATS)
        return str(args.format)
    suffix = Path(args.output).suffix
    if not suffix:
        return "csv"
    form = suffix.removeprefix(".")
    if form not in FORMATS:
        allowed = f"must end in {either([f'.{name}' for name in FORMATS])}, or name a --format"
        raise ScenarioError("--output", allowed, key=args.output)
    return form


def _owner(args: argparse.Namespace) -> int | None:
    """The run or sweep that was asked for."""
    for option in ("run", "sweep"):
        written = getattr(args, option)
        if written is None:
            continue
        if option != _TABLES[args.table]:
            raise ScenarioError(f"--{option}", f"does not fit {args.table}", key=written or '""')
        if not (written.isascii() and written.isdigit()):
            allowed = f"must be a {option}'s number in the store"
            raise ScenarioError(f"--{option}", allowed, key=written or '""')
        return int(written[:18])
    return None


def _check_owner(store: Store, args: argparse.Namespace, number: int) -> None:
    option = _TABLES[args.table]
    if next(store.rows(f"{option}s", number), None) is None:
        raise ScenarioError(f"--{option}", f"{store.path} holds no such {option}", key=str(number))


def _one_of(source: str, written: str, allowed: Mapping[str, object]) -> None:
    if written not in allowed:
        nearest = nearest_of(written, allowed)
        line = f"must be {either(allowed)}"
        raise ScenarioError(source, line, key=written or '""', nearest=nearest)
