"""How long records have waited for their commit, from nothing but the counts that the writer keeps."""

from collections import deque


class Lag:
    """The wait of the oldest record that is not committed, known to the interval at which it is asked for.

    Each time some were appended it keeps how many and when, until as many are settled: one pair for each time
    it is asked while records wait, none otherwise, and nothing for a record.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[int, float]] = deque()
        """Appended so far, at that moment."""
        self._appended = 0

    def seconds(self, appended: int, settled: int, now: float) -> float:
        """The wait, at the moment ``now``, of the first of the appended that is not among the settled."""
        if appended > self._appended:
            self._appended = appended
            self._marks.append((appended, now))
        while self._marks and self._marks[0][0] <= settled:
            self._marks.popleft()
        return now - self._marks[0][1] if self._marks else 0.0
