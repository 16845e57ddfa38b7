"""Values as they are stored in a log that may have been tampered with: of any type, texts of any bytes.

SQLite reads whatever the file has, also from a STRICT table, and apsw raises for a text that is not UTF-8.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import apsw


def fetch_all(connection: apsw.Connection, statement: str, values: Sequence[Any] = ()) -> list[Any]:
    """All rows that a SELECT gives; a text that is not UTF-8 as its bytes."""
    cursor = connection.execute(statement, values)
    try:
        return cursor.fetchall()
    except UnicodeDecodeError:
        names = [f"c{number}" for number in range(len(cursor.get_description()))]
    cursor.close(True)
    columns = ", ".join(
        f"typeof({name}), iif(typeof({name}) = 'text', CAST({name} AS BLOB), {name})" for name in names
    )
    again = f"WITH stored({', '.join(names)}) AS ({statement}) SELECT {columns} FROM stored"  # noqa: S608
    return [
        tuple(_decoded(*pair) for pair in zip(row[::2], row[1::2], strict=True))
        for row in connection.execute(again, values)
    ]


def fetch_one(connection: apsw.Connection, statement: str) -> Any:
    """The first value of the first row; None where there is no row."""
    rows = fetch_all(connection, statement)
    return rows[0][0] if rows else None


def _decoded(type_: Any, stored: Any) -> Any:
    with suppress(UnicodeDecodeError):
        return stored.decode() if type_ == "text" else stored
    return stored


def texts(*values: Any) -> Sequence[str]:
    """The values, which are texts; raises TypeError if one is not."""
    if {*map(type, values)} != {str}:
        raise TypeError("a text is of another type, or not UTF-8")
    return values


def shown(value: Any) -> str:
    """A text; where it is none, what no text that the log itself makes is taken for."""
    return value if isinstance(value, str) else repr(value)


def whole(value: Any) -> int:
    """A whole number; -1, which the log has nowhere, if it is none."""
    return value if type(value) is int else -1


def plain_bytes(value: Any) -> bytes:
    """Bytes; none if it is something else."""
    return value if isinstance(value, bytes) else b""
