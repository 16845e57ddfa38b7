"""Records as the replay and monitoring read them from the log."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple

import apsw

from service.audit.columns import BodyValue

RECORD_COLUMNS = """
    id, request_id, received_utc, transport, route, status, rows, request_json, request_cut_bytes,
    response_json, model_id, salt IS NOT NULL, duration_ms, flags, subject
"""


class LoggedRecord(NamedTuple):
    """One record, by ``RECORD_COLUMNS``."""

    id: int
    request_id: str
    received_utc: str
    transport: str
    route: str
    status: int
    rows: int
    request: BodyValue
    cut_bytes: int
    response: BodyValue
    model_id: str
    has_content: int
    """0 after a redaction."""
    duration_ms: float
    flags: int
    """Values outside what the training table held."""
    subject: str | None
    """Keyed hash of the person that the request is about."""

    @property
    def received_s(self) -> float:
        """When it was received, seconds since 1970."""
        return datetime.fromisoformat(self.received_utc).timestamp()


def read_up_to(
    max_bytes: int, connection: apsw.Connection, statement: str, values: Sequence[Any]
) -> tuple[list[LoggedRecord], bool]:
    """The first records, up to that whose bodies reach the limit, and whether they reach it."""
    records: list[LoggedRecord] = []
    size = 0
    with closing(connection.cursor()) as cursor:
        for record in map(LoggedRecord._make, cursor.execute(statement, values)):
            records.append(record)
            size += len(record.request) + len(record.response)  # Characters or bytes.
            if size >= max_bytes:
                return records, True
    return records, False
