"""How long a call of the model takes for a number of rows, estimated from the calls so far.

A call has a fixed cost and a cost per row: a straight line, by least squares over exponentially decayed sums.
Older calls weigh less, because the load of the machine changes. Nothing is stored per call.
"""

_DECAY = 0.98
"""The weight that a call keeps after each further call: half after 34 calls."""

_MANY_ROWS = 2**31


class CallTimeEstimator:
    """The estimate of one model. Before the first call the expected time is infinite."""

    def __init__(self) -> None:
        self._weight = 0.0
        self._rows = 0.0
        self._seconds = 0.0
        self._rows_rows = 0.0
        self._rows_seconds = 0.0
        self._per_call_s = float("inf")
        self._per_row_s = 0.0

    def observe(self, rows: int, seconds: float) -> None:
        """Include a call."""
        self._weight = self._weight * _DECAY + 1
        self._rows = self._rows * _DECAY + rows
        self._seconds = self._seconds * _DECAY + seconds
        self._rows_rows = self._rows_rows * _DECAY + rows * rows
        self._rows_seconds = self._rows_seconds * _DECAY + rows * seconds
        mean_rows, mean_s = self._rows / self._weight, self._seconds / self._weight
        spread = self._rows_rows / self._weight - mean_rows**2
        joint = self._rows_seconds / self._weight - mean_rows * mean_s
        # Calls of nearly the same size do not determine the slope. Then all time is attributed to the rows,
        # which overestimates a larger call rather than underestimating it.
        slope = joint / spread if spread > (0.1 * mean_rows) ** 2 else mean_s / mean_rows
        self._per_row_s = min(max(slope, 0.0), mean_s / mean_rows)
        self._per_call_s = mean_s - self._per_row_s * mean_rows

    def expected_s(self, rows: int) -> float:
        """The expected seconds of a call of this many rows; infinite before the first call."""
        return self._per_call_s + self._per_row_s * rows

    def rows_within(self, seconds: float) -> int:
        """Rows that fit into a call of this many seconds: at least one; unlimited before the first call."""
        if not self._weight:
            return _MANY_ROWS
        for_rows = seconds - self._per_call_s
        if for_rows <= self._per_row_s:
            return 1
        if for_rows >= self._per_row_s * _MANY_ROWS:  # The cost per row can be 0.
            return _MANY_ROWS
        return int(for_rows / self._per_row_s)
