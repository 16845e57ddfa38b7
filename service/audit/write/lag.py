"""How long records have waited for their commit, computed from the counts of the audit log alone."""

from collections import deque


class Lag:
    """The wait of the oldest pending record, exact to the interval of the calls.

    Each call keeps the number of appended records and the time, until as many records are settled. So it
    costs one pair for each call while records are pending, and nothing for a record.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[int, float]] = deque()
        """The number of appended records, and when it was reached."""
        self._appended = 0

    def seconds(self, appended: int, settled: int, now: float) -> float:
        """The wait at the moment ``now`` of the oldest record that is appended and not settled."""
        if appended > self._appended:
            self._appended = appended
            self._marks.append((appended, now))
        while self._marks and self._marks[0][0] <= settled:
            self._marks.popleft()
        return now - self._marks[0][1] if self._marks else 0.0
