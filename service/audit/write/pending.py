"""The records and acts that were appended and have no outcome yet, in the order in which outcomes come."""

import asyncio
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from service.audit.act import is_act
from service.audit.columns import PackedRecord, RecordIdentity
from service.errors import AuditUnavailable, DeadlineExceeded

_MAX_MESSAGES_IN_FLIGHT = 2
"""One message that is being committed, and the next, so that the writer process never waits. More messages
would be smaller, and to wake the process for each costs more than to write a record."""


class _Pending(NamedTuple):
    written: asyncio.Future[None] | None
    """None in relaxed mode, where no caller waits."""
    identity: RecordIdentity
    is_record: bool
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

    def add(self, written: asyncio.Future[None] | None, packed: PackedRecord, deadline: float) -> None:
        """Add a record or act behind the others."""
        self._records.append(_Pending(written, packed[:2], not is_act(packed), deadline))

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

    def settle(self, count: int, error: Exception | None = None) -> int:
        """The oldest ``count`` are written, or failed with the error; returns how many were records."""
        self._remove_from_flight(count)
        records = 0
        for _ in range(count):
            future, _, is_record, _ = self._records.popleft()
            records += is_record
            if future is None or future.done():  # Its caller was cancelled or its deadline passed.
                continue
            with suppress(RuntimeError):  # The loop is closed: no caller waits.
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(AuditUnavailable.with_cause(error))
        return records

    def _remove_from_flight(self, records: int) -> None:
        while records and self._in_flight:
            first = self._in_flight.popleft()
            if first > records:
                self._in_flight.appendleft(first - records)
            records -= min(first, records)
