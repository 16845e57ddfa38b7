"""Short transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


@contextmanager
def read_step(connection: apsw.Connection) -> Iterator[None]:
    """See one snapshot of the log inside."""
    with connection:
        yield


@contextmanager
def write_step(connection: apsw.Connection) -> Iterator[None]:
    """Hold the write lock; what is done inside is committed at the end, or nothing is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
