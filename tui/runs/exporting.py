"""Writing what is stored to a file beside others, from the Runs screen."""

from __future__ import annotations

from pathlib import Path

from scenarios.errors import ScenarioError
from scenarios.store.export import FORMATS, check_format, export
from scenarios.store.store import Store
from tui.save import new_file

#: What can be written, a table in a form, and what a list says of it.
EXPORTS = {
    f"{table}.{form}": f"{what}, as {written.title}"
    for table, what in (("frames", "every step of this run"), ("runs", "all runs, a row each"))
    for form, written in FORMATS.items()
}


def exported(store: Path, folder: Path, what: str, number: int) -> Path:
    """Write one of EXPORTS to a new file in `folder` and return its path.

    `number` is the run's whose steps are wanted. Raises StoreError, and ScenarioError without
    what the form needs or where nothing can be written.
    """
    table, _, form = what.partition(".")
    run = number if table == "frames" else None
    check_format(form, "export")
    stem = table if run is None else f"run-{run}"
    try:
        with (
            Store.open(store, read_only=True) as source,
            new_file(folder, stem, f".{form}") as (path, file),
        ):
            export(source, table, form, file, run)
    except OSError as error:
        raise ScenarioError(str(folder), f"{error.strerror}; nothing was written") from error
    return path
