"""Adaptive batching: the rows of concurrent requests share calls of the model.

Rows gather for a few turns of the event loop, and a call takes the rows that have gathered. No request waits
for a timer: an idle service answers a single row at once, a busy one in larger batches. The time of a call is
estimated continuously (call_time.py). Where calls are quick, a call takes only a share of the rows, so that
some are recorded while others are predicted. A short call runs on the loop, because handing it to a thread
costs more than the call. A long call runs in the model's thread, while the next rows gather. No call is
longer than the deadlines of its rows allow.

Requests of few rows and larger requests have a queue each, so that neither blocks the other. A call takes the
small requests first, then a slice of the larger ones, bounded in rows and in time. A larger request goes to
the back of its queue after each slice. A request whose deadline has passed, or whose client has disconnected,
is dropped before the model is called.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Generic, TypeVar

from service.inference.call_rows import CallRows, PendingRequest
from service.inference.call_time import CallTimeEstimator

logger = logging.getLogger(__name__)

RowT = TypeVar("RowT")
ResultT = TypeVar("ResultT")

ON_LOOP_S = 0.002
"""The longest call that runs on the event loop."""

_GATHERING_TURNS = 16
"""Turns of the event loop that rows gather for. A turn reads what has come meanwhile: a microsecond or two
while the service is idle, and under 64 connections the rows of a dozen requests instead of four. Over gRPC,
which brings one call a turn, sixteen instead of three save a tenth of a worker's time and a third of what the
log takes."""

SHARE_ROWS = 24
"""Rows that are enough for a call, where that is quick and there is one worker. If it took all that wait, all
would then be recorded at once, and loop and disk wait for each other in turn: under 64 connections a quarter
of the loop's time. Where there are more workers, one works while another's records are written, and shares
that small would only come in each other's way at the log."""
_SHARES_AT_ONCE = 4
"""Shares in progress that keep model and log busy: one gathers, one is predicted, two go to the log."""
_FEW_ROWS = 24
"""Rows of a request up to which it does not wait for its turn among the larger ones."""
SLICE_S = 0.02
"""How long a call may become by what it takes of larger requests; where a call takes more than half of that
whatever its rows, twice as long as that."""
_GATHERING_S = 0.02
"""How long rows gather at most, however long the turns are: one in which a batch is parsed takes as long.
Sixteen turns under single rows never take that long, also where the processor is shared; less would split
what one call and one commit can take."""
_QUICK_S = 0.001
"""What a call of so many rows takes at most, if it does not matter that there are more calls. A linear model
takes a twentieth of that, but several times as long where the processor is shared."""

_LOOK_INTERVAL_S = 0.02
"""How often the waiting requests are looked through for passed deadlines while the model's thread works."""


def never() -> bool:
    """A client that does not go away."""
    return False


