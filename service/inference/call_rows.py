"""The rows of the requests that wait for the model, and the rows that one call takes.

A call is no longer than the deadlines of its rows allow, and takes no row whose client has disconnected.
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

_PATIENCE_S = 0.01
"""How long a request has waited before it is asked whether its client is still there."""


class PendingRequest(Generic[RowT, ResultT]):
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


class CallRows(Generic[RowT, ResultT]):
    """The rows that a call takes, and whose they are."""

    def __init__(self, call_time: CallTimeEstimator, max_rows: int) -> None:
        self.rows: list[RowT] = []
        self.parts: list[tuple[PendingRequest[RowT, ResultT], int]] = []
        self._call_time = call_time
        self._max_rows = max_rows
        self._now = monotonic()
        self._ample_s = 2 * call_time.expected_s(max_rows)

    def take(self, queue: deque[PendingRequest[RowT, ResultT]], enough: int, most: int) -> None:
        """Take rows until there are enough in all, and never more than the most; drop what nobody waits for.

        No deadline is to pass in the call.
        """
        now, rows, call_time = self._now, self.rows, self._call_time
        most = min(most, self._max_rows)
        while len(rows) < min(enough, most) and queue:
            request = queue.popleft()
            if not request.is_wanted(now):
                continue
            if request.deadline - now < self._ample_s:
                # Half of what is left is for the call, the rest for what comes before and after it.
                self._max_rows = min(self._max_rows, call_time.rows_within((request.deadline - now) / 2))
                most = min(most, self._max_rows)
                if len(rows) >= most and rows:
                    queue.appendleft(request)
                    break
            taken = request.take(max(most - len(rows), 1))
            self.parts.append((request, len(taken)))
            rows += taken
