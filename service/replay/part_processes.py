"""Parts of a log in several processes, each of which opens the log and loads the models once."""

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

from service.errors import ReplayFailed

_PARTS_AHEAD = 2
"""Parts that wait for each process."""

PartT_contra = TypeVar("PartT_contra", contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)
PartT = TypeVar("PartT")
ResultT = TypeVar("ResultT")


class Work(Protocol[PartT_contra, ResultT_co]):
    """What one process has open."""

    def perform(self, part: PartT_contra) -> ResultT_co:
        """The result of a part."""
        ...

    def close(self) -> None:
        """Close the log."""
        ...


def results_of(
    make: Callable[[], Work[PartT, ResultT]],
    parts: Sequence[PartT],
    *,
    processes: int,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[ResultT]:
    """The results of the parts, in order; no further part is begun once it is over.

    ``make`` is pickled, unless there is one process. Raises what it raises, or ReplayFailed if a process
    ended.
    """
    if len(parts) > 1 and processes > 1:
        yield from _in_processes(make, parts, processes, is_over)
        return
    with closing(make()) as work:
        for part in parts:
            if is_over():
                return
            yield work.perform(part)


def _in_processes(
    make: Callable[[], Work[PartT, ResultT]],
    parts: Sequence[PartT],
    processes: int,
    is_over: Callable[[], bool],
) -> Iterator[ResultT]:
    waiting = deque(parts)
    running: deque[Future[ResultT]] = deque()
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (make,))
    try:
        while waiting or running:
            while waiting and len(running) < processes * _PARTS_AHEAD and not is_over():
                running.append(pool.submit(_perform, waiting.popleft()))
            if not running:
                return
            yield running.popleft().result()
    except BrokenProcessPool as error:
        raise ReplayFailed("one of its processes ended") from error
    finally:
        pool.shutdown(cancel_futures=True)


_work: Work[Any, Any] | None = None
"""Of a process of the pool."""


def _begin(make: Callable[[], Work[Any, Any]]) -> None:
    global _work
    # Ctrl-C reaches all processes of a terminal; the one that was started ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work = make()


def _perform(part: Any) -> Any:
    assert _work is not None  # noqa: S101 - _begin ran first
    return _work.perform(part)