class Batcher(Generic[RowT, ResultT]):
    """Puts rows through a model, many requests to a call. It belongs to one event loop."""

    def __init__(
        self,
        call: Callable[[Sequence[RowT]], Sequence[ResultT | None]],
        *,
        max_call_rows: int,
        on_call: Callable[[int, float], None],
        call_time: CallTimeEstimator | None = None,
        share_rows: int = SHARE_ROWS,
    ) -> None:
        """Take the model's function, and a callback that is told of each call: its rows, its seconds.

        The function gives a result for each row, None for one that it fails on; it may also raise.
        """
        self._call = call
        self._max_call_rows = max_call_rows
        self._on_call = on_call
        self._call_time = call_time or CallTimeEstimator()
        self._most_shared_rows = share_rows
        self._share_rows = max_call_rows
        """Rows from which on a call takes no further request."""
        self.useful_requests = float("inf")
        """Requests in progress that keep model and log busy; infinite where calls are not quick."""
        self._settle_share()
        self._small: deque[PendingRequest[RowT, ResultT]] = deque()
        self._large: deque[PendingRequest[RowT, ResultT]] = deque()
        self._is_large_first = False
        """Whether the last call took no rows of the larger requests that waited."""
        self._gathers_until = 0.0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._is_due = False
        self._in_thread: asyncio.Future[None] | None = None
        self._look: asyncio.TimerHandle | None = None

    def predict(
        self, rows: Sequence[RowT], deadline: float, gone: Callable[[], bool] = never
    ) -> "asyncio.Future[list[ResultT]]":
        """A result for each row, in their order.

        Fails with RowsFailed, which names the rows by index, or with DeadlineExceeded once the deadline (of
        the clock ``time.monotonic``) passed, or with ClientGone where ``gone`` says so. A caller that is
        cancelled leaves the others' rows where they are.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[ResultT]] = loop.create_future()
        queue = self._small if len(rows) <= _FEW_ROWS else self._large
        queue.append(PendingRequest(rows, answer, deadline, gone))
        self._schedule(loop)
        return answer

    async def close(self) -> None:
        """Finish what is queued and end the model's thread."""
        while self._small or self._large or self._in_thread is not None:
            await (self._in_thread or asyncio.sleep(0))
        self._thread.shutdown()

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_due and self._in_thread is None and (self._small or self._large):
            self._is_due = True
            self._gathers_until = monotonic() + _GATHERING_S
            loop.call_soon(self._wait, loop, _GATHERING_TURNS)

    def _wait(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns and len(self._small) < self._share_rows and monotonic() < self._gathers_until:
            loop.call_soon(self._wait, loop, turns - 1)
        else:
            self._turn(loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_due = False
        batch, rows = self._gather()
        if not batch:
            return
        if self._call_time.expected_s(len(rows)) <= ON_LOOP_S:
            self._finish(batch, *self._predict_each(rows))
            self._schedule(loop)
        else:
            # Kept, for the loop itself holds tasks only weakly.
            self._in_thread = loop.create_task(self._call_in_thread(loop, batch, rows))

    async def _call_in_thread(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[tuple[PendingRequest[RowT, ResultT], int]],
        rows: Sequence[RowT],
    ) -> None:
        called = [request for request, _ in batch]
        self._look = loop.call_later(_LOOK_INTERVAL_S, self._look_through, loop, called)
        try:
            results, seconds = await loop.run_in_executor(self._thread, self._predict_each, rows)
        finally:
            self._look.cancel()
            self._in_thread = None
        self._finish(batch, results, seconds)
        self._schedule(loop)

    def _look_through(
        self, loop: asyncio.AbstractEventLoop, called: Sequence[PendingRequest[RowT, ResultT]]
    ) -> None:
        now = monotonic()
        for request in called:
            request.is_wanted(now)
        self._small = deque(request for request in self._small if request.is_wanted(now))
        self._large = deque(request for request in self._large if request.is_wanted(now))
        self._look = loop.call_later(_LOOK_INTERVAL_S, self._look_through, loop, called)

    def _gather(self) -> tuple[list[tuple[PendingRequest[RowT, ResultT], int]], Sequence[RowT]]:
        call: CallRows[RowT, ResultT] = CallRows(self._call_time, self._max_call_rows)
        if not self._large:
            call.take(self._small, self._share_rows, self._max_call_rows)
        elif self._is_large_first:
            call.take(self._large, self._slice_rows, self._slice_rows)
            call.take(self._small, len(call.rows) + self._share_rows, self._max_call_rows)
            self._is_large_first = False
        else:
            call.take(self._small, self._share_rows, self._max_call_rows)
            few = len(call.rows)
            call.take(self._large, few + self._slice_rows, few + self._slice_rows)
            self._is_large_first = len(call.rows) == few
        return call.parts, call.rows

    @property
    def _slice_rows(self) -> int:
        slice_s = max(SLICE_S, 2 * self._call_time.expected_s(0))
        return min(self._max_call_rows, self._call_time.rows_within(slice_s))

    def _settle_share(self) -> None:
        is_quick = self._call_time.expected_s(self._most_shared_rows) <= _QUICK_S
        self._share_rows = self._most_shared_rows if is_quick else self._max_call_rows
        self.useful_requests = _SHARES_AT_ONCE * self._share_rows if is_quick else float("inf")

    def _finish(
        self,
        batch: Sequence[tuple[PendingRequest[RowT, ResultT], int]],
        results: Sequence[ResultT | None],
        seconds: float,
    ) -> None:
        self._call_time.observe(len(results), seconds)
        self._settle_share()
        self._on_call(len(results), seconds)
        start = 0
        for request, count in batch:
            request.put(results[start : start + count])
            start += count
            if not request.answer.done():
                self._large.append(request)

    def _predict_each(self, rows: Sequence[RowT]) -> tuple[Sequence[ResultT | None], float]:
        started = monotonic()
        results = self._predict_halving(rows)
        return results, monotonic() - started

    def _predict_halving(self, rows: Sequence[RowT]) -> Sequence[ResultT | None]:
        """Call the model; where it fails, halve the rows until those that it fails on stand alone."""
        try:
            results = self._call(rows)
            if len(results) != len(rows):
                # Too few results would answer one client with another's.
                raise ValueError(f"the model gave {len(results)} results for {len(rows)} rows")
        except Exception:
            # The model is foreign code: whatever it raises is about the rows, not about the service.
            if len(rows) > 1:
                middle = len(rows) // 2
                return [*self._predict_halving(rows[:middle]), *self._predict_halving(rows[middle:])]
            logger.exception("The model failed on a row")
            return [None]
        return results
