"""What was appended and has no outcome yet, in the order in which the outcomes come."""

import asyncio
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from service.audit.columns import RecordIdentity
from service.errors import AuditUnavailable, DeadlineExceeded

_IN_FLIGHT = 2
"""Messages that are on their way at once: one that is being committed, and the next, so that the process
never waits. More would only wake it up for less each time, which costs more than writing a record."""


class _Waiting(NamedTuple):
    written: asyncio.Future[None] | None
    """Nothing in relaxed mode: nobody waits."""
    identity: RecordIdentity
    deadline: float
    """By the clock ``time.monotonic``."""


class Outstanding:
    """The records that wait, and how many of them each message took along."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._in_flight: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def identities(self, count: int) -> list[RecordIdentity]:
        """What so many, those that have waited longest, are known by."""
        return [waiting.identity for waiting in islice(self._waiting, count)]

    @property
    def is_on_its_way(self) -> bool:
        """Whether some are with whoever is to answer."""
        return len(self._in_flight) > 0

    @property
    def has_room(self) -> bool:
        """Whether another message is to be sent before one has come back."""
        return len(self._in_flight) < _IN_FLIGHT

    def add(self, written: asyncio.Future[None] | None, identity: RecordIdentity, deadline: float) -> None:
        """Have one more wait."""
        self._waiting.append(_Waiting(written, identity, deadline))

    def expire(self, now: float) -> None:
        """Have nobody wait beyond their deadline; the records stay, and get their outcome."""
        for waiting in self._waiting:
            if waiting.deadline <= now and waiting.written is not None and not waiting.written.done():
                waiting.written.set_exception(DeadlineExceeded())

    def sent(self, records: int) -> None:
        """A message took so many along."""
        if records:
            self._in_flight.append(records)

    def lose_sight(self) -> None:
        """No message comes back: whoever was to answer has ended."""
        self._in_flight.clear()

    def settle(self, records: int, error: Exception | None = None) -> None:
        """So many, those that have waited longest, are written, or are not because of the error."""
        self._count_back(records)
        for _ in range(records):
            future = self._waiting.popleft().written
            if future is None or future.done():  # Its caller was cancelled, or has given up.
                continue
            with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(AuditUnavailable.because(error))

    def _count_back(self, records: int) -> None:
        while records and self._in_flight:
            first = self._in_flight.popleft()
            if first > records:
                self._in_flight.appendleft(first - records)
            records -= min(first, records)
