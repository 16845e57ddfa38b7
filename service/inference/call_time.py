"""The pace of the model: how long a call of so many rows takes, learned from the calls themselves.

A call costs something whatever its rows, and something for each: a straight line through the calls so far,
the older of which count less and less, because what else the machine does changes. Least squares over
decayed sums; nothing is stored per call.
"""

_DECAY = 0.98
"""What a call still counts after the next: half after 34 calls."""

_MANY_ROWS = 2**31


class Pace:
    """What a call takes. Until one was measured, any call is expected to take long."""

    def __init__(self) -> None:
        self._weight = 0.0
        self._rows = 0.0
        self._seconds = 0.0
        self._rows_rows = 0.0
        self._rows_seconds = 0.0
        self._per_call_s = float("inf")
        self._per_row_s = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        """Take a call into account."""
        self._weight = self._weight * _DECAY + 1
        self._rows = self._rows * _DECAY + rows
        self._seconds = self._seconds * _DECAY + seconds
        self._rows_rows = self._rows_rows * _DECAY + rows * rows
        self._rows_seconds = self._rows_seconds * _DECAY + rows * seconds
        mean_rows, mean_s = self._rows / self._weight, self._seconds / self._weight
        spread = self._rows_rows / self._weight - mean_rows**2
        joint = self._rows_seconds / self._weight - mean_rows * mean_s
        # Calls of nearly the same size say nothing of the slope: then all is put down to the rows, which
        # is too much for a larger call rather than too little.
        slope = joint / spread if spread > (0.1 * mean_rows) ** 2 else mean_s / mean_rows
        self._per_row_s = min(max(slope, 0.0), mean_s / mean_rows)
        self._per_call_s = mean_s - self._per_row_s * mean_rows

    def expected_s(self, rows: int) -> float:
        """Seconds that a call of so many rows is expected to take; infinite before the first call."""
        return self._per_call_s + self._per_row_s * rows

    def rows_within(self, seconds: float) -> int:
        """Rows that a call of so many seconds can take: at least one; many, before the first call."""
        if not self._weight:
            return _MANY_ROWS
        for_rows = seconds - self._per_call_s
        if for_rows <= self._per_row_s:
            return 1
        if for_rows >= self._per_row_s * _MANY_ROWS:  # Which may be 0: all is put down to the call.
            return _MANY_ROWS
        return int(for_rows / self._per_row_s)
