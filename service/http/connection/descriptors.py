"""The reserve of file descriptors of a worker.

The kernel assigns the lowest free number, so the number of a connection's socket shows how many descriptors
are in use. When few are left, the worker logs an error and closes the connections that have waited longest
for their clients. Without any left, uvloop closes each new connection silently, and neither probes nor the
history get a descriptor.
"""

import logging
import resource
from time import monotonic

logger = logging.getLogger(__name__)

_LOG_INTERVAL_S = 10.0


class Descriptors:
    """The file descriptors of this process. An eighth of them, but at least 16, are the reserve."""

    def __init__(self) -> None:
        self._logged = float("-inf")

    def are_scarce(self, descriptor: int) -> bool:
        """Whether the newest descriptor belongs to the reserve."""
        return self._reserve_left(descriptor) <= 1

    def are_used_up(self, descriptor: int) -> bool:
        """Whether the newest descriptor belongs to the last quarter of the reserve."""
        return self._reserve_left(descriptor) < 0.25

    def _reserve_left(self, descriptor: int) -> float:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit == resource.RLIM_INFINITY:
            return float("inf")
        return (limit - descriptor) / max(16, limit // 8)

    def log(self, connections: int) -> None:
        """Log that descriptors run out, at most every 10 s."""
        now = monotonic()
        if now - self._logged >= _LOG_INTERVAL_S:
            self._logged = now
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            logger.error(
                "File descriptors run out: %d connections are open, and the limit is %d. Connections that "
                "wait for their clients are closed. Raise the limit (ulimit -n) or allow fewer clients.",
                connections,
                limit,
            )
