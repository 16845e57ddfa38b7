"""A bounded rate: what is beyond it waits for its turn."""

import asyncio
from math import inf


class RateLimit:
    """A rate after a burst. It belongs to one event loop."""

    def __init__(self, per_s: float, burst: int, *, max_wait_s: float = inf) -> None:
        """``burst`` turns may begin at once after an idle period.

        If turns would wait longer than ``max_wait_s``, the rate follows from the clients, each of which has
        one in this time.
        """
        self._interval_s = 1 / per_s
        self._burst_s = burst / per_s
        self._max_wait_s = max_wait_s
        self._next_at = 0.0
        """When the last turn began or will begin, by the loop's clock."""

    async def wait(self) -> None:
        """Return when the next turn may begin."""
        now = asyncio.get_running_loop().time()
        next_at = max(self._next_at + self._interval_s, now - self._burst_s)
        self._next_at = min(next_at, now + self._max_wait_s)
        if self._next_at > now:
            await asyncio.sleep(self._next_at - now)
