"""Admission: how many requests a worker has in progress, how many wait, and which are rejected.

Requests of one row and larger requests have a lane each, so that neither uses up the other's capacity. A lane
limits what is in progress, and what is in progress or queued.

- Single rows. Where calls of the model are quick, a few shares of single rows keep model and log busy. More
  requests in progress bring nothing and cost more: by the time one is continued, its data has left the
  processor's caches. With 2,000 connections that was a third of the throughput. Requests beyond are queued
  before they begin; over HTTP a queued request holds little more than its bytes.
- Larger requests are counted by bytes, which are known before the body is parsed. Few are in progress at
  once: one occupies the event loop for as long as hundreds of single rows, both for parsing and for
  answering.

Requests beyond a lane's limit get 429. A rejection costs half as much as an answer, so a worker that rejected
everything at once under three times its load would do little else. Rejections are therefore limited to
``REJECTIONS_PER_S``. The rest wait in the queue, during which their clients send nothing more on that
connection. Every request that has waited for ``max_wait_s`` is rejected.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Self

from service.errors import DeadlineExceeded, Overloaded

SINGLE_BODY_BYTES = 16 * 1024
"""A longer body counts as a larger request before its number of rows is known."""
ROW_BYTES = 64
"""The least that a row of a larger request counts; in binary a row can be a single byte."""
MAX_LARGE_BYTES_IN_PROGRESS = 1024**2
"""No larger request begins while this many bytes are in progress: two batches of 10,000 rows, one of which is
predicted while the other is recorded, or a dozen of 1,000."""
MAX_LARGE_BYTES_BESIDE_SINGLE = 64 * 1024
"""The same while single rows are in progress or queued: one batch of 10,000 rows, or dozens of a few rows."""

REJECTIONS_PER_S = 500.0
_MAX_SAVED_REJECTIONS = 100.0
"""Rejections that an idle period saves up."""
_MIN_REJECTION_RUN = 25.0
"""Rejections that are saved up, once none is left, before the next is sent. Between answers a single
rejection costs as much as three in a row: its code has left the caches, and it wakes its client alone. This
hysteresis, and that a rejection is decided without waiting, are why the rate limit is not a library's token
bucket."""

OnAdmitted = Callable[["Slot"], object]
"""Called once with the request's slot, which is empty if the request is rejected."""


def _unlimited() -> float:
    return float("inf")


class _Queued(NamedTuple):
    on_admitted: OnAdmitted
    weight: int
    since: float


class _Lane:
    """Requests of one kind: those in progress, and a queue in order of arrival."""

    def __init__(self, max_in_progress: Callable[[], float], max_admitted: float, max_wait_s: float) -> None:
        self._max_in_progress = max_in_progress
        self._max_admitted = max_admitted
        self._max_wait_s = max_wait_s
        self._in_progress = 0
        self._queued = 0
        self._queue: deque[_Queued] = deque()
        self._is_advancing = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def has_queue(self) -> bool:
        """Whether any request waits."""
        return bool(self._queue)

    @property
    def admitted(self) -> int:
        """Weight of everything in progress or queued."""
        return self._in_progress + self._queued

    @property
    def is_full(self) -> bool:
        """Whether the lane's limit is reached."""
        return self.admitted >= self._max_admitted

    @property
    def can_begin(self) -> bool:
        """Whether the next request may begin, whatever its weight: one above the limit would never begin."""
        return self._in_progress < self._max_admitted and self._in_progress < self._max_in_progress()

    def begin(self, weight: int) -> None:
        """Count more weight in progress."""
        self._in_progress += weight

    def end(self, weight: int) -> None:
        """Count less weight in progress, and begin the requests that have waited longest."""
        self._in_progress -= weight
        if self._is_advancing:  # A request that just began has ended already.
            return
        self._is_advancing = True
        try:
            while self._queue and self.can_begin:
                on_admitted, weight, since = self._dequeue()
                on_admitted(Slot(self, weight, waited_s=monotonic() - since))
        finally:
            self._is_advancing = False

    def enqueue(self, on_admitted: OnAdmitted, weight: int) -> None:
        """Queue a request."""
        self._queue.append(_Queued(on_admitted, weight, monotonic()))
        self._queued += weight
        self._set_timer()

    def _dequeue(self) -> _Queued:
        first = self._queue.popleft()
        self._queued -= first.weight
        return first

    def _set_timer(self) -> None:
        if self._timer is None and self._queue and self._max_wait_s < float("inf"):
            left_s = self._queue[0].since + self._max_wait_s - monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(left_s, 0.0), self._reject_overdue)

    def _reject_overdue(self) -> None:
        self._timer = None
        overdue_since = monotonic() - self._max_wait_s
        while self._queue and self._queue[0].since <= overdue_since:
            on_admitted, weight, since = self._dequeue()
            on_admitted(Slot(None, weight, waited_s=monotonic() - since))
        self._set_timer()


