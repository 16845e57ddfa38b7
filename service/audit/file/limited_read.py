"""Reads records up to a number of bytes, because bodies are of any size."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any, Protocol, TypeVar

import apsw

from service.audit.columns import BodyValue


class HasBodies(Protocol):
    """A row that has both bodies of a record."""

    @property
    def request(self) -> BodyValue:
        """What was sent."""

    @property
    def response(self) -> BodyValue:
        """What was answered."""


Row = TypeVar("Row", bound=HasBodies)


def read_up_to(
    max_bytes: int,
    connection: apsw.Connection,
    statement: str,
    values: Sequence[Any],
    row: Callable[[Iterable[Any]], Row],
) -> tuple[list[Row], bool]:
    """The first rows, up to that whose bodies reach the limit, and whether they reach it."""
    rows: list[Row] = []
    size = 0
    with closing(connection.cursor()) as cursor:
        for each in map(row, cursor.execute(statement, values)):
            rows.append(each)
            size += len(each.request) + len(each.response)  # Characters or bytes.
            if size >= max_bytes:
                return rows, True
    return rows, False
