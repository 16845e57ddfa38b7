"""Gaps: what relaxed mode dropped, counted until the log has stated it.

A gap is forgotten only once its commit is confirmed. It has an id, by which the process that writes next
finds out whether the one before it, which died without a word, had stated it.
"""

from typing import NamedTuple
from uuid import uuid4


class Gap(NamedTuple):
    """Records that were dropped, and the span of time in which their requests came."""

    records: int
    first_received_utc: str
    last_received_utc: str

    def __or__(self, other: "Gap") -> "Gap":
        return Gap(
            self.records + other.records,
            min(self.first_received_utc, other.first_received_utc),
            max(self.last_received_utc, other.last_received_utc),
        )


class Statement(NamedTuple):
    """A gap as it is stated, once, under an id."""

    gap_id: str
    records: int
    first_received_utc: str
    last_received_utc: str

    def detail(self) -> dict[str, object]:
        """What the log states."""
        return self._asdict()


class GapCounter:
    """What was dropped, and is not known to be stated."""

    def __init__(self) -> None:
        self._open: Gap | None = None
        self.sent: Statement | None = None
        """The statement that is on its way; the next waits for it."""

    def __bool__(self) -> bool:
        return self._open is not None or self.sent is not None

    @property
    def is_due(self) -> bool:
        """Whether there is a statement to send."""
        return self._open is not None and self.sent is None

    @property
    def records(self) -> int:
        """Records that are not known to be stated."""
        return sum(gap.records for gap in (self._open, self.sent) if gap is not None)

    def add(self, received_utc: str) -> None:
        """Count a record that was dropped, whose request came at that moment."""
        gap = Gap(1, received_utc, received_utc)
        self._open = gap if self._open is None else self._open | gap

    def to_state(self) -> Statement | None:
        """What is to be sent now, if anything is."""
        if self._open is None or self.sent is not None:
            return None
        self.sent = Statement(uuid4().hex, *self._open)
        self._open = None
        return self.sent

    def stated(self, gap_id: str) -> None:
        """The log has it."""
        if self.sent is not None and self.sent.gap_id == gap_id:
            self.sent = None
