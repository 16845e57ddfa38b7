"""Read a table from a file, a folder or a database; its content decides how, not its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from training.table.source.csv_table import read_csv
from training.table.source.file_content import content_kind, sha256_of
from training.table.source.parquet_table import read_parquet, read_parquet_folder
from training.table.source.sql_table import is_database, read_query, without_password
from training.table.source.table import Table, named_columns
from training.table_errors import DatabaseRefused, TableUnreadable


@dataclass(frozen=True)
class SourceOptions:
    """What a person says about the source of a table."""

    delimiter: str | None = None
    encoding: str | None = None
    query: str | None = None


def read_table(data: str | Path, options: SourceOptions | None = None) -> Table:
    """Read a CSV or Parquet file, a folder of Parquet files, or the rows of a query.

    Raises TableUnreadable, ColumnsDuplicated, FormatUnsupported, EncodingUnknown, DelimiterUnknown and
    DatabaseRefused.
    """
    options = options or SourceOptions()
    # While Arrow reads, it handles SIGINT and SIGTERM itself, and loses one that comes at the end: one in ten
    # of those that came while a small file was read. Without its handlers they wait until the file is read.
    pa.enable_signal_handlers(False)
    if is_database(str(data)):
        return _from_database(str(data), options)
    if options.query is not None:
        raise DatabaseRefused(str(data), "--query needs a database, sqlite:///PATH or postgresql://...")
    path = Path(data)
    try:
        return _from_folder(path) if path.is_dir() else _from_file(path, options)
    except OSError as error:
        raise TableUnreadable(path, error.strerror or "the file is damaged") from error


def _from_file(path: Path, options: SourceOptions) -> Table:
    typed = content_kind(path) == "parquet"
    notes: list[str] = []
    if typed:
        names, arrays = read_parquet(path)
    else:
        names, arrays, notes = read_csv(path, options.delimiter, options.encoding)
    return _table(
        path.name.split(".")[0] or path.name, path, sha256_of(path), (names, arrays), notes, typed=typed
    )


def _from_folder(path: Path) -> Table:
    names, arrays, digest = read_parquet_folder(path)
    return _table(path.absolute().name, path, digest, (names, arrays), [], typed=True)


def _from_database(address: str, options: SourceOptions) -> Table:
    if options.query is None:
        raise DatabaseRefused(without_password(address), "name the rows with --query 'SELECT ...'")
    names, arrays, digest = read_query(address, options.query)
    shown = without_password(address)
    name = shown.rpartition("/")[2].partition("?")[0].partition(".")[0] or "query"
    columns, notes = named_columns(names, arrays, shown)
    return Table(name, shown, digest, columns, True, notes)


def _table(
    name: str,
    path: Path,
    digest: str,
    read: tuple[Sequence[str], Sequence[pa.ChunkedArray]],
    notes: Sequence[str],
    *,
    typed: bool,
) -> Table:
    columns, left_out = named_columns(*read, path)
    return Table(name, str(path.absolute()), digest, columns, typed, (*notes, *left_out))
