"""The rows of a query as typed columns: ``sqlite:///PATH`` and ``postgresql://...``, read-only.

The database refuses any change: SQLite opens the file read-only, PostgreSQL gets a read-only transaction. The
password of an address is used to connect and is written nowhere.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa

from training.table.source.table import plain
from training.table_errors import DatabaseRefused

_SQLITE, _POSTGRESQL = "sqlite:///", ("postgresql://", "postgres://")
_BATCH_ROWS = 10_000
_CONNECT_SECONDS = 10
_BUSY_MS = 5_000


class _Cursor(Protocol):
    description: Any

    def fetchmany(self, size: int, /) -> Sequence[Sequence[object]]: ...


def is_database(data: str) -> bool:
    """Whether a name is the address of a database."""
    return data.startswith((_SQLITE, *_POSTGRESQL))


def without_password(address: str) -> str:
    """The address as it may be shown and logged."""
    parts = urlsplit(address)
    if parts.password is None:
        return address
    user = f"{parts.username or ''}:***@" + (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    return urlunsplit(parts._replace(netloc=user))


def read_query(address: str, query: str) -> tuple[list[str], list[pa.ChunkedArray], str]:
    """The names and columns of a query's rows, and the digest of the rows.

    Raises DatabaseRefused if the database cannot be read, or refuses the query.
    """
    shown = without_password(address)
    with _rows(address, query, shown) as (names, batches):
        columns: list[list[object]] = [[] for _ in names]
        for batch in batches:
            for column, values in zip(columns, zip(*batch, strict=True), strict=False):
                column.extend(values)
    arrays = [pa.chunked_array([_array(values)]) for values in columns]
    return names, [plain(array) for array in arrays], _digest(names, arrays)


@contextmanager
def _rows(
    address: str, query: str, shown: str
) -> Iterator[tuple[list[str], Iterator[Sequence[Sequence[object]]]]]:
    if address.startswith(_SQLITE):
        with _sqlite(address.removeprefix(_SQLITE), query, shown) as rows:
            yield rows
    else:
        with _postgresql(address, query, shown) as rows:
            yield rows


@contextmanager
def _sqlite(path: str, query: str, shown: str) -> Iterator[tuple[list[str], Iterator[Any]]]:
    import apsw

    if not Path(path).is_file():
        raise DatabaseRefused(shown, "there is no such file")
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(_BUSY_MS)
        cursor = connection.execute(query)
        names = [str(column[0]) for column in cursor.get_description()]
        yield names, iter(lambda: list(_taken(cursor, _BATCH_ROWS)), [])
        connection.close()
    except apsw.ExecutionCompleteError as error:
        raise DatabaseRefused(shown, "the query gives no rows") from error
    except apsw.Error as error:
        raise DatabaseRefused(shown, str(error)) from error


def _taken(cursor: Iterator[Any], size: int) -> Iterator[Any]:
    for _, row in zip(range(size), cursor, strict=False):
        yield row


@contextmanager
def _postgresql(address: str, query: str, shown: str) -> Iterator[tuple[list[str], Iterator[Any]]]:
    import psycopg

    try:
        with psycopg.connect(
            address, connect_timeout=_CONNECT_SECONDS, options="-c default_transaction_read_only=on"
        ) as connection:
            connection.read_only = True
            # A cursor on the server sends the rows in batches.
            with connection.cursor(name="table") as cursor:
                cursor.execute(query)
                names = [column.name for column in cursor.description or ()]
                yield names, iter(lambda: cursor.fetchmany(_BATCH_ROWS), [])
    except psycopg.Error as error:
        raise DatabaseRefused(shown, str(error).strip().partition("\n")[0]) from error


def _array(values: Sequence[object]) -> pa.Array:
    """The values in the type that all of them have; texts where their types differ, as SQLite allows."""
    try:
        return pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _digest(names: Sequence[str], arrays: Sequence[pa.ChunkedArray]) -> str:
    digest = hashlib.sha256()
    for name, array in zip(names, arrays, strict=True):
        digest.update(f"{name}\0{array.type}\0".encode())
        for value in array.to_pylist():
            digest.update(f"{value!r}\n".encode())
    return digest.hexdigest()
