"""Adaptive batching: the rows of concurrent requests share calls of the model.

Rows gather for a few turns of the event loop; then a call takes them. No request waits for a timer: an idle
service answers a single row at once, a busy service answers in larger batches. The time of a call is
estimated continuously (call_time.py). If calls are quick, a call takes only a share of the rows, so that some
rows are recorded while others are predicted. A short call runs on the loop, because handing it to a thread
costs more than the call. A long call runs in the model's thread, while the next rows gather. A call is short
enough for the deadlines of its rows.

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
from typing import Generic, NoReturn, TypeVar

from service.inference.call_rows import CallRows, PendingRequest
from service.inference.call_time import CallTimeEstimator

logger = logging.getLogger(__name__)

RowT = TypeVar("RowT")
ResultT = TypeVar("ResultT")

ON_LOOP_S = 0.002
"""The longest call that runs on the event loop."""

_GATHERING_TURNS = 16
"""Turns of the event loop for which rows gather. Each turn reads the requests that have arrived. While the
service is idle a turn takes one or two microseconds; under 64 connections a dozen requests gather instead of
four. gRPC reads one call per turn: sixteen turns instead of three save a tenth of a worker's time and a third
of the log's."""

SHARE_ROWS = 24
"""Rows in a quick call, with one worker. If a call took all waiting rows, all would be recorded together, and
the loop and the disk would wait for each other: under 64 connections for a quarter of the loop's time. With
more workers, one predicts while another's records are written, and such small shares would only compete for
the log."""
_SHARES_AT_ONCE = 4
"""Shares in progress that keep model and log busy: one gathers, one is predicted, two go to the log."""
_SMALL_REQUEST_ROWS = 24
"""Rows of a request up to which it counts as small."""
SLICE_S = 0.02
"""How long a call with rows of larger requests may be. If the fixed cost of a call exceeds half of this,
the limit is twice the fixed cost."""
_GATHERING_S = 0.02
"""The longest time for which rows gather. A turn that parses a batch takes this long. Sixteen turns with
single rows take less, even on a shared processor. A lower limit would split rows that fit into one call and
one commit."""
_QUICK_S = 0.001
"""The longest quick call, for which the cost of additional calls does not matter. A linear model takes a
twentieth of it, but several times as long on a shared processor."""

_EXPIRY_INTERVAL_S = 0.02
"""How often waiting requests are checked for passed deadlines while the model's thread works."""


def _uncounted(rows: int, seconds: float) -> None:
    del rows, seconds


def never_gone() -> bool:
    """The check of a client that cannot disconnect."""
    return False


