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
    """The file descriptors of this process, of which an eighth, but at least 16, are held in reserve."""

    def __init__(self) -> None:
        self._logged = float("-inf")

    def are_scarce(self, descriptor: int) -> bool:
        """Whether the newest one is of the reserve."""
        return self._reserve_left(descriptor) <= 1

    def are_used_up(self, descriptor: int) -> bool:
        """Whether less than a quarter of the reserve is left."""
        return self._reserve_left(descriptor) < 0.25

    def _reserve_left(self, descriptor: int) -> float:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit == resource.RLIM_INFINITY:
            return float("inf")
        return (limit - descriptor) / max(16, limit // 8)

    def log(self, connections: int) -> None:
        """Say that they run out, not more often than every 10 s."""
        now = monotonic()
        if now - self._logged >= _LOG_INTERVAL_S:
            self._logged = now
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            logger.error(
                "File descriptors run out: %d connections are open, and the limit is %d. Those that wait for "
                "their clients are closed. Raise the limit (ulimit -n), or let fewer clients connect.",
                connections,
                limit,
            )
