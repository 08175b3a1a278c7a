"""--store and --no-store, the same for every command that knows the run store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.errors import ScenarioError

if TYPE_CHECKING:
    from scenarios.store.database import Database
    from scenarios.store.history import History
    from scenarios.store.store import Store


def add_store(parser: argparse.ArgumentParser, *, needed: bool = False) -> None:
    """--store FILE, and --no-store where the command can do without."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--store",
        metavar="FILE",
        help="the run store; by default $NABLASCOPE_STORE, else one in your data directory",
    )
    if not needed:
        group.add_argument("--no-store", action="store_true", help="store nothing")


def store_path(args: argparse.Namespace) -> Path | None:
    """Where the store to write to is, or will be; None where there is to be none."""
    if args.no_store:
        return None
    from scenarios.store.place import default_path

    named = _named(args)
    return default_path() if named is None else Path(named)


def open_store(args: argparse.Namespace) -> Store | None:
    """The store to write to, None where there is to be none.

    A store that nobody asked for and that does not work is a line on stderr, and None; one that
    --store names raises StoreError.
    """
    if args.no_store:
        return None
    from scenarios.store.errors import StoreError
    from scenarios.store.store import Store

    try:
        store = Store.open(_named(args))
    except StoreError as error:
        if args.store is not None:
            raise
        warn(f"{error}; nothing is stored")
        return None
    _tell(store)
    return store


def read_store(args: argparse.Namespace) -> Store | None:
    """The store to read from, None where nothing was ever stored. Raises StoreError."""
    from scenarios.store.place import default_path

    named = _named(args)
    if named is None and not default_path().exists():
        return None
    from scenarios.store.store import Store

    store = Store.open(named, read_only=True)
    _tell(store)
    return store


def change_store(args: argparse.Namespace) -> History:
    """The store that is there, to tidy it up. Raises StoreError."""
    from scenarios.store.errors import StoreError
    from scenarios.store.history import History
    from scenarios.store.place import default_path

    named = _named(args)
    path = default_path() if named is None else Path(named)
    if not path.exists():
        raise StoreError(path, "there is no such file, so no run is stored")
    history = History.open(path)
    _tell(history)
    return history


def warn(line: str) -> None:
    """One line on stderr."""
    print(line, file=sys.stderr)


def _named(args: argparse.Namespace) -> str | None:
    if args.store == "":
        raise ScenarioError("--store", "must be the path of a file", key='""')
    named: str | None = args.store
    return named


def _tell(store: Database) -> None:
    if store.set_aside is not None:
        warn(f"{store.path}: damaged; set aside as {store.set_aside}, and a new store begun")
