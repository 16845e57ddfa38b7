"""A model that answers each row with itself, and a batcher over it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from service.inference.batcher import Batcher
from service.inference.call_time import CallTimeEstimator
from tests.support.waiting import PATIENCE_S

FAILS = -1.0
"""A row that the model here fails on."""

NEVER = float("inf")

Result = tuple[float, float]
Echo = Batcher[float, Result]
Call = Callable[[Sequence[float]], Sequence[Result | None]]


def echo(rows: Sequence[float]) -> list[Result]:
    """Answer each row with itself, so that an answer shows whose it is."""
    if FAILS in rows:
        raise ValueError("this row cannot be predicted")
    return [(row, -row) for row in rows]


@asynccontextmanager
async def batching(
    call: Call = echo, max_call_rows: int = 100, call_time: CallTimeEstimator | None = None
) -> AsyncIterator[tuple[Echo, list[int]]]:
    """A batcher, and the rows of each call that it makes."""
    calls: list[int] = []
    batcher: Echo = Batcher(
        call,
        max_call_rows=max_call_rows,
        on_call=lambda rows, _seconds: calls.append(rows),
        call_time=call_time,
    )
    try:
        yield batcher, calls
    finally:
        await batcher.close()


def ask(batcher: Echo, *rows: float, deadline: float = NEVER) -> "asyncio.Future[list[Result]]":
    return batcher.predict(rows, deadline)


class Gate:
    """A model that waits to be let through, so that a test decides what gathers meanwhile."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def predict(self, rows: Sequence[float]) -> list[Result]:
        self.entered.set()
        assert self.open.wait(PATIENCE_S)
        return echo(rows)

    async def until_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, PATIENCE_S)
