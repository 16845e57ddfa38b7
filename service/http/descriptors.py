"""What a worker does when its file descriptors run out.

The kernel gives out the lowest free number, so the number of a connection's socket tells how many are in use,
whatever uses them. Before the last of them is gone, the worker says so in its log and closes the connections
that have waited longest for their clients. Beyond the last one, uvloop closes each new connection without a
word, and neither a probe nor the history gets a descriptor.
"""

import logging
import resource
from time import monotonic

logger = logging.getLogger(__name__)

_LOG_INTERVAL_S = 10.0


class Descriptors:
    """The file descriptors of this process."""

    def __init__(self) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.limit = float("inf") if soft == resource.RLIM_INFINITY else soft
        self._reserve = max(16, self.limit // 8)
        self._logged = float("-inf")

    def are_scarce(self, descriptor: int) -> bool:
        """Whether the newest one is within the reserve."""
        return descriptor >= self.limit - self._reserve

    def are_used_up(self, descriptor: int) -> bool:
        """Whether hardly any of the reserve is left."""
        return descriptor >= self.limit - self._reserve / 4

    def log(self, connections: int) -> None:
        """Say so in the log, not more often than every 10 s."""
        now = monotonic()
        if now - self._logged >= _LOG_INTERVAL_S:
            self._logged = now
            logger.error(
                "File descriptors run out: %d connections are open, and the limit is %d. Those that wait for "
                "their clients are closed. Raise the limit (ulimit -n), or let fewer clients connect.",
                connections,
                self.limit,
            )
