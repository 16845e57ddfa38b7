"""Admission of history queries to a worker.

The history process (history_process.py) reads one query at a time; the others wait. Queries beyond
``MAX_CONCURRENT_QUERIES`` get 429. A 429 also costs the worker half a millisecond, and a client that retries
at once would keep the worker busy with them. So at most ``REJECTIONS_PER_S`` rejections are sent per second,
and the others wait.

Each read is an act of the ledger, which is never pruned. So the reads have a rate, which bounds its growth.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import NoReturn

from service.audit.query.history_process import HistoryProcess, PageContent, ProcessEnded, Query
from service.audit.query.outcome_lookup import FoundPrediction, OutcomeKey, OutcomeLookup, read_found
from service.errors import DeadlineExceeded, Overloaded
from service.system.rate_limit import RateLimit

MAX_CONCURRENT_QUERIES = 8
"""Queries that are being read or wait."""
REJECTIONS_PER_S = 50
READS_PER_S = 50.0
READ_BURST = 250
"""Reads that may begin at once after an idle period; those beyond wait for their turn."""
_MIN_REJECTION_S = 0.25
_MAX_REJECTION_S = 5.0
"""A query is rejected after this time at the latest. The rate then follows from the clients, each of which
sends one query in this time."""
IDLE_S = 60.0
"""The process is ended after this time without queries."""
_ATTEMPTS = 2
"""A query is repeated once, in a new process, if the process ends."""


class HistoryPages:
    """The pages of the history for one worker. It belongs to one event loop."""

    def __init__(
        self, path: Path, *, deadline_s: float, checkpoint_s: float = 300.0, idle_s: float = IDLE_S
    ) -> None:
        """``deadline_s`` is the longest time of a query; ``checkpoint_s`` the time between checkpoints."""
        self.process = HistoryProcess(path)
        self.deadline_s = deadline_s
        self.checkpoint_s = checkpoint_s
        self._idle_s = idle_s
        self._reading = asyncio.Lock()
        self._rate = RateLimit(READS_PER_S, READ_BURST)
        self._in_progress = 0
        self._users = 0
        """Queries and look-ups that are being read or wait."""
        self._last_rejection = 0.0
        self._idle: asyncio.TimerHandle | None = None

    async def page(self, query: Query) -> PageContent:
        """A page or a receipt; raises Overloaded, DeadlineExceeded, or PageFailed, OSError, ProcessEnded."""
        if self._in_progress >= MAX_CONCURRENT_QUERIES:
            await self._reject()
        self._in_progress += 1
        try:
            async with self._in_use(self.deadline_s):
                await self._rate.wait()
                async with self._reading:
                    return await self._read(query)
        finally:
            self._in_progress -= 1

    async def look_up(self, keys: Sequence[OutcomeKey], deadline: float) -> list[FoundPrediction]:
        """What the log has of the keys of outcomes; raises what ``page`` does, but for Overloaded.

        It gives out no record, so it has no rate. Its caller limits how many there are at once. The deadline
        is a time of the clock ``time.monotonic``.
        """
        async with self._in_use(deadline - monotonic()), self._reading:
            return read_found((await self._read(OutcomeLookup(keys))).content)

    def close(self) -> None:
        """End the process."""
        self._cancel_end()
        self.process.end()

    @asynccontextmanager
    async def _in_use(self, timeout_s: float) -> AsyncIterator[None]:
        self._users += 1
        self._cancel_end()
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded from error
        finally:
            self._users -= 1
            if not self._users:
                self._idle = asyncio.get_running_loop().call_later(self._idle_s, self.process.end)

    async def _read(self, query: Query) -> PageContent:
        for _ in range(_ATTEMPTS):
            with suppress(ProcessEnded):
                return await self.process.ask(query)
        raise ProcessEnded

    async def _reject(self) -> NoReturn:
        now = asyncio.get_running_loop().time()
        due = max(self._last_rejection + 1 / REJECTIONS_PER_S, now + _MIN_REJECTION_S)
        self._last_rejection = min(due, now + _MAX_REJECTION_S)
        await asyncio.sleep(self._last_rejection - now)
        raise Overloaded

    def _cancel_end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
