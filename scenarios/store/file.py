"""Opening the store's file: what stands in its place, whether it is whole, and for whom it is."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenarios.store.errors import StoreError
from scenarios.store.schema import APPLICATION_ID, latest, migrate, version_of

#: Only a file named like a database is taken for a damaged one where it is no database at all.
_SUFFIXES = (".sqlite", ".sqlite3", ".db")

#: Pages of 4 KiB in the WAL before they are moved into the file, which waits for the disk.
_WAL_PAGES = 4000


class _Damaged(Exception):
    """The file is a store, or was one; the message says what SQLite found."""


def open_file(
    path: Path, timeout: float, *, check: bool = True
) -> tuple[sqlite3.Connection, Path | None]:
    """A connection for reading and writing, and where a damaged file was put, if there was one.

    A file that is not there is made. With `check` all of it is read, to find damage before it does
    harm. Raises StoreError.
    """
    _check_place(path)
    with explaining(path), _alone(path, timeout):
        try:
            return _connect(path, "rwc", timeout, check=check), None
        except _Damaged as damage:
            aside = _set_aside(path, str(damage))
            return _connect(path, "rwc", timeout), aside


def read_file(
    path: Path, timeout: float, *, check: bool = True
) -> tuple[sqlite3.Connection, Path | None]:
    """The same for reading: no file is made where there is none, and what is write-protected will
    do unless it is damaged or has to be brought up to date.

    Raises StoreError.
    """
    _check_place(path)
    if not path.exists():
        raise StoreError(path, "there is no such file")
    with explaining(path):
        try:
            # SQLite opens what is write-protected for reading only, whatever it is asked.
            db = _connect(path, "rw", timeout, check=check)
        except _Damaged:
            return open_file(path, timeout)
        except sqlite3.OperationalError as error:
            if _code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            if _beside(path, "-wal").exists() or not os.access(path, os.R_OK):
                raise
            # Nobody can write here, so nothing can change while it is read.
            db = _connect(path, "ro&immutable=1", timeout, check=check)
        if version_of(db) < latest():
            db.close()
            return open_file(path, timeout, check=check)
        return db, None


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(path, f"cannot be opened: {reason}") from error


def _explained(path: Path, error: sqlite3.Error) -> StoreError:
    code = _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(path, "locked by another program", passing=True)
    if code == sqlite3.SQLITE_FULL:
        return StoreError(path, "the disk is full; what was stored before is kept", passing=True)
    if code == sqlite3.SQLITE_READONLY:
        return StoreError(path, "write-protected, or its folder is; name another --store FILE")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(path, f"damaged ({error}); the next run sets it aside and begins another")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(path, "cannot be opened, or its folder cannot be written to")
    if code == sqlite3.SQLITE_IOERR:
        # A limit on the size of files shows up as this, as does a failing disk.
        line = "the disk failed, or a limit on file sizes was met; what was stored before is kept"
        return StoreError(path, line, passing=True)
    return StoreError(path, f"cannot be used: {error}")


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code, None for an error that is not SQLite's."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _connect(path: Path, mode: str, timeout: float, *, check: bool = True) -> sqlite3.Connection:
    # What means something in a URI; urllib would take longer to import than all this takes.
    name = os.fspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    uri = f"file:{name}?mode={mode}"
    db = sqlite3.connect(uri, timeout=timeout, isolation_level=None, uri=True)
    try:
        _prepare(db, path, writable=mode == "rwc", check=check)
    except sqlite3.DatabaseError as error:
        db.close()
        code = _code(error)
        if code == sqlite3.SQLITE_NOTADB and path.suffix not in _SUFFIXES:
            # Some other file, named by mistake.
            allowed = f"is not a run store; a new one is named like x{_SUFFIXES[0]}"
            raise StoreError(path, allowed) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _Damaged(str(error)) from error
        raise
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, *, writable: bool, check: bool) -> None:
    version = version_of(db)
    made = version or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if made:
        if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StoreError(path, "is another program's SQLite database, not a run store")
        if version > latest():
            raise StoreError(
                path,
                f"is of version {version}, written by a newer nablascope; this one knows versions "
                f"up to {latest()}: update it, or name another file with --store",
            )
        if check:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise _Damaged(" ".join(found.split()))
    db.execute("PRAGMA foreign_keys = ON")
    if writable:
        db.execute("PRAGMA journal_mode = WAL")
        # Enough against a killed process, and a write to the disk only where the WAL is emptied.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        if version < latest():
            migrate(db)


def _check_place(path: Path) -> None:
    """Refuse what cannot become a store. Raises StoreError."""
    try:
        if not path.parent.is_dir():
            raise StoreError(path, f"there is no folder {path.parent}")
        if path.is_dir():
            raise StoreError(path, "is a folder, not a file")
        if path.exists() and not path.is_file():
            raise StoreError(path, "is not a regular file")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(path, f"cannot be opened: {reason}") from error


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _set_aside(path: Path, why: str) -> Path:
    """Move a damaged store, with what belongs to it, and return where it is now."""
    number = 1
    while (aside := _beside(path, f".damaged-{number}")).exists():
        number += 1
    try:
        # The store itself last: a WAL that stayed behind would be taken for its successor's.
        for suffix in ("-wal", "-shm", ""):
            if _beside(path, suffix).exists():
                _beside(path, suffix).rename(_beside(aside, suffix))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(path, f"damaged ({why}) and cannot be set aside: {reason}") from error
    return aside


@contextmanager
def _alone(path: Path, timeout: float) -> Iterator[None]:
    """No two processes make, migrate or set aside a store in one folder at once."""
    # The folder, for closing a handle on the file itself would drop SQLite's locks on it.
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreError(path, "locked by another program", passing=True) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(handle)
