"""Adaptive batching: the rows of concurrent requests share calls of the model.

While the model works in its thread, arriving rows gather; the next call takes what has gathered. Nobody
waits on a timer: an idle service answers a single row at once, a busy one in larger and larger batches.
A request with more rows than one call takes goes to the back of the queue after each call, so that
small requests are not held up behind it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from service.contract import Matrix
from service.errors import RowsFailed

logger = logging.getLogger(__name__)

Probabilities = NDArray[np.float64]
Predict = Callable[[Matrix], Probabilities]


@dataclass(eq=False, slots=True)
class _Request:
    """The rows of one request, as far as they have been through the model."""

    matrix: Matrix
    answer: asyncio.Future[Probabilities]
    done: list[Probabilities] = field(default_factory=list)
    n_done: int = 0

    def take(self, most: int) -> Matrix:
        return self.matrix[self.n_done : self.n_done + most]

    def put(self, probabilities: Probabilities) -> None:
        """Add what the model said of the rows taken, NaN in the rows that it failed on."""
        self.done.append(probabilities)
        self.n_done += len(probabilities)
        if self.n_done == len(self.matrix) and not self.answer.done():
            self._finish()

    def _finish(self) -> None:
        whole = self.done[0] if len(self.done) == 1 else np.concatenate(self.done)
        failed = np.flatnonzero(~np.isfinite(whole).all(axis=1))
        if failed.size:
            self.answer.set_exception(RowsFailed(failed.tolist()))
        else:
            self.answer.set_result(whole)


class Batcher:
    """Puts rows through a model, many requests to a call. It belongs to one event loop."""

    def __init__(
        self, predict: Predict, *, n_classes: int, max_call_rows: int, on_call: Callable[[int, float], None]
    ) -> None:
        """Take the model's function, and a callback that is told of each call: its rows, its seconds."""
        self._predict = predict
        self._n_classes = n_classes
        self._max_call_rows = max_call_rows
        self._on_call = on_call
        self._queue: deque[_Request] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._work: asyncio.Task[None] | None = None

    async def predict(self, matrix: Matrix) -> Probabilities:
        """Probabilities ``(n_rows, n_classes)``; raises RowsFailed, which names the rows by index.

        A caller that is cancelled leaves the others' rows where they are.
        """
        answer: asyncio.Future[Probabilities] = asyncio.get_running_loop().create_future()
        self._queue.append(_Request(matrix, answer))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run())
        return await answer

    async def close(self) -> None:
        """Finish what is queued and end the model's thread."""
        if self._work is not None:
            await self._work
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := list(self._gather()):
            matrix = batch[0][1] if len(batch) == 1 else np.concatenate([rows for _, rows in batch])
            started = perf_counter()
            probabilities = await loop.run_in_executor(self._thread, self._predict_each, matrix)
            self._on_call(len(matrix), perf_counter() - started)
            start = 0
            for request, rows in batch:
                request.put(probabilities[start : start + len(rows)])
                start += len(rows)
            self._queue.extend(request for request, _ in batch if not request.answer.done())

    def _gather(self) -> Iterator[tuple[_Request, Matrix]]:
        free = self._max_call_rows
        while free and self._queue:
            request = self._queue.popleft()
            if not request.answer.done():
                rows = request.take(free)
                free -= len(rows)
                yield request, rows

    def _predict_each(self, matrix: Matrix) -> Probabilities:
        """Call the model; where it fails, halve the rows until those that it fails on stand alone."""
        shape = (len(matrix), self._n_classes)
        try:
            # A model that returns too few rows would answer one client with another's probabilities.
            return self._predict(matrix).reshape(shape)
        except Exception:
            # The model is foreign code: whatever it raises is about the rows, not about the service.
            if len(matrix) > 1:
                middle = len(matrix) // 2
                return np.concatenate(
                    [self._predict_each(matrix[:middle]), self._predict_each(matrix[middle:])]
                )
            logger.exception("The model failed on a row")
            return np.full(shape, np.nan)
