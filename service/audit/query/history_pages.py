"""How many queries of the history a worker takes on, and what becomes of those beyond.

Queries are read one at a time by the history's process (history_process.py), the others wait. Those beyond
``MAX_CONCURRENT_QUERIES`` get 429. A 429 costs the worker half a millisecond too, and a client that asks
again at once would keep the worker busy with them, so only so many leave in a second: until then their
clients wait.
"""

import asyncio
from pathlib import Path
from typing import NoReturn

from service.audit.query.history import HistoryFilters
from service.audit.query.history_process import HistoryProcess, PageFailed, ProcessEnded
from service.errors import DeadlineExceeded, Overloaded

MAX_CONCURRENT_QUERIES = 8
"""Queries that are read or wait."""
REJECTIONS_PER_S = 50
_MIN_REJECTION_S = 0.25
_MAX_REJECTION_S = 5.0
"""After which a query is refused however many are: the rate is then that of the clients, each of which sends
one in so many seconds."""
IDLE_S = 60.0
"""After which the process is ended if nobody asked."""
_ATTEMPTS = 2
"""A page is asked for once more of the next process where one ended."""


class HistoryPages:
    """The history as one worker gives it. It belongs to one event loop."""

    def __init__(self, path: Path, *, deadline_s: float, idle_s: float = IDLE_S) -> None:
        """Take the log's file, and how long a query may take with all its waiting."""
        self.process = HistoryProcess(path)
        self._deadline_s = deadline_s
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._at_once = 0
        self._last_rejection = 0.0
        self._idle: asyncio.TimerHandle | None = None

    async def page(self, filters: HistoryFilters) -> bytes:
        """A page as JSON; raises Overloaded, DeadlineExceeded, or PageFailed, OSError, ProcessEnded."""
        if self._at_once >= MAX_CONCURRENT_QUERIES:
            await self._reject()
        self._at_once += 1
        self._stop_idling()
        try:
            async with asyncio.timeout(self._deadline_s), self._turn:
                return await self._read(filters)
        except TimeoutError as error:
            raise DeadlineExceeded from error
        finally:
            self._at_once -= 1
            if not self._at_once:
                self._idle = asyncio.get_running_loop().call_later(self._idle_s, self.process.end)

    def close(self) -> None:
        """End the process."""
        self._stop_idling()
        self.process.end()

    async def _read(self, filters: HistoryFilters) -> bytes:
        for _ in range(_ATTEMPTS):
            try:
                return await self.process.ask(filters)
            except ProcessEnded:
                continue
            except (PageFailed, OSError):
                raise
            except BaseException:
                self.process.end()  # It may be stuck, and would give its answer to the next.
                raise
        raise ProcessEnded

    async def _reject(self) -> NoReturn:
        now = asyncio.get_running_loop().time()
        due = max(self._last_rejection + 1 / REJECTIONS_PER_S, now + _MIN_REJECTION_S)
        self._last_rejection = min(due, now + _MAX_REJECTION_S)
        await asyncio.sleep(self._last_rejection - now)
        raise Overloaded

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
