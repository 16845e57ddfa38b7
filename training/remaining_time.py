"""An estimate of the time that a training still takes, corrected by the fits that ended."""

from time import monotonic

_PRIOR_S = 2.0
"""Weight of the first estimate, in seconds of fits that took exactly as long as estimated."""


class RemainingTime:
    """The estimated time left; nothing is known before ``expect``."""

    def __init__(self) -> None:
        self._began = self._changed = monotonic()
        self._expected_s: float | None = None
        self._done_s = 0.0
        self._processes = 1
        self._estimated_s = self._actual_s = _PRIOR_S

    def expect(self, seconds: float, processes: int = 1) -> None:
        """Set the estimated work that is left, which so many processes share."""
        self._expected_s = seconds / processes
        self._processes = processes
        self._changed = monotonic()

    def finish(self, estimated_s: float, actual_s: float) -> None:
        """Count a fit as done; later fits are expected to be slower or faster by the same factor."""
        self._estimated_s += estimated_s
        self._actual_s += actual_s
        if self._expected_s is not None:
            wall_s = estimated_s / self._processes
            self._expected_s = max(0.0, self._expected_s - wall_s)
            self._done_s += wall_s
        self._changed = monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return monotonic() - self._began

    @property
    def share_done(self) -> float:
        """The share of the estimated work that is done, from 0 to 1."""
        total = self._done_s + (self._expected_s or 0.0)
        return self._done_s / total if total else 0.0

    @property
    def seconds(self) -> float | None:
        """The estimate, or None if nothing is known."""
        if self._expected_s is None:
            return None
        factor = self._actual_s / self._estimated_s
        return max(0.0, self._expected_s * factor - (monotonic() - self._changed))

    @property
    def text(self) -> str:
        """The estimate in words; empty if nothing is known."""
        seconds = self.seconds
        if seconds is None:
            return ""
        return f"about {duration_text(seconds)} left" if seconds >= 1 else "nearly done"


def duration_text(seconds: float) -> str:
    """A duration in words: ``40 s``, ``3 min 10 s``."""
    rounded = round(seconds) if seconds < 59.5 else 10 * round(seconds / 10)
    minutes, rest = divmod(rounded, 60)
    return f"{rest} s" if not minutes else f"{minutes} min {rest} s"
