"""A memory budget for the messages of incoming calls.

gRPC delivers a message only when it is complete, and keeps it until the call ends: 100 calls with 32 MB each
would take 3 GB before the first is read. So a call's message is requested only when the budget has room for
the longest message. Until then gRPC's flow control keeps all but its beginning at the client.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import cast

from service.errors import ClientGone, Overloaded

Receive = Callable[[], Awaitable[object]]
"""Receives a call's next message; anything but bytes means that there is none."""

BUDGET_BYTES = 128 * 1024**2
"""The memory of all messages of a worker, counting each incoming one at the maximum length."""

_MAX_WAITING = 1_000
_AMPLE_S = 1.0
"""Enough time to receive a message. If others wait, a call that takes longer is rejected."""


class Intake:
    """The memory budget of one worker, on one event loop."""

    def __init__(self, longest_bytes: int, patience_s: float, budget_bytes: int = BUDGET_BYTES) -> None:
        """Take the maximum length of a message, and the time that a call may wait."""
        self._longest_bytes = longest_bytes
        self._patience_s = patience_s
        self._free_bytes = max(budget_bytes, longest_bytes)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._coming: dict[asyncio.Task[object], float] = {}
        """The calls that receive their message, and since when."""
        self._rejected: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, receive: Receive) -> bytes:
        """A call's message, whose length the caller gives back later; raises Overloaded, ClientGone."""
        if self._free_bytes >= self._longest_bytes and not self._waiting:
            self._free_bytes -= self._longest_bytes
        else:
            await self._wait()
        message = b""
        try:
            message = await self._message(receive)
        finally:
            self.give_back(self._longest_bytes - len(message))
        return message

    def give_back(self, taken_bytes: int) -> None:
        """Return so many bytes to the budget, for the calls that wait."""
        self._free_bytes += taken_bytes
        while self._waiting and self._free_bytes >= self._longest_bytes:
            waiting = self._waiting.popleft()
            if not waiting.done():
                self._free_bytes -= self._longest_bytes
                waiting.set_result(None)

    async def _wait(self) -> None:
        if len(self._waiting) >= _MAX_WAITING:
            raise Overloaded
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._schedule_check()
        try:
            await asyncio.wait_for(waiting, self._patience_s)
        except TimeoutError:
            raise Overloaded from None
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self.give_back(self._longest_bytes)
            raise

    async def _message(self, receive: Receive) -> bytes:
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._coming[task] = monotonic()
        try:
            message = await receive()
            if not isinstance(message, bytes):
                raise ClientGone
            return message
        except asyncio.CancelledError:
            if task not in self._rejected:
                raise
            task.uncancel()
            raise Overloaded from None
        finally:
            del self._coming[task]
            self._rejected.discard(task)

    def _schedule_check(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = asyncio.get_running_loop().call_later(_AMPLE_S / 4, self._reject_slowest)

    def _reject_slowest(self) -> None:
        """Reject the call that has received its message for longest, if that is longer than ``_AMPLE_S``."""
        self._timer = None
        coming = [task for task in self._coming if task not in self._rejected]
        if self._waiting and coming and monotonic() - self._coming[coming[0]] > _AMPLE_S:
            self._rejected.add(coming[0])
            coming[0].cancel()
        self._schedule_check()
