"""Adaptive batching: the rows of concurrent requests share calls of the model.

Rows gather for a few turns of the event loop, and a call takes what has gathered. Nobody waits on a timer: an
idle service answers a single row at once, a busy one in larger batches. What a call of so many rows takes is
measured all the time (pace.py). Where it is next to nothing, a call takes no more than is enough to share it,
so that the log records some while others are predicted. A short call runs on the loop, because handing it to
a thread costs more than the call; one that would hold the loop up runs in the model's thread, while the next
rows gather. No call is made longer than the deadlines of its rows allow.

A request with more rows than one call takes goes to the back of the queue after each call, so that small
requests are not held up behind it. One whose deadline has passed, or whose client has gone, is dropped
before the model sees it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Generic, TypeVar, cast

from service.errors import ClientGone, DeadlineExceeded, RowsFailed
from service.pace import Pace

logger = logging.getLogger(__name__)

RowT = TypeVar("RowT")
ResultT = TypeVar("ResultT")

ON_LOOP_S = 0.002
"""The longest that a call may hold up the event loop."""

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
_QUICK_S = 0.001
"""What a call of so many rows takes at most, if it does not matter that there are more calls. A linear model
takes a twentieth of that, but several times as long where the processor is shared."""

_LOOK_INTERVAL_S = 0.02
"""How often the waiting requests are looked through for passed deadlines while the model's thread works."""

_PATIENCE_S = 0.01
"""How long a request has waited before it is asked whether its client is still there."""


def never() -> bool:
    """A client that does not go away."""
    return False


class _Request(Generic[RowT, ResultT]):
    """The rows of one request, as far as they have been through the model."""

    __slots__ = ("answer", "asked", "deadline", "done", "gone", "rows", "taken")

    def __init__(
        self,
        rows: Sequence[RowT],
        answer: "asyncio.Future[list[ResultT]]",
        deadline: float,
        gone: Callable[[], bool],
    ) -> None:
        self.rows = rows
        self.answer = answer
        self.deadline = deadline
        self.gone = gone
        self.asked = monotonic()
        self.done: list[ResultT | None] = []
        self.taken = 0

    def take(self, most: int) -> Sequence[RowT]:
        """Its next rows, at most so many."""
        start = self.taken
        self.taken = min(start + most, len(self.rows))
        return self.rows if self.taken - start == len(self.rows) else self.rows[start : self.taken]

    def put(self, results: Sequence[ResultT | None]) -> None:
        """Add what the model said of the rows taken, None for those that it failed on."""
        done = self.done
        done += results
        if len(done) < len(self.rows) or self.answer.done():
            return
        if None in done:
            failed = [row for row, result in enumerate(done) if result is None]
            self.answer.set_exception(RowsFailed(failed))
        else:
            self.answer.set_result(cast("list[ResultT]", done))

    def is_wanted(self, now: float) -> bool:
        """Whether there is still somebody to answer, and time to; it is answered if there is no time."""
        if self.answer.done():
            return False
        if self.deadline <= now:
            self.answer.set_exception(DeadlineExceeded())
            return False
        if now - self.asked > _PATIENCE_S and self.gone():
            self.answer.set_exception(ClientGone())
            return False
        return True


class Batcher(Generic[RowT, ResultT]):
    """Puts rows through a model, many requests to a call. It belongs to one event loop."""

    def __init__(
        self,
        call: Callable[[Sequence[RowT]], Sequence[ResultT | None]],
        *,
        max_call_rows: int,
        on_call: Callable[[int, float], None],
        pace: Pace | None = None,
        share_rows: int = SHARE_ROWS,
    ) -> None:
        """Take the model's function, and a callback that is told of each call: its rows, its seconds.

        The function gives a result for each row, None for one that it fails on; it may also raise.
        """
        self._call = call
        self._max_call_rows = max_call_rows
        self._on_call = on_call
        self._pace = pace or Pace()
        self._most_shared_rows = share_rows
        self._share_rows = max_call_rows
        """Rows from which on a call takes no further request."""
        self.enough_requests = float("inf")
        """How many in progress keep it busy; where a call is not quick, the more the better."""
        self._settle_share()
        self._queue: deque[_Request[RowT, ResultT]] = deque()
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
        self._queue.append(_Request(rows, answer, deadline, gone))
        self._schedule(loop)
        return answer

    async def close(self) -> None:
        """Finish what is queued and end the model's thread."""
        while self._queue or self._in_thread is not None:
            await (self._in_thread or asyncio.sleep(0))
        self._thread.shutdown()

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_due and self._in_thread is None and self._queue:
            self._is_due = True
            loop.call_soon(self._wait, loop, _GATHERING_TURNS)

    def _wait(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns and len(self._queue) < self._share_rows:
            loop.call_soon(self._wait, loop, turns - 1)
        else:
            self._turn(loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_due = False
        batch, rows = self._gather()
        if not batch:
            return
        if self._pace.expected_s(len(rows)) <= ON_LOOP_S:
            self._finish(batch, *self._predict_each(rows))
            self._schedule(loop)
        else:
            # Kept, for the loop itself holds tasks only weakly.
            self._in_thread = loop.create_task(self._call_in_thread(loop, batch, rows))

    async def _call_in_thread(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[tuple[_Request[RowT, ResultT], int]],
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
        self, loop: asyncio.AbstractEventLoop, called: Sequence[_Request[RowT, ResultT]]
    ) -> None:
        now = monotonic()
        for request in called:
            request.is_wanted(now)
        self._queue = deque(request for request in self._queue if request.is_wanted(now))
        self._look = loop.call_later(_LOOK_INTERVAL_S, self._look_through, loop, called)

    def _gather(self) -> tuple[list[tuple[_Request[RowT, ResultT], int]], Sequence[RowT]]:
        now = monotonic()
        batch: list[tuple[_Request[RowT, ResultT], int]] = []
        gathered: list[RowT] = []
        free = self._max_call_rows
        ample_s = 2 * self._pace.expected_s(free)
        share = self._share_rows
        while free > 0 and self._queue and len(gathered) < share:
            request = self._queue.popleft()
            if not request.is_wanted(now):
                continue
            if request.deadline - now < ample_s:
                # Half of what is left is for the call, the rest for what comes before and after it.
                free = min(free, self._pace.rows_within((request.deadline - now) / 2) - len(gathered))
                if free <= 0 and gathered:
                    self._queue.appendleft(request)
                    break
            rows = request.take(max(free, 1))
            free -= len(rows)
            batch.append((request, len(rows)))
            gathered += rows
        return batch, gathered

    def _settle_share(self) -> None:
        is_quick = self._pace.expected_s(self._most_shared_rows) <= _QUICK_S
        self._share_rows = self._most_shared_rows if is_quick else self._max_call_rows
        self.enough_requests = _SHARES_AT_ONCE * self._share_rows if is_quick else float("inf")

    def _finish(
        self,
        batch: Sequence[tuple[_Request[RowT, ResultT], int]],
        results: Sequence[ResultT | None],
        seconds: float,
    ) -> None:
        self._pace.learn(len(results), seconds)
        self._settle_share()
        self._on_call(len(results), seconds)
        start = 0
        for request, count in batch:
            request.put(results[start : start + count])
            start += count
            if not request.answer.done():
                self._queue.append(request)

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
