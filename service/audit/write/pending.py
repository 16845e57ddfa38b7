"""The records that were appended and have no outcome yet, in the order in which the outcomes come."""

import asyncio
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from service.audit.columns import RecordIdentity
from service.errors import AuditUnavailable, DeadlineExceeded

_MAX_MESSAGES_IN_FLIGHT = 2
"""One message that is being committed, and the next, so that the writer process never waits. More messages
would be smaller, and to wake the process for each costs more than to write a record."""


class _Pending(NamedTuple):
    written: asyncio.Future[None] | None
    """None in relaxed mode, where no caller waits."""
    identity: RecordIdentity
    deadline: float
    """By the clock ``time.monotonic``."""


class PendingRecords:
    """The pending records, and the number of records in each message that is in flight."""

    def __init__(self) -> None:
        self._records: deque[_Pending] = deque()
        self._in_flight: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._records)

    def identities(self, count: int) -> list[RecordIdentity]:
        """The identities of the oldest ``count`` records."""
        return [record.identity for record in islice(self._records, count)]

    @property
    def has_in_flight(self) -> bool:
        """Whether a message is in flight."""
        return len(self._in_flight) > 0

    @property
    def may_send(self) -> bool:
        """Whether another message may be sent before an outcome comes."""
        return len(self._in_flight) < _MAX_MESSAGES_IN_FLIGHT

    def add(self, written: asyncio.Future[None] | None, identity: RecordIdentity, deadline: float) -> None:
        """Add a record behind the others."""
        self._records.append(_Pending(written, identity, deadline))

    def expire(self, now: float) -> None:
        """Raise DeadlineExceeded for callers whose deadline passed; the records stay pending."""
        for record in self._records:
            if record.deadline <= now and record.written is not None and not record.written.done():
                record.written.set_exception(DeadlineExceeded())

    def sent(self, records: int) -> None:
        """A message with this many records was sent."""
        if records:
            self._in_flight.append(records)

    def forget_in_flight(self) -> None:
        """No outcome comes for the messages in flight: the writer process has ended."""
        self._in_flight.clear()

    def settle(self, records: int, error: Exception | None = None) -> None:
        """The oldest ``records`` are written, or failed with the error."""
        self._remove_from_flight(records)
        for _ in range(records):
            future = self._records.popleft().written
            if future is None or future.done():  # Its caller was cancelled or its deadline passed.
                continue
            with suppress(RuntimeError):  # The loop is closed: no caller waits.
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(AuditUnavailable.with_cause(error))

    def _remove_from_flight(self, records: int) -> None:
        while records and self._in_flight:
            first = self._in_flight.popleft()
            if first > records:
                self._in_flight.appendleft(first - records)
            records -= min(first, records)
