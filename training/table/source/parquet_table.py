"""A Parquet file, or a folder of them, as typed columns.

A folder is one table: the rows of its ``*.parquet`` files in the order of their paths. A part of a path such
as ``year=2024`` is a column, as Hive, Spark and Dask write it.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from training.column_errors import ColumnUnsupported
from training.table.source.file_content import sha256_of
from training.table.source.table import plain
from training.table_errors import ColumnsDuplicated, TableUnreadable

_UNNAMED_INDEX = "__index_level_"


def read_parquet(path: Path) -> tuple[list[str], list[pa.ChunkedArray]]:
    """The names and columns of a file; raises TableUnreadable, ColumnsDuplicated and OSError."""
    table = _read(path)
    kept = [
        place
        for place, name in enumerate(table.column_names)
        # pandas writes an index without a name under this one; it only numbers the rows.
        if not name.startswith(_UNNAMED_INDEX)
    ]
    names = [table.column_names[place] for place in kept]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ColumnsDuplicated(twice)
    return names, [_stored(name, table.column(place)) for name, place in zip(names, kept, strict=True)]


def read_parquet_folder(folder: Path) -> tuple[list[str], list[pa.ChunkedArray], str]:
    """The names and columns of a folder's files, and the digest of their digests.

    Raises TableUnreadable if the folder has no such file, or if its files have different columns.
    """
    paths = sorted(
        path
        for path in folder.rglob("*.parquet")
        if not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    )
    if not paths:
        raise TableUnreadable(folder, "it is a folder without *.parquet files")
    names, digest, parts = None, hashlib.sha256(), []
    for path in paths:
        own, arrays = read_parquet(path)
        hive = _hive_values(path.relative_to(folder))
        own, arrays = [*own, *hive], [*arrays, *(_repeated(value, arrays) for value in hive.values())]
        if names is not None and own != names:
            raise TableUnreadable(folder, _difference(paths[0], path, names, own))
        names = own
        parts.append(arrays)
        digest.update(f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n".encode())
    columns = [
        _joined(folder, name, arrays)
        for name, arrays in zip(names or [], zip(*parts, strict=True), strict=True)
    ]
    return names or [], columns, digest.hexdigest()


def _read(path: Path) -> pa.Table:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return file.read()
    except pa.ArrowException as error:
        raise TableUnreadable(path, "the Parquet file is damaged, encrypted or incomplete") from error
    except OSError as error:
        if error.errno is not None:
            raise
        # Arrow reports a damaged file as an error of the system without a number.
        raise TableUnreadable(path, "the Parquet file is damaged, encrypted or incomplete") from error


def _stored(name: str, array: pa.ChunkedArray) -> pa.ChunkedArray:
    """The array in a type that Arrow itself knows: a period of pandas is the date of its first day."""
    if not isinstance(array.type, pa.BaseExtensionType):
        return plain(array)
    kind = array.type
    storage = pa.chunked_array([chunk.storage for chunk in array.chunks], kind.storage_type)
    if kind.extension_name == "pandas.period":
        return _period_starts(name, storage, json.loads(kind.__arrow_ext_serialize__())["freq"])
    return plain(storage)


def _period_starts(name: str, ordinals: pa.ChunkedArray, frequency: str) -> pa.ChunkedArray:
    """The first day of each period, from its number since 1970."""
    numbers = ordinals.to_pandas()
    try:
        known = pd.PeriodIndex.from_ordinals(  # type: ignore[attr-defined]
            numbers.dropna().astype("int64"), freq=frequency
        )
        starts = known.to_timestamp()
    except ValueError as error:
        raise ColumnUnsupported(name, f"periods of {frequency!r}") from error
    days = pd.Series(None, index=numbers.index, dtype=object)
    days[numbers.notna()] = list(starts.date)
    return pa.chunked_array([pa.array(days.tolist(), pa.date32())])


def _hive_values(relative: Path) -> dict[str, str]:
    parts = (part.partition("=") for part in relative.parts[:-1])
    return {name: unquote(value) for name, sign, value in parts if sign}


def _repeated(value: str, arrays: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    missing = value == "__HIVE_DEFAULT_PARTITION__"
    return pa.chunked_array([pa.repeat(None if missing else value, len(arrays[0])).cast(pa.string())])


def _joined(folder: Path, name: str, arrays: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    tables = [pa.table({"column": array}) for array in arrays]
    try:
        return pa.concat_tables(tables, promote_options="permissive").column("column")
    except pa.ArrowException as error:
        kinds = ", ".join(sorted({str(array.type) for array in arrays}))
        raise TableUnreadable(folder, f"column {name!r} has different types in its files: {kinds}") from error


def _difference(first: Path, other: Path, expected: Sequence[str], actual: Sequence[str]) -> str:
    odd = sorted(set(expected) ^ set(actual))
    which = (
        f"the columns {', '.join(map(repr, odd))} are not in both" if odd else "their columns differ in order"
    )
    return f"{first.name} and {other.name} have different columns: {which}"
