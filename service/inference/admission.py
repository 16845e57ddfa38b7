"""Admission: how many requests a worker has in progress, how many wait, and what comes beyond.

Requests of one row and larger ones have a lane each, so that neither takes the other's room. A lane has a
limit of what is in progress, and one of that and what waits together.

Where the model's calls are quick, a few shares of single rows keep model and log busy. More requests in
progress would bring nothing, and each costs more: by the time it is gone on with, what it is made of has left
the processor's caches. With 2,000 connections that was a third of the throughput. So those beyond wait, not
begun: over HTTP little more than their bytes. Larger requests are counted by bytes, which are known before
the body is parsed, and little is in progress at once: one holds the loop for as long as hundreds of single
rows, while it is parsed and while it is answered.

Requests beyond a lane's limit are refused, which costs half of answering: under three times the load
that can be served, a worker that refused each at once would do little else. So only so many refusals a second
leave at once. What comes beyond those waits as well; its client, meanwhile, sends nothing more on that
connection. What has waited for too long is refused in any case.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Self

from service.errors import DeadlineExceeded, Overloaded

SINGLE_BODY_BYTES = 16 * 1024
"""A longer body counts as that of a larger request before it is known how many rows it has."""
ROW_BYTES = 64
"""What a row of a larger request counts at least; in binary it may have a byte."""
LARGE_AT_ONCE_BYTES = 1024**2
"""Bytes of larger requests in progress from which on none begins: two batches of 10,000 rows, so that one is
predicted while the other is recorded, or a dozen of 1,000."""
LARGE_BESIDE_SINGLE_BYTES = 64 * 1024
"""The same while single rows are in hand: one batch of 10,000 rows, or dozens of a few rows."""

REFUSALS_PER_S = 500.0
_MOST_REFUSALS = 100.0
"""That many may have been saved up by a while without any."""
_REFUSALS_IN_A_ROW = 25.0
"""Once there are none left, that many are saved up before the next leaves: between the answers one refusal
costs as much as three in a row, for its code has left the caches, and it wakes its client alone."""


def _any_number() -> float:
    return float("inf")


class _Waiting(NamedTuple):
    told: "Callable[[Room], object]"
    weight: int
    since: float


class _Lane:
    """Requests of one kind: what is in progress, and what waits in the order in which it came."""

    def __init__(self, at_once: Callable[[], float], most_in_hand: float, patience_s: float) -> None:
        self._at_once = at_once
        self._most_in_hand = most_in_hand
        self._patience_s = patience_s
        self._in_progress = 0
        self._in_line = 0
        self._line: deque[_Waiting] = deque()
        self._is_moving = False
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._line)

    @property
    def in_hand(self) -> int:
        """The weight of all that is in progress or waits."""
        return self._in_progress + self._in_line

    @property
    def is_full(self) -> bool:
        """Whether as much is in hand as is taken on."""
        return self.in_hand >= self._most_in_hand

    @property
    def has_place(self) -> bool:
        """Whether the next may begin, however much it weighs: else one larger than the limit never would."""
        return self._in_progress < self._most_in_hand and self._in_progress < self._at_once()

    def begin(self, weight: int) -> None:
        """Have so much more in progress."""
        self._in_progress += weight

    def end(self, weight: int) -> None:
        """Have so much less in progress; those that have waited for longest begin instead."""
        self._in_progress -= weight
        if self._is_moving:  # One that was just told has gone already.
            return
        self._is_moving = True
        try:
            while self._line and self.has_place:
                told, weight, since = self._take_first()
                told(Room(self, weight, waited_s=monotonic() - since))
        finally:
            self._is_moving = False

    def wait(self, told: "Callable[[Room], object]", weight: int) -> None:
        """Have a request wait for its turn."""
        self._line.append(_Waiting(told, weight, monotonic()))
        self._in_line += weight
        self._watch()

    def _take_first(self) -> _Waiting:
        first = self._line.popleft()
        self._in_line -= first.weight
        return first

    def _watch(self) -> None:
        if self._timer is None and self._line and self._patience_s < float("inf"):
            left_s = self._line[0].since + self._patience_s - monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(left_s, 0.0), self._look)

    def _look(self) -> None:
        self._timer = None
        longest_ago = monotonic() - self._patience_s
        while self._line and self._line[0].since <= longest_ago:
            told, weight, since = self._take_first()
            told(Room(None, weight, waited_s=monotonic() - since))
        self._watch()


class Admission:
    """The room of one worker. It belongs to one event loop."""

    def __init__(
        self,
        max_queued_rows: int,
        *,
        at_once: Callable[[], float] = _any_number,
        patience_s: float = float("inf"),
        refusals_per_s: float = REFUSALS_PER_S,
        max_large_bytes: float = float("inf"),
    ) -> None:
        """Take how many single rows may be in hand and in progress, and how long a request waits at most.

        The last is how many bytes of larger requests may be in hand.
        """
        self.max_queued_rows = max_queued_rows
        self._single = _Lane(at_once, max_queued_rows, patience_s)
        self._large = _Lane(self._large_at_once, max_large_bytes, patience_s)
        self._refusals_per_s = refusals_per_s
        self._refusals = _MOST_REFUSALS
        """That may leave at once."""
        self._saves_up = False
        self._counted = monotonic()

    @property
    def rows_in_hand(self) -> int:
        """Single rows in progress and in line."""
        return self._single.in_hand

    @property
    def is_full(self) -> bool:
        """Whether as many single rows are in hand as are taken on."""
        return self._single.is_full

    def apply(self, told: "Callable[[Room], object]", body_bytes: int = 0) -> None:
        """Have a request, whose body is there, told of its room: now, or when it is its turn."""
        if body_bytes <= SINGLE_BODY_BYTES:
            self._apply(told, self._single, 1)
        else:
            self._apply(told, self._large, body_bytes)

    async def room(self, body_bytes: int = 0, deadline: float = float("inf")) -> "Room":
        """Room for a request, to be entered at once.

        Raises DeadlineExceeded once that passed, by the clock ``time.monotonic``.
        """
        return await _turn(lambda told: self.apply(told, body_bytes), deadline)

    async def widen(self, room: "Room", rows: int, body_bytes: int, deadline: float = float("inf")) -> None:
        """Count a request for the rows that it turned out to have.

        More than one wait among the larger requests, if they do not yet; raises Overloaded, or
        DeadlineExceeded.
        """
        weight = max(body_bytes, rows * ROW_BYTES)
        if room.lane is self._large:
            room.weigh(weight)
        elif rows > 1:
            room.leave()
            room.become(await _turn(lambda told: self._apply(told, self._large, weight), deadline))

    def _large_at_once(self) -> float:
        return LARGE_BESIDE_SINGLE_BYTES if self._single.in_hand else LARGE_AT_ONCE_BYTES

    def _apply(self, told: "Callable[[Room], object]", lane: _Lane, weight: int) -> None:
        if not len(lane) and lane.has_place:
            told(Room(lane, weight))
        elif lane.is_full and self._may_refuse():
            told(Room(None, weight))
        else:
            lane.wait(told, weight)

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


async def _turn(apply: "Callable[[Callable[[Room], object]], None]", deadline: float) -> "Room":
    """The room of a request that applies so; whoever gives up meanwhile takes none."""
    turn: asyncio.Future[Room] = asyncio.get_running_loop().create_future()

    def told(room: Room) -> None:
        if turn.done():  # Whoever waited has gone.
            room.leave()
        else:
            turn.set_result(room)

    apply(told)
    if turn.done():  # As nearly always.
        return turn.result()
    try:
        async with asyncio.timeout(None if deadline == float("inf") else deadline - monotonic()):
            return await turn
    except (asyncio.CancelledError, TimeoutError) as error:
        if not turn.cancelled():
            turn.result().leave()
        if isinstance(error, TimeoutError):
            raise DeadlineExceeded from None
        raise


class Room:
    """What a request takes up, from before its body is parsed until it is recorded; or that there is none."""

    __slots__ = ("_weight", "lane", "waited_s")

    def __init__(self, lane: _Lane | None, weight: int, waited_s: float = 0.0) -> None:
        self.lane = lane
        """Where it takes room up; nothing where it does not, or no more."""
        self._weight = weight
        self.waited_s = waited_s
        """How long the request has waited."""
        if lane is not None:
            lane.begin(weight)

    def __enter__(self) -> Self:
        """Raise Overloaded if there is none."""
        if self.lane is None:
            raise Overloaded
        return self

    def become(self, other: Self) -> None:
        """Take up what the other does, in its place; raises Overloaded if that is none."""
        other.__enter__()
        self.lane, self._weight, other.lane = other.lane, other._weight, None

    def weigh(self, weight: int) -> None:
        """Take up so much."""
        if self.lane is not None:
            self.lane.begin(weight - self._weight)
            self._weight = weight

    def leave(self) -> None:
        """Give back what it takes up, if it does."""
        lane, self.lane = self.lane, None
        if lane is not None:
            lane.end(self._weight)

    def __exit__(self, *_: object) -> None:
        self.leave()
