"""The lines of the demo: seconds since its start, who speaks, and what happened."""

import sys
from threading import Lock
from time import monotonic


class Narration:
    """Writes the lines, from any thread."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._lock = Lock()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return monotonic() - self._began

    def say(self, who: str, text: str) -> None:
        """Write a line."""
        with self._lock:
            sys.stdout.write(f"{self.seconds:6.1f} s  {who:<10} {text}\n")
            sys.stdout.flush()

    def chapter(self, title: str) -> None:
        """Write the beginning of another part."""
        with self._lock:
            sys.stdout.write(f"\n{title}\n")
            sys.stdout.flush()
