"""The requests that wait for the model, and the rows that a call takes from them.

A call is short enough for the deadlines of its rows, and takes no rows of clients that have disconnected.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, TypeVar, cast

from service.errors import ClientGone, DeadlineExceeded, RowsFailed
from service.inference.call_time import CallTimeEstimator

RowT = TypeVar("RowT")
ResultT = TypeVar("ResultT")

_DISCONNECT_CHECK_S = 0.01
"""How long a request waits before its client's connection is checked."""


class PendingRequest(Generic[RowT, ResultT]):
    """The rows of a request, and the results so far."""

    __slots__ = ("answer", "client_is_gone", "deadline", "queued", "results", "rows", "taken")

    def __init__(
        self,
        rows: Sequence[RowT],
        answer: "asyncio.Future[list[ResultT]]",
        deadline: float,
        client_is_gone: Callable[[], bool],
    ) -> None:
        self.rows = rows
        self.answer = answer
        self.deadline = deadline
        self.client_is_gone = client_is_gone
        self.queued = monotonic()
        self.results: list[ResultT | None] = []
        self.taken = 0

    def take(self, max_rows: int) -> Sequence[RowT]:
        """The next rows, at most ``max_rows``."""
        start = self.taken
        self.taken = min(start + max_rows, len(self.rows))
        return self.rows if self.taken - start == len(self.rows) else self.rows[start : self.taken]

    def add_results(self, results: Sequence[ResultT | None]) -> None:
        """Add the results of the rows taken, None for those that the model failed on."""
        all_results = self.results
        all_results += results
        if len(all_results) < len(self.rows) or self.answer.done():
            return
        if None in all_results:
            failed = [row for row, result in enumerate(all_results) if result is None]
            self.answer.set_exception(RowsFailed(failed))
        else:
            self.answer.set_result(cast("list[ResultT]", all_results))

    def is_wanted(self, now: float) -> bool:
        """Whether to continue; if its deadline has passed or its client has disconnected, it is answered."""
        if self.answer.done():
            return False
        if self.deadline <= now:
            self.answer.set_exception(DeadlineExceeded())
            return False
        if now - self.queued > _DISCONNECT_CHECK_S and self.client_is_gone():
            self.answer.set_exception(ClientGone())
            return False
        return True


class CallRows(Generic[RowT, ResultT]):
    """The rows that a call takes, and the requests that they belong to."""

    def __init__(self, call_time: CallTimeEstimator, max_rows: int) -> None:
        self.rows: list[RowT] = []
        self.parts: list[tuple[PendingRequest[RowT, ResultT], int]] = []
        self._call_time = call_time
        self._max_rows = max_rows
        self._now = monotonic()
        self._ample_s = 2 * call_time.expected_s(max_rows)

    def take(self, queue: deque[PendingRequest[RowT, ResultT]], enough: int, max_rows: int) -> None:
        """Take rows from the queue until the call has ``enough`` in all, but at most ``max_rows``.

        Requests that are no longer wanted are dropped. The call ends before the deadlines of its rows.
        """
        now, rows, call_time = self._now, self.rows, self._call_time
        max_rows = min(max_rows, self._max_rows)
        while len(rows) < min(enough, max_rows) and queue:
            request = queue.popleft()
            if not request.is_wanted(now):
                continue
            if request.deadline - now < self._ample_s:
                # The call may take half of the time left; the rest is for the work before and after it.
                self._max_rows = min(self._max_rows, call_time.rows_within((request.deadline - now) / 2))
                max_rows = min(max_rows, self._max_rows)
                if len(rows) >= max_rows and rows:
                    queue.appendleft(request)
                    break
            taken = request.take(max(max_rows - len(rows), 1))
            self.parts.append((request, len(taken)))
            rows += taken
