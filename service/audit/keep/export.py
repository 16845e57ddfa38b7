"""The export: the log as JSON lines, CSV or Parquet, oldest first, in constant memory.

JSON lines hold every request with its bodies as values; that of an outcome is the outcome. CSV and Parquet
have one row for each request and label, or one without label if the request was not answered, in the columns
of ``TABLE``. The record of a prediction in shadow has status 203, the challenger as its model, and no label:
what it says is in its bodies. In CSV, a text that a spreadsheet would run as a formula gets an apostrophe
before it.
"""

import csv
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import JsonValue
from pydantic_core import to_json

from service.audit.columns import COLUMNS, OUTCOME, Affinity
from service.audit.file.permissions import PRIVATE
from service.audit.query.reader import LoggedRequest
from service.audit.utc_text import utc_text
from service.errors import AuditMisuse
from service.model.label import label_text

FORMATS = ("jsonl", "csv", "parquet")

_TYPES: dict[Affinity, str] = {"INTEGER": "int64", "REAL": "double", "TEXT": "string", "ANY": "string"}
_LABEL_TABLE = {"label": "string", "rows": "int64", "min_confidence": "double", "max_confidence": "double"}


def _table() -> dict[str, str]:
    # In the order of LoggedRequest, with the label's own columns where that has the labels.
    table: dict[str, str] = {}
    columns = {column.name: column for column in COLUMNS}
    for field in LoggedRequest.model_fields:
        column = columns.get(field) or columns.get(f"{field}_json")
        if field == "predictions":
            table |= _LABEL_TABLE
        elif column is not None and field != "rows":
            table[column.name] = _TYPES[column.affinity]
    return table | {"received_utc": "timestamp"} | _OUTCOME_TABLE


_OUTCOME_TABLE = {
    "outcome_row": "int64",
    "outcome_kind": "string",
    "outcome_label": "string",
    "observed_utc": "timestamp",
    "source": "string",
    "reviewer": "string",
    "reason_code": "string",
}
"""The columns of outcomes, which are about the request that has the same ``request_id`` and status 200."""

TABLE = _table()
"""Columns and their types. ``label`` to ``max_confidence`` are empty if the request was not answered, and
``outcome_row`` to ``reason_code`` if it is not the record of an outcome."""

_FIRST_LABEL_COLUMN = [*TABLE].index("label")

_FORMULA = re.compile("'|\"*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""Matches a text that a spreadsheet takes for a formula, also behind quotes, and one with an apostrophe
before it."""

_PARQUET_ROWS = 10_000

Rows = Iterable[LoggedRequest]


def export(requests: Rows, format_: str, output: Path | None) -> None:
    """Write the requests to a file or to stdout; raises AuditMisuse."""
    write = _WRITERS[format_]
    if format_ == "parquet":
        _pyarrow()  # Raises before a file is created.
        if output is None:
            raise AuditMisuse("Parquet is not for a terminal; name a file with --output")
    with _opened(output) as file:
        write(requests, file)


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        return
    part = output.with_name(f"{output.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE), "wb") as file:
            yield file
        part.replace(output)  # A file under this name is always complete.
    except OSError as error:
        raise AuditMisuse(f"{output} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _write_jsonl(requests: Rows, file: BinaryIO) -> None:
    for request in requests:
        file.write(request.model_dump_json().encode() + b"\n")


def _write_csv(requests: Rows, file: BinaryIO) -> None:
    text = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text)
        writer.writerow(TABLE)
        for request in requests:
            for row in _rows(request):
                writer.writerow([*map(as_cell, row)])
    finally:
        text.detach()  # The caller closes the file, also after an error.


def as_cell(value: object) -> object:
    """A value for a spreadsheet, which would run a text that begins like a formula.

    Such a text gets an apostrophe before it, and so does one that begins with an apostrophe. To get the
    original texts back, remove the first apostrophe of those that begin with one.
    """
    if isinstance(value, datetime):
        return utc_text(value)
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _write_parquet(requests: Rows, file: BinaryIO) -> None:
    pyarrow, parquet = _pyarrow()
    types = {"timestamp": pyarrow.timestamp("us", tz="UTC"), "double": pyarrow.float64()}
    schema = pyarrow.schema(
        [(name, types.get(type_) or getattr(pyarrow, type_)()) for name, type_ in TABLE.items()]
    )
    rows = (row for request in requests for row in _rows(request))
    with parquet.ParquetWriter(file, schema) as writer:
        while chunk := [*islice(rows, _PARQUET_ROWS)]:
            columns = zip(zip(*chunk, strict=True), schema, strict=True)
            arrays = [pyarrow.array(values, field.type) for values, field in columns]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _rows(request: LoggedRequest) -> Iterator[tuple[object, ...]]:
    bodies = {"request_json": _json(request.request), "response_json": _json(request.response)}
    values = [
        bodies[name] if name in bodies else getattr(request, name)
        for name in TABLE
        if name not in _LABEL_TABLE and name not in _OUTCOME_TABLE
    ]
    before, after = values[:_FIRST_LABEL_COLUMN], [*values[_FIRST_LABEL_COLUMN:], *_outcome(request)]
    for one in request.predictions:
        yield *before, label_text(one.label), one.rows, one.min_confidence, one.max_confidence, *after
    if not request.predictions:
        yield *before, None, None, None, None, *after


def _outcome(request: LoggedRequest) -> Iterator[object]:
    """The values of ``_OUTCOME_TABLE``."""
    members = request.request
    if request.status != OUTCOME or not isinstance(members, dict):
        yield from (None for _ in _OUTCOME_TABLE)
        return
    label, observed = members.get("label"), members.get("observed_utc")
    yield from (members.get("row"), members.get("kind"))
    yield label_text(label) if isinstance(label, str | int) else None
    yield datetime.fromisoformat(observed) if isinstance(observed, str) else None
    yield from (members.get(name) for name in ("source", "reviewer", "reason_code"))


def _json(value: JsonValue) -> str:
    # A tensor can hold NaN or infinity, which JSON has no number for. JSON lines have null there, too.
    return to_json(value, inf_nan_mode="null").decode()


def _pyarrow() -> tuple[Any, Any]:
    # Imported only here, because serving does not install it.
    from importlib import import_module

    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise AuditMisuse(
            "Parquet needs pyarrow, which serving does not install (`pip install pyarrow`); "
            "csv and jsonl need nothing more"
        ) from error


_WRITERS: dict[str, Callable[[Rows, BinaryIO], None]] = {
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": _write_parquet,
}
