"""Read a file as a table of named columns, without guessing.

CSV and Parquet both become Arrow columns, because Arrow is strict where dataframe readers guess: a short row,
a duplicate name or a byte that is not UTF-8 is an error, and not a gap, a renamed column or a question mark.
``column.py`` decides the types of the values.
"""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from training.training_errors import ColumnsDuplicated, TableUnreadable

MISSING_TEXTS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
    *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
"""The texts of a missing value in a CSV file: an empty field, and those of pandas."""

_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Table:
    """The columns of a file by name, in their order."""

    name: str
    """The file's name without its suffix."""
    path: Path
    sha256: str
    """Of the file's bytes, as ``sha256sum`` prints it."""
    columns: dict[str, pa.ChunkedArray]
    typed: bool
    """Whether the file states its types (Parquet), or they are inferred from its texts (CSV)."""
    notes: tuple[str, ...] = ()
    """Columns that were left out, and why."""


def read_table(path: Path) -> Table:
    """Read a CSV or Parquet file; its first bytes decide which, not its suffix.

    Spaces around a CSV value are removed. Raises TableUnreadable and ColumnsDuplicated.
    """
    # While Arrow reads, it handles SIGINT and SIGTERM itself, and loses one that comes at the end: one in ten
    # of those that came while a small file was read. Without its handlers they wait until the file is read.
    pa.enable_signal_handlers(False)
    try:
        content = path.read_bytes()
        typed = content.startswith(_PARQUET_MAGIC)
        names, arrays = _read_parquet(content) if typed else _read_csv(content)
    except (OSError, ValueError, pa.ArrowException, csv.Error) as error:
        raise TableUnreadable(path, _reason(error)) from error
    columns, notes = _by_name(names, arrays)
    if not any(len(array) for array in columns.values()):
        raise TableUnreadable(path, "it has no rows")
    digest = hashlib.sha256(content).hexdigest()
    return Table(path.stem, path, digest, columns, typed, notes)


def _read_csv(content: bytes) -> tuple[list[str], list[pa.ChunkedArray]]:
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, skipinitialspace=True)
    header = next(filter(None, reader), [])
    table = pyarrow.csv.read_csv(
        io.BytesIO(content),
        # Fields may contain line breaks. Names are read from the header itself, so duplicates stay.
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        read_options=pyarrow.csv.ReadOptions(skip_rows=reader.line_num, column_names=_places(header)),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(_places(header), pa.string())),
    )
    missing = pa.array(MISSING_TEXTS)
    trimmed = [pc.utf8_trim_whitespace(column) for column in table.columns]
    arrays = [pc.if_else(pc.is_in(column, missing), None, column) for column in trimmed]
    return [name.strip() for name in header], arrays


def _places(header: Sequence[str]) -> list[str]:
    return [str(place) for place in range(len(header))]


def _read_parquet(content: bytes) -> tuple[list[str], list[pa.ChunkedArray]]:
    table = pyarrow.parquet.read_table(io.BytesIO(content))
    index = _saved_index(table.schema)
    kept = [place for place, name in enumerate(table.column_names) if name not in index]
    return [table.column_names[place] for place in kept], [_plain(table.column(place)) for place in kept]


def _saved_index(schema: pa.Schema) -> set[str]:
    # pandas writes a dataframe's index as a column and records its name; it only numbers the rows.
    metadata = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    return {name for name in metadata.get("index_columns", []) if isinstance(name, str)}


def _plain(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """The array without encoding: a dictionary's values, one type of text, and an empty text as missing."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    if pa.types.is_string(array.type):
        array = pc.if_else(pc.equal(array, ""), None, array)
    return array


def _by_name(
    names: Sequence[str], arrays: Sequence[pa.ChunkedArray]
) -> tuple[dict[str, pa.ChunkedArray], tuple[str, ...]]:
    named = [(name, array) for name, array in zip(names, arrays, strict=True) if name]
    twice = sorted({name for name, _ in named if names.count(name) > 1})
    if twice:
        raise ColumnsDuplicated(twice)
    notes = tuple(
        f"column {place} has no name (a saved index?); it was left out"
        for place, name in enumerate(names, start=1)
        if not name
    )
    return dict(named), notes


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
