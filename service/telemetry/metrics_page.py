"""The page of the metrics, made once for all who ask at the same time.

Making it takes some ten milliseconds in a thread, which holds the interpreter meanwhile. Clients that ask for
it again and again would take the event loop's time: 64 connections left 117 of 4,600 predictions a second.
"""

import asyncio
from collections.abc import Callable

from anyio import to_thread

INTERVAL_S = 0.25
"""Between the beginnings of two pages; who asks meanwhile gets the second."""


class MetricsPage:
    """Shared pages. It belongs to one event loop."""

    def __init__(
        self, tally: Callable[[], None], render: Callable[[], bytes], tally_interval_s: float
    ) -> None:
        """Take what writes this worker's counts, what makes the page, how often the others write theirs."""
        self._tally = tally
        self._render = render
        self._tally_interval_s = tally_interval_s
        self._next: asyncio.Task[bytes] | None = None
        """The page that whoever asks now gets."""
        self._making = asyncio.Lock()
        self._begun = float("-inf")

    async def get(self) -> bytes:
        """A page with all that had happened in any worker when it was asked for."""
        if self._next is None:
            self._next = asyncio.create_task(self._make())
        # Shielded: one that goes away leaves the others their page.
        return await asyncio.shield(self._next)

    async def _make(self) -> bytes:
        loop = asyncio.get_running_loop()
        async with self._making:
            await asyncio.sleep(self._begun + INTERVAL_S - loop.time())
            self._begun, self._next = loop.time(), None
            # By then every worker has written what had happened.
            await asyncio.sleep(self._tally_interval_s)
            self._tally()
            return await to_thread.run_sync(self._render)
