"""The rate limit of pages: documentation, metrics, and answers to unknown routes.

A page takes half a millisecond or more of the event loop, so clients that request pages in a loop can occupy
it: 64 connections that requested ``/docs.json`` left 21 of 4,700 predictions per second. A request beyond the
rate waits, and its client with it.
"""

import asyncio

PAGES_PER_S = 100.0
PAGE_BURST = 100
"""Pages that may be sent at once after an idle period."""
_MAX_WAIT_S = 5.0
"""The longest wait. Beyond it each client still gets only one page per wait."""


class PageRate:
    """The rate limit of one worker. It belongs to one event loop."""

    def __init__(self, max_wait_s: float = _MAX_WAIT_S) -> None:
        self._max_wait_s = max_wait_s
        self._next_at = 0.0
        """When the last page began or will begin, by the loop's clock."""

    async def wait(self) -> None:
        """Return when the next page may begin."""
        now = asyncio.get_running_loop().time()
        next_at = max(self._next_at + 1 / PAGES_PER_S, now - PAGE_BURST / PAGES_PER_S)
        self._next_at = min(next_at, now + self._max_wait_s)
        if self._next_at > now:
            await asyncio.sleep(self._next_at - now)
