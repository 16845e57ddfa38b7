"""The messages of calls on their way in, and the bytes that they hold.

gRPC gives a message only when it is there whole, and keeps it until the call has ended: 100 calls with 32 MB
each would take 3 GB before the first is looked at. So a call is asked for its message when there is room for
the longest that it may be. Until then gRPC's flow control keeps all but its beginning with the client.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import cast

from service.errors import ClientGone, Overloaded

Receive = Callable[[], Awaitable[object]]
"""A call's next message; anything but bytes is the end of them."""

BUDGET_BYTES = 128 * 1024**2
"""What all messages of a worker may take, if each that is on its way is as long as it may be."""

_MOST_WAITING = 1_000
_AMPLE_S = 1.0
"""Time in which a message comes. One that takes longer gives way where others wait."""


class Intake:
    """The room for messages in one worker. It belongs to one event loop."""

    def __init__(self, longest_bytes: int, patience_s: float, budget_bytes: int = BUDGET_BYTES) -> None:
        """Take how long a message may be, and how long a call waits for its turn."""
        self._longest_bytes = longest_bytes
        self._patience_s = patience_s
        self._free_bytes = max(budget_bytes, longest_bytes)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._coming: dict[asyncio.Task[object], float] = {}
        """The calls whose message is on its way, and since when."""
        self._given_way: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, receive: Receive) -> bytes:
        """The message of a call, whose length is to be given back; raises Overloaded, ClientGone."""
        if self._free_bytes >= self._longest_bytes and not self._waiting:
            self._free_bytes -= self._longest_bytes
        else:
            await self._turn()
        message = b""
        try:
            message = await self._message(receive)
        finally:
            self.give_back(self._longest_bytes - len(message))
        return message

    def give_back(self, taken_bytes: int) -> None:
        """Have so much room again, for those that wait."""
        self._free_bytes += taken_bytes
        while self._waiting and self._free_bytes >= self._longest_bytes:
            waiting = self._waiting.popleft()
            if not waiting.done():
                self._free_bytes -= self._longest_bytes
                waiting.set_result(None)

    async def _turn(self) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            raise Overloaded
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._watch()
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
            if task not in self._given_way:
                raise
            task.uncancel()
            raise Overloaded from None
        finally:
            del self._coming[task]
            self._given_way.discard(task)

    def _watch(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = asyncio.get_running_loop().call_later(_AMPLE_S / 4, self._look)

    def _look(self) -> None:
        """Have the one give way whose message has been on its way for longest, if that is long."""
        self._timer = None
        coming = [task for task in self._coming if task not in self._given_way]
        if self._waiting and coming and monotonic() - self._coming[coming[0]] > _AMPLE_S:
            self._given_way.add(coming[0])
            coming[0].cancel()
        self._watch()