class Batcher(Generic[RowT, ResultT]):
    """Calls a model with the rows of many requests at once. It belongs to one event loop."""

    def __init__(
        self,
        call: Callable[[Sequence[RowT]], Sequence[ResultT | None]],
        *,
        max_call_rows: int,
        on_call: Callable[[int, float], None],
        call_time: CallTimeEstimator | None = None,
        share_rows: int = SHARE_ROWS,
    ) -> None:
        """Take the model's function, and a callback for the rows and the seconds of each call.

        The function returns a result for each row, None for a row that it fails on; it may also raise.
        """
        self._call = call
        self._max_call_rows = max_call_rows
        self._on_call = on_call
        self._call_time = call_time or CallTimeEstimator()
        self._max_share_rows = share_rows
        self._share_rows = max_call_rows
        """Rows at which a call takes no further request."""
        self.useful_requests = float("inf")
        """Requests in progress that keep the model and the log busy; infinite if calls are not quick."""
        self._update_share()
        self._small: deque[PendingRequest[RowT, ResultT]] = deque()
        self._large: deque[PendingRequest[RowT, ResultT]] = deque()
        self._is_large_first = False
        """Whether the last call had no capacity for the larger requests that waited."""
        self._gathers_until = 0.0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._is_due = False
        self._in_thread: asyncio.Future[None] | None = None
        self._expiry_timer: asyncio.TimerHandle | None = None

    def predict(
        self, rows: Sequence[RowT], deadline: float, client_is_gone: Callable[[], bool] = never_gone
    ) -> "asyncio.Future[list[ResultT]]":
        """A result for each row, in order.

        Fails with RowsFailed, which has the indexes of the rows; with DeadlineExceeded after the deadline, a
        time of the clock ``time.monotonic``; or with ClientGone once ``client_is_gone`` returns true.
        Cancelling the future does not affect other requests.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[ResultT]] = loop.create_future()
        queue = self._small if len(rows) <= _SMALL_REQUEST_ROWS else self._large
        queue.append(PendingRequest(rows, answer, deadline, client_is_gone))
        self._schedule(loop)
        return answer

    async def close(self) -> None:
        """Finish what is queued and end the model's thread."""
        while self._small or self._large or self._in_thread is not None:
            await (self._in_thread or asyncio.sleep(0))
        self._thread.shutdown()
        # The functions belong to the engine, which has this batcher: without the cycle, a model that is no
        # longer served is freed at once, also one that the garbage collector does not look at.
        self._call, self._on_call = _closed, _uncounted

    def expected_s(self, rows: int) -> float:
        """The expected seconds of a call for this many rows."""
        return self._call_time.expected_s(rows)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_due and self._in_thread is None and (self._small or self._large):
            self._is_due = True
            self._gathers_until = monotonic() + _GATHERING_S
            loop.call_soon(self._gather, loop, _GATHERING_TURNS)

    def _gather(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns and len(self._small) < self._share_rows and monotonic() < self._gathers_until:
            loop.call_soon(self._gather, loop, turns - 1)
        else:
            self._call_model(loop)

    def _call_model(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_due = False
        batch, rows = self._take_rows()
        if not batch:
            return
        if self._call_time.expected_s(len(rows)) <= ON_LOOP_S:
            self._finish(batch, *self._predict_each(rows))
            self._schedule(loop)
        else:
            # Stored, because the event loop keeps only weak references to tasks.
            self._in_thread = loop.create_task(self._call_in_thread(loop, batch, rows))

    async def _call_in_thread(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[tuple[PendingRequest[RowT, ResultT], int]],
        rows: Sequence[RowT],
    ) -> None:
        called = [request for request, _ in batch]
        self._expiry_timer = loop.call_later(_EXPIRY_INTERVAL_S, self._drop_unwanted, loop, called)
        try:
            results, seconds = await loop.run_in_executor(self._thread, self._predict_each, rows)
        finally:
            self._expiry_timer.cancel()
            self._in_thread = None
        self._finish(batch, results, seconds)
        self._schedule(loop)

    def _drop_unwanted(
        self, loop: asyncio.AbstractEventLoop, called: Sequence[PendingRequest[RowT, ResultT]]
    ) -> None:
        now = monotonic()
        for request in called:
            request.is_wanted(now)
        self._small = deque(request for request in self._small if request.is_wanted(now))
        self._large = deque(request for request in self._large if request.is_wanted(now))
        self._expiry_timer = loop.call_later(_EXPIRY_INTERVAL_S, self._drop_unwanted, loop, called)

    def _take_rows(self) -> tuple[list[tuple[PendingRequest[RowT, ResultT], int]], Sequence[RowT]]:
        call: CallRows[RowT, ResultT] = CallRows(self._call_time, self._max_call_rows)
        if not self._large:
            call.take(self._small, self._share_rows, self._max_call_rows)
        elif self._is_large_first:
            call.take(self._large, self._slice_rows, self._slice_rows)
            call.take(self._small, len(call.rows) + self._share_rows, self._max_call_rows)
            self._is_large_first = False
        else:
            call.take(self._small, self._share_rows, self._max_call_rows)
            small_rows = len(call.rows)
            max_rows = small_rows + self._slice_rows
            call.take(self._large, max_rows, max_rows)
            self._is_large_first = len(call.rows) == small_rows
        return call.parts, call.rows

    @property
    def _slice_rows(self) -> int:
        slice_s = max(SLICE_S, 2 * self._call_time.expected_s(0))
        return min(self._max_call_rows, self._call_time.rows_within(slice_s))

    def _update_share(self) -> None:
        is_quick = self._call_time.expected_s(self._max_share_rows) <= _QUICK_S
        self._share_rows = self._max_share_rows if is_quick else self._max_call_rows
        self.useful_requests = _SHARES_AT_ONCE * self._share_rows if is_quick else float("inf")

    def _finish(
        self,
        batch: Sequence[tuple[PendingRequest[RowT, ResultT], int]],
        results: Sequence[ResultT | None],
        seconds: float,
    ) -> None:
        self._call_time.observe(len(results), seconds)
        self._update_share()
        self._on_call(len(results), seconds)
        start = 0
        for request, count in batch:
            request.add_results(results[start : start + count])
            start += count
            if not request.answer.done():
                self._large.append(request)

    def _predict_each(self, rows: Sequence[RowT]) -> tuple[Sequence[ResultT | None], float]:
        started = monotonic()
        results = self._predict_halving(rows)
        return results, monotonic() - started

    def _predict_halving(self, rows: Sequence[RowT]) -> Sequence[ResultT | None]:
        """Call the model; if it fails, halve the rows until each failing row is alone."""
        try:
            results = self._call(rows)
            if len(results) != len(rows):
                # With too few results, one client would get another's.
                raise ValueError(f"the model gave {len(results)} results for {len(rows)} rows")
        except Exception:
            # The model is foreign code: any error it raises concerns the rows, not the service.
            if len(rows) > 1:
                middle = len(rows) // 2
                return [*self._predict_halving(rows[:middle]), *self._predict_halving(rows[middle:])]
            logger.exception("The model failed on a row")
            return [None]
        return results


def _closed(_: Sequence[object]) -> NoReturn:
    raise RuntimeError("the model is no longer served")
