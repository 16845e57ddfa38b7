"""Values of a log that may have been tampered with: of any type, and texts of any bytes.

SQLite returns whatever the file holds, even from a STRICT table, and apsw raises for a text that is not
UTF-8.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import apsw
from pydantic import JsonValue
from pydantic_core import from_json


def fetch_all(connection: apsw.Connection, statement: str, values: Sequence[Any] = ()) -> list[Any]:
    """All rows of a SELECT; a text that is not UTF-8 is returned as its bytes."""
    cursor = connection.execute(statement, values)
    try:
        return cursor.fetchall()
    except UnicodeDecodeError:
        names = [f"c{number}" for number in range(len(cursor.get_description()))]
    cursor.close(True)
    columns = ", ".join(
        f"typeof({name}), iif(typeof({name}) = 'text', CAST({name} AS BLOB), {name})" for name in names
    )
    again = f"WITH raw({', '.join(names)}) AS ({statement}) SELECT {columns} FROM raw"  # noqa: S608
    return [
        tuple(_decoded(*pair) for pair in zip(row[::2], row[1::2], strict=True))
        for row in connection.execute(again, values)
    ]


def fetch_one(connection: apsw.Connection, statement: str) -> Any:
    """The first value of the first row; None if there is no row."""
    rows = fetch_all(connection, statement)
    return rows[0][0] if rows else None


def _decoded(type_: Any, value: Any) -> Any:
    with suppress(UnicodeDecodeError):
        return value.decode() if type_ == "text" else value
    return value


def require_texts(*values: Any) -> Sequence[str]:
    """The values, all of which are texts; raises TypeError if one is not."""
    if {*map(type, values)} != {str}:
        raise TypeError("a text is of another type, or not UTF-8")
    return values


def as_text(value: Any) -> str:
    """A text; any other value as its ``repr``, which equals no text that the log itself writes."""
    return value if isinstance(value, str) else repr(value)


def as_integer(value: Any) -> int:
    """An integer; -1, which the log never writes, for any other value."""
    return value if type(value) is int else -1


def as_bytes(value: Any) -> bytes:
    """Bytes; no bytes for any other value."""
    return value if isinstance(value, bytes) else b""


def as_object(detail_json: Any) -> dict[str, JsonValue]:
    """The JSON object in a column; an empty one for any other value, which `verify` reports."""
    try:
        detail = from_json(detail_json) if isinstance(detail_json, str) else None
    except ValueError:
        return {}
    return detail if isinstance(detail, dict) else {}