class Admission:
    """The slots of one worker. It belongs to one event loop."""

    def __init__(
        self,
        max_single_rows: int,
        *,
        max_in_progress: Callable[[], float] = _unlimited,
        max_wait_s: float = float("inf"),
        rejections_per_s: float = REJECTIONS_PER_S,
        max_large_bytes: float = float("inf"),
    ) -> None:
        """Take the limits of single rows in progress or queued, and of bytes of larger requests.

        ``max_in_progress`` gives how many single rows may be in progress at present.
        """
        self.max_single_rows = max_single_rows
        self._single = _Lane(max_in_progress, max_single_rows, max_wait_s)
        self._large = _Lane(self._max_large_in_progress, max_large_bytes, max_wait_s)
        self._rejections_per_s = rejections_per_s
        self._rejections = _MAX_SAVED_REJECTIONS
        """Rejections that may be sent at once."""
        self._is_saving = False
        self._counted = monotonic()

    @property
    def single_rows(self) -> int:
        """Single rows in progress or queued."""
        return self._single.admitted

    @property
    def is_full(self) -> bool:
        """Whether the limit of single rows is reached."""
        return self._single.is_full

    def request_slot(self, on_admitted: OnAdmitted, body_bytes: int = 0) -> None:
        """Call back with the slot of a request whose body is complete: now, or when its turn comes."""
        if body_bytes <= SINGLE_BODY_BYTES:
            self._request(on_admitted, self._single, 1)
        else:
            self._request(on_admitted, self._large, body_bytes)

    async def slot(self, body_bytes: int = 0, deadline: float = float("inf")) -> "Slot":
        """The slot of a request, to be entered at once.

        Raises DeadlineExceeded at the deadline, which is a time of the clock ``time.monotonic``.
        """
        return await _wait_for(lambda on_admitted: self.request_slot(on_admitted, body_bytes), deadline)

    async def resize(self, slot: "Slot", rows: int, body_bytes: int, deadline: float = float("inf")) -> None:
        """Count a request by the rows that it turned out to have.

        A short body of several rows moves to the lane of larger requests, where it may wait; raises
        Overloaded or DeadlineExceeded.
        """
        weight = max(body_bytes, rows * ROW_BYTES)
        if slot.lane is self._large:
            slot.weigh(weight)
        elif rows > 1:
            slot.leave()
            slot.become(
                await _wait_for(lambda on_admitted: self._request(on_admitted, self._large, weight), deadline)
            )

    def _max_large_in_progress(self) -> float:
        return MAX_LARGE_BYTES_BESIDE_SINGLE if self._single.admitted else MAX_LARGE_BYTES_IN_PROGRESS

    def _request(self, on_admitted: OnAdmitted, lane: _Lane, weight: int) -> None:
        if not lane.has_queue and lane.can_begin:
            on_admitted(Slot(lane, weight))
        elif lane.is_full and self._may_reject():
            on_admitted(Slot(None, weight))
        else:
            lane.enqueue(on_admitted, weight)

    def _may_reject(self) -> bool:
        now = monotonic()
        earned = (now - self._counted) * self._rejections_per_s
        self._rejections = min(_MAX_SAVED_REJECTIONS, self._rejections + earned)
        self._counted = now
        if self._rejections < (_MIN_REJECTION_RUN if self._is_saving else 1):
            self._is_saving = True
            return False
        self._rejections -= 1
        self._is_saving = False
        return True


async def _wait_for(request: Callable[[OnAdmitted], None], deadline: float) -> "Slot":
    """The slot that was requested; a caller that stops waiting occupies none."""
    admitted: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()

    def on_admitted(slot: Slot) -> None:
        if admitted.done():  # The caller has stopped waiting.
            slot.leave()
        else:
            admitted.set_result(slot)

    request(on_admitted)
    if admitted.done():  # As nearly always.
        return admitted.result()
    try:
        async with asyncio.timeout(None if deadline == float("inf") else deadline - monotonic()):
            return await admitted
    except (asyncio.CancelledError, TimeoutError) as error:
        if not admitted.cancelled():
            admitted.result().leave()
        if isinstance(error, TimeoutError):
            raise DeadlineExceeded from None
        raise


class Slot:
    """The capacity that a request occupies from before its body is parsed until it is recorded.

    An empty slot belongs to a request that is rejected.
    """

    __slots__ = ("_weight", "lane", "waited_s")

    def __init__(self, lane: _Lane | None, weight: int, waited_s: float = 0.0) -> None:
        self.lane = lane
        """The lane whose capacity it occupies; None if it is empty, or was given back."""
        self._weight = weight
        self.waited_s = waited_s
        """Seconds that the request was queued."""
        if lane is not None:
            lane.begin(weight)

    def __enter__(self) -> Self:
        """Raise Overloaded if the slot is empty."""
        if self.lane is None:
            raise Overloaded
        return self

    def become(self, other: Self) -> None:
        """Take over the capacity of another slot; raises Overloaded if that is empty."""
        other.__enter__()
        self.lane, self._weight, other.lane = other.lane, other._weight, None

    def weigh(self, weight: int) -> None:
        """Occupy this much."""
        if self.lane is not None:
            self.lane.begin(weight - self._weight)
            self._weight = weight

    def leave(self) -> None:
        """Give the capacity back, if any is occupied."""
        lane, self.lane = self.lane, None
        if lane is not None:
            lane.end(self._weight)

    def __exit__(self, *_: object) -> None:
        self.leave()
