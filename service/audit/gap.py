"""Gaps: what relaxed mode dropped, counted until the log can state it."""

from threading import Lock
from typing import NamedTuple


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

    def detail(self) -> dict[str, object]:
        """What the log states."""
        return self._asdict()


class GapCounter:
    """What was dropped and not stated yet; counted by one thread, stated by another."""

    def __init__(self) -> None:
        self.total = 0
        """All that was ever dropped."""
        self._open: Gap | None = None
        self._lock = Lock()

    def __bool__(self) -> bool:
        return self._open is not None

    def add(self, received_utc: str) -> None:
        """Count a record that was dropped, whose request came at that moment."""
        with self._lock:
            self.total += 1
            gap = Gap(1, received_utc, received_utc)
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
