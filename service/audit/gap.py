"""Gaps: what relaxed mode dropped, counted until the log can state it."""

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
    """What was dropped and not stated yet."""

    def __init__(self) -> None:
        self._open: Gap | None = None

    def __bool__(self) -> bool:
        return self._open is not None

    def add(self, received_utc: str) -> None:
        """Count a record that was dropped, whose request came at that moment."""
        self.put_back(Gap(1, received_utc, received_utc))

    def take(self) -> Gap | None:
        """What is to be stated now."""
        gap, self._open = self._open, None
        return gap

    def put_back(self, gap: Gap | None) -> None:
        """It could not be stated, or is to be stated along with the rest."""
        if gap is not None:
            self._open = gap if self._open is None else self._open | gap
