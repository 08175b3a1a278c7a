"""The store's tables as CSV, JSON, JSON Lines or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from scenarios.errors import ScenarioError

if TYPE_CHECKING:
    from scenarios.store.store import Store

#: Rows that Parquet takes at a time: a frame of a long run is tens of kilobytes.
_BATCH = 500


class Format(NamedTuple):
    """A form that a table can be written in: how it is called, and what writes it."""

    title: str
    write: Callable[[Store, str, BinaryIO, int | None], None]


def export(
    store: Store, table: str, form: str, file: BinaryIO, belongs_to: int | None = None
) -> None:
    """Write a table of `scenarios.store.store.TABLES` to `file`, in a form of FORMATS.

    `belongs_to` as in `Store.rows`. CSV and Parquet have JSON text where the store has; in JSON
    and JSON Lines it is JSON like the rest. Raises StoreError and OSError.
    """
    FORMATS[form].write(store, table, file, belongs_to)


def check_format(form: str, source: str) -> None:
    """Refuse a form that needs a package which is not there. Raises ScenarioError."""
    if form != "parquet":
        return
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        allowed = "needs pyarrow, which is not installed; the extra is nablascope[parquet]"
        raise ScenarioError(source, allowed, key=form) from error


def _csv(store: Store, table: str, file: BinaryIO, belongs_to: int | None) -> None:
    import csv
    from io import TextIOWrapper

    text = TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _ in store.columns(table)])
    writer.writerows(store.rows(table, belongs_to))
    # The file is the caller's to close.
    text.detach()


def _json(store: Store, table: str, file: BinaryIO, belongs_to: int | None) -> None:
    before = b"[\n"
    for record in _records(store, table, belongs_to):
        file.write(before + record)
        before = b",\n"
    file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _json_lines(store: Store, table: str, file: BinaryIO, belongs_to: int | None) -> None:
    for record in _records(store, table, belongs_to):
        file.write(record + b"\n")


def _records(store: Store, table: str, belongs_to: int | None) -> Iterator[bytes]:
    """Every row as an object of JSON, on one line."""
    import json

    from scenarios.store.schema import JSON_COLUMNS

    names = [name for name, _ in store.columns(table)]
    for row in store.rows(table, belongs_to):
        parts = (
            f'"{name}":{value if name in JSON_COLUMNS and value else json.dumps(value)}'
            for name, value in zip(names, row, strict=True)
        )
        yield f"{{{','.join(parts)}}}".encode()


def _parquet(store: Store, table: str, file: BinaryIO, belongs_to: int | None) -> None:
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    types = {"INTEGER": pyarrow.int64(), "REAL": pyarrow.float64(), "TEXT": pyarrow.string()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in store.columns(table)])
    rows = store.rows(table, belongs_to)
    with ParquetWriter(file, schema) as writer:
        for batch in _batches(rows):
            columns = [
                pyarrow.array(column, field.type)
                for column, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


#: By the ending of a file's name.
FORMATS = {
    "csv": Format("CSV", _csv),
    "json": Format("JSON", _json),
    "jsonl": Format("JSON Lines", _json_lines),
    "parquet": Format("Parquet", _parquet),
}
