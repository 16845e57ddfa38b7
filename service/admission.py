"""Admission: how many requests a worker has in progress, how many stand in line, and what comes beyond.

Where the model's calls are quick, a few shares of them keep model and log busy. More requests in progress
would bring nothing, and each costs more: by the time it is gone on with, what it is made of has left the
processor's caches. With 2,000 connections that was a third of the throughput. So those beyond stand in line,
not begun: over HTTP little more than their bytes.

Requests beyond the room there is are refused, which costs half of answering: under three times the load
that can be served, a worker that refused each at once would do little else. So only so many refusals a second
leave at once. What comes beyond those stands in line as well; its client, meanwhile, sends nothing more on
that connection. Who has stood there for too long is refused in any case.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Self

from service.errors import Overloaded

REFUSALS_PER_S = 500.0
_MOST_REFUSALS = 100.0
"""That many may have been saved up by a while without any."""
_REFUSALS_IN_A_ROW = 25.0
"""Once there are none left, that many are saved up before the next leaves: between the answers one refusal
costs as much as three in a row, for its code has left the caches, and it wakes its client alone."""


def _any_number() -> float:
    return float("inf")


class _InLine(NamedTuple):
    told: "Callable[[Room], object]"
    is_whole: bool
    since: float


class Admission:
    """The room of one worker. It belongs to one event loop."""

    def __init__(
        self,
        max_queued_rows: int,
        *,
        at_once: Callable[[], float] = _any_number,
        patience_s: float = float("inf"),
        refusals_per_s: float = REFUSALS_PER_S,
    ) -> None:
        """Take how many requests may be in progress, and how long one stands in line at most."""
        self.max_queued_rows = max_queued_rows
        self._at_once = at_once
        self._patience_s = patience_s
        self._refusals_per_s = refusals_per_s
        self._whole_in_progress = 0
        self._rows_in_progress = 0
        self._line: deque[_InLine] = deque()
        self._is_moving = False
        self._refusals = _MOST_REFUSALS
        """That may leave at once."""
        self._saves_up = False
        self._counted = monotonic()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rows_in_hand(self) -> int:
        """Rows in progress and in line, where a request counts as one."""
        return self._rows_in_progress + len(self._line)

    @property
    def is_full(self) -> bool:
        """Whether as many rows are in hand as are taken on."""
        return self.rows_in_hand >= self.max_queued_rows

    def apply(self, told: "Callable[[Room], object]", *, is_whole: bool) -> None:
        """Have a request told of its room: now, or when it is its turn.

        Only requests that have come whole count as in progress. The others wait for their clients, who must
        not be able to hold everybody up.
        """
        if not self._line and self._has_place(is_whole):
            told(Room(self, is_whole))
        elif self.is_full and self._may_refuse():
            told(Room(None, is_whole))
        else:
            self._line.append(_InLine(told, is_whole, monotonic()))
            self._watch()

    async def room(self, *, is_whole: bool = False) -> "Room":
        """Room for one request, to be entered at once."""
        turn: asyncio.Future[Room] = asyncio.get_running_loop().create_future()

        def told(room: Room) -> None:
            if turn.done():  # Whoever stood in line has gone.
                room.leave()
            else:
                turn.set_result(room)

        self.apply(told, is_whole=is_whole)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                turn.result().leave()
            raise

    def count(self, requests: int, rows: int) -> None:
        """Count whole requests and rows in, or out if they are less than 0.

        For those that go out, those that have stood in line for longest come in.
        """
        self._whole_in_progress += requests
        self._rows_in_progress += rows
        if self._is_moving:  # One that was just told has gone already.
            return
        self._is_moving = True
        try:
            while self._line and self._has_place(self._line[0].is_whole):
                told, is_whole, since = self._line.popleft()
                told(Room(self, is_whole, monotonic() - since))
        finally:
            self._is_moving = False

    def _has_place(self, is_whole: bool) -> bool:
        return self._rows_in_progress < self.max_queued_rows and (
            not is_whole or self._whole_in_progress < self._at_once()
        )

    def _may_refuse(self) -> bool:
        now = monotonic()
        self._refusals = min(_MOST_REFUSALS, self._refusals + (now - self._counted) * self._refusals_per_s)
        self._counted = now
        if self._refusals < (_REFUSALS_IN_A_ROW if self._saves_up else 1):
            self._saves_up = True
            return False
        self._refusals -= 1
        self._saves_up = False
        return True

    def _watch(self) -> None:
        if self._timer is None and self._line and self._patience_s < float("inf"):
            left_s = self._line[0].since + self._patience_s - monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(left_s, 0.0), self._look)

    def _look(self) -> None:
        self._timer = None
        longest_ago = monotonic() - self._patience_s
        while self._line and self._line[0].since <= longest_ago:
            told, is_whole, since = self._line.popleft()
            told(Room(None, is_whole, monotonic() - since))
        self._watch()


class Room:
    """What a request takes up, from before its body is read until it is recorded; or that there is none.

    A request that comes while there is room is taken on, however many its rows are: one that is larger than
    all the room there can be would else never be.
    """

    __slots__ = ("_admission", "_is_whole", "_rows", "waited_s")

    def __init__(self, admission: Admission | None, is_whole: bool, waited_s: float = 0.0) -> None:
        self._admission = admission
        self._is_whole = is_whole
        self._rows = 1
        """Until it is known how many there are."""
        self.waited_s = waited_s
        """How long the request has stood in line."""
        if admission is not None:
            admission.count(is_whole, 1)

    def __enter__(self) -> Self:
        """Raise Overloaded if there is none."""
        if self._admission is None:
            raise Overloaded
        return self

    def take(self, rows: int) -> None:
        """Have so many rows in hand."""
        if self._admission is not None:
            self._admission.count(0, rows - self._rows)
            self._rows = rows

    def leave(self) -> None:
        """Give back what it takes up, if it does."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.count(-self._is_whole, -self._rows)

    def __exit__(self, *_: object) -> None:
        self.leave()
