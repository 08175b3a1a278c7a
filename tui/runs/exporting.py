"""Writing what is stored to a file beside others, from the Runs screen."""

from __future__ import annotations

from pathlib import Path

from scenarios.store.export import check_format, export
from scenarios.store.store import Store
from tui.save import new_file


def exported(store: Path, folder: Path, table: str, form: str, run: int | None) -> Path:
    """Write a table, or what of it belongs to a run, to a new file in `folder`; its path.

    Raises StoreError, ScenarioError without what the form needs, and OSError.
    """
    check_format(form, "export")
    stem = table if run is None else f"run-{run}"
    with (
        Store.open(store, read_only=True) as source,
        new_file(folder, stem, f".{form}") as (path, file),
    ):
        export(source, table, form, file, run)
    return path
