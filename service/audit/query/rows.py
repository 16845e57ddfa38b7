"""Rows of the log for analysis, read safely while the log is written."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import apsw

from service.audit.file.database import open_for_reading
from service.errors import AuditMisuse

Value = str | bytes | int | float | None


def read_rows(
    statement: str, values: Sequence[Value], path: Path, before_rows: Callable[[], None]
) -> Iterator[dict[str, Value]]:
    """The rows of a SELECT as of one moment, each by the names of its columns."""
    with closing(open_for_reading(path)) as connection, connection:
        try:
            cursor = connection.execute(statement, values)
            before_rows()
            names = [name for name, *_ in cursor.get_description()]
            for row in cursor:
                yield dict(zip(names, row, strict=True))
        except apsw.ExecutionCompleteError:  # A SELECT without rows has no description.
            return
        except (apsw.Error, UnicodeDecodeError) as error:
            raise AuditMisuse(f"The log {path} cannot run {statement!r}: {error}") from error
