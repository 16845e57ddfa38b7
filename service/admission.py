"""Admission: how many rows a worker has in hand, and what becomes of requests that come beyond.

They are refused, which costs a third of answering: under three times the load that can be served, a worker
that refused each request at once would do little else. So only so many refusals a second leave at once. What
comes beyond waits for its turn, unread by the model and without work, and takes the room of the next request
that is done; its client, meanwhile, sends nothing more on that connection.
"""

import asyncio
from collections import deque
from time import monotonic
from typing import Self

from service.errors import Overloaded

REFUSALS_PER_S = 500.0
_REFUSALS_AT_ONCE = 100.0
"""That many may have been saved up by a while without any."""
_TICK_S = 0.005


class Admission:
    """The room of one worker. It belongs to one event loop."""

    def __init__(self, max_queued_rows: int, refusals_per_s: float = REFUSALS_PER_S) -> None:
        self.max_queued_rows = max_queued_rows
        self._refusals_per_s = refusals_per_s
        self.rows_in_hand = 0
        self._promised = 0
        """Requests that waited and have been given room, which they have not entered yet."""
        self._waiting: deque[asyncio.Future[bool]] = deque()
        """Each is told whether there is room."""
        self._refusals = _REFUSALS_AT_ONCE
        """That may leave at once."""
        self._counted = monotonic()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """Whether as many rows are in hand as are taken on."""
        return self.rows_in_hand + self._promised >= self.max_queued_rows

    async def room(self) -> "Room":
        """Room for one request, to be entered at once; raises Overloaded where there is none."""
        if (self._waiting or self.is_full) and not await self._turn():
            raise Overloaded
        return Room(self)

    def give_back(self, rows: int) -> None:
        """So many rows are done: those that have waited longest get the room."""
        self.rows_in_hand -= rows
        while self._waiting and not self.is_full:
            self._promised += self._tell(True)

    async def _turn(self) -> bool:
        self._count()
        if self._refusals >= 1 and not self._waiting:
            self._refusals -= 1
            return False
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(turn)
        if self._timer is None:
            self._timer = loop.call_later(_TICK_S, self._tick, loop)
        try:
            admitted = await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.result():  # It had been given room: that is for the next.
                self._promised -= 1
                self.give_back(0)
            raise
        self._promised -= admitted
        return admitted

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._count()
        while self._waiting and self._refusals >= 1:
            self._refusals -= self._tell(False)
        self._timer = loop.call_later(_TICK_S, self._tick, loop) if self._waiting else None

    def _tell(self, admitted: bool) -> bool:
        """Tell whoever has waited longest; whether it still waits."""
        turn = self._waiting.popleft()
        if turn.done():
            return False
        turn.set_result(admitted)
        return True

    def _count(self) -> None:
        now = monotonic()
        self._refusals = min(_REFUSALS_AT_ONCE, self._refusals + (now - self._counted) * self._refusals_per_s)
        self._counted = now


class Room:
    """What a request takes up, from before its body is read until it is recorded.

    A request that comes while there is room is taken on, however many its rows are: one that is larger than
    all the room there can be would else never be.
    """

    __slots__ = ("_admission", "_rows")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._rows = 0

    def __enter__(self) -> Self:
        self.take(1)
        return self

    def take(self, rows: int) -> None:
        """Have so many rows in hand; until that is known, one."""
        self._admission.rows_in_hand += rows - self._rows
        self._rows = rows

    def __exit__(self, *_: object) -> None:
        self._admission.give_back(self._rows)
