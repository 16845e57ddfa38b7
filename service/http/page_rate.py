"""How many pages a worker gives in a second: documents, metrics, and what is not there.

A page takes half a millisecond of the event loop and more. Clients that ask for one after the other take as
much of the loop as they like: 64 connections of ``/docs.json`` left 21 of 4,700 predictions a second. So
pages have a rate; what comes beyond it waits, and with it its client.
"""

import asyncio

PAGES_PER_S = 100.0
PAGES_AT_ONCE = 100
"""That many may leave at once after a while without any."""
_MOST_WAIT_S = 5.0
"""However many wait: the rate is then that of the clients, each of which gets one in so many seconds."""


class PageRate:
    """The rate of the pages of one worker. It belongs to one event loop."""

    def __init__(self) -> None:
        self._due = 0.0
        """When the last page began or will begin, by the loop's clock."""

    async def turn(self) -> None:
        """Return when the next page may begin."""
        now = asyncio.get_running_loop().time()
        due = max(self._due + 1 / PAGES_PER_S, now - PAGES_AT_ONCE / PAGES_PER_S)
        self._due = min(due, now + _MOST_WAIT_S)
        if self._due > now:
            await asyncio.sleep(self._due - now)
