"""Gaps: what relaxed mode dropped, counted until the log can state it."""

from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from service.audit.record import AuditRecord, utc_text


class Gap(NamedTuple):
    """Records that were dropped, and the span of time in which their requests came."""

    records: int
    first_received: datetime
    last_received: datetime

    def __or__(self, other: "Gap") -> "Gap":
        return Gap(
            self.records + other.records,
            min(self.first_received, other.first_received),
            max(self.last_received, other.last_received),
        )

    def detail(self) -> dict[str, object]:
        """What the log states."""
        return {
            "records": self.records,
            "first_received_utc": utc_text(self.first_received),
            "last_received_utc": utc_text(self.last_received),
        }


class GapCounter:
    """What was dropped and not stated yet; counted by one thread, stated by another."""

    def __init__(self) -> None:
        self.total = 0
        """All that was ever dropped."""
        self._open: Gap | None = None
        self._lock = Lock()

    def __bool__(self) -> bool:
        return self._open is not None

    def add(self, records: Sequence[AuditRecord]) -> None:
        """Count what was dropped."""
        for record in records:
            with self._lock:
                self.total += 1
                gap = Gap(1, record.received_utc, record.received_utc)
                self._open = gap if self._open is None else self._open | gap

    def take(self) -> Gap | None:
        """What is to be stated now."""
        with self._lock:
            gap, self._open = self._open, None
        return gap

    def put_back(self, gap: Gap | None) -> None:
        """It could not be stated."""
        if gap is not None:
            with self._lock:
                self._open = gap if self._open is None else self._open | gap
