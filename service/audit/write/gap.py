"""Gaps: the records that relaxed mode dropped, counted until the log states them.

A gap is forgotten only when its commit is confirmed. It has an id, by which the next writer process finds out
whether the one before it committed the gap before it ended.
"""

import logging
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

_logger = logging.getLogger(__name__)


class Gap(NamedTuple):
    """The number of dropped records, and the first and the last time of receipt of their requests."""

    records: int
    first_received_utc: str
    last_received_utc: str

    def __or__(self, other: "Gap") -> "Gap":
        return Gap(
            self.records + other.records,
            min(self.first_received_utc, other.first_received_utc),
            max(self.last_received_utc, other.last_received_utc),
        )


class GapEvent(NamedTuple):
    """A gap with its id, as one event of the log states it."""

    gap_id: str
    records: int
    first_received_utc: str
    last_received_utc: str

    def detail(self) -> dict[str, object]:
        """The detail of the event."""
        return self._asdict()


class GapCounter:
    """The dropped records that the log is not known to state."""

    def __init__(self) -> None:
        self._open: Gap | None = None
        self.sent: GapEvent | None = None
        """The event that is in flight. The next one is sent after it is confirmed."""

    def __bool__(self) -> bool:
        return self._open is not None or self.sent is not None

    @property
    def is_due(self) -> bool:
        """Whether there is an event to send."""
        return self._open is not None and self.sent is None

    @property
    def records(self) -> int:
        """The number of records that the log is not known to state."""
        return sum(gap.records for gap in (self._open, self.sent) if gap is not None)

    def report_lost(self, path: Path) -> None:
        """Report the records of a log that is closed and will not state them."""
        if self:
            lost = "%d records are lost, and the audit log %s, which cannot be written, does not state it"
            _logger.error(lost, self.records, path)

    def add(self, received_utc: str) -> None:
        """Count a dropped record by the time of receipt of its request."""
        gap = Gap(1, received_utc, received_utc)
        self._open = gap if self._open is None else self._open | gap

    def next_event(self) -> GapEvent | None:
        """The event to send now, if any; it counts as sent."""
        if self._open is None or self.sent is not None:
            return None
        self.sent = GapEvent(uuid4().hex, *self._open)
        self._open = None
        return self.sent

    def confirm(self, gap_id: str) -> None:
        """Forget the gap: the log states it."""
        if self.sent is not None and self.sent.gap_id == gap_id:
            self.sent = None
