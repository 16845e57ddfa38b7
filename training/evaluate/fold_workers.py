"""Processes that fit folds at the same time, one fit each.

They are forked from a server process that has imported what a fit needs, so that each takes a few megabytes
instead of a hundred. They end with this process, however it ends: ``__exit__`` kills them, and each waits for
the end of its parent beside its work. Ctrl-C on a terminal reaches every process of the group; they ignore
it, because this process ends them.

Depends on the private ``_forkserver`` of multiprocessing, only to end the server before the final fit needs
its memory.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from types import TracebackType
from typing import Self

from threadpoolctl import threadpool_limits

from service.system.memory import give_back_large_blocks
from training.evaluate.fold_fit import FoldFit, FoldTask, fit_fold
from training.table.portion import Portion
from training.training_errors import FoldProcessEnded


class FoldWorkers:
    """So many processes, while the context is open."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._workers: dict[Connection, ForkServerProcess] = {}

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("forkserver")
        # With the candidates, whose classes each process would import for itself.
        context.set_forkserver_preload([__name__, "training.candidates.built_in"])
        for _ in range(self._number):
            own, others = context.Pipe()
            process = context.Process(target=serve, args=(others,), daemon=True)
            self._workers[own] = process
            process.start()
            others.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection, process in self._workers.items():
            if process.pid is not None:
                process.kill()
                process.join()
            connection.close()
        forkserver._forkserver._stop()  # type: ignore[attr-defined]

    @property
    def process_ids(self) -> list[int]:
        """Of the processes."""
        return [process.pid for process in self._workers.values() if process.pid is not None]

    def fit_all(self, portion: Portion, tasks: Sequence[FoldTask]) -> Iterator[tuple[int, FoldFit]]:
        """Each task's place and result, in the order in which they end; raises FoldProcessEnded."""
        waiting = list(enumerate(tasks))
        busy: dict[Connection, int] = {}
        for connection in self._workers:
            self._send(connection, portion)
        for connection in list(self._workers)[: len(waiting)]:
            self._give(connection, waiting, busy)
        while busy:
            ready = wait(list(busy))
            for connection in [each for each in busy if each in ready]:
                result = self._receive(connection)
                place = busy.pop(connection)
                if waiting:
                    self._give(connection, waiting, busy)
                yield place, result

    def _give(
        self, connection: Connection, waiting: list[tuple[int, FoldTask]], busy: dict[Connection, int]
    ) -> None:
        place, task = waiting.pop(0)
        self._send(connection, task)
        busy[connection] = place

    def _send(self, connection: Connection, message: Portion | FoldTask) -> None:
        try:
            connection.send(message)
        except OSError as error:
            raise self._ended(connection) from error

    def _receive(self, connection: Connection) -> FoldFit:
        try:
            result: FoldFit | Exception = connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended(connection) from error
        if isinstance(result, Exception):
            raise result
        return result

    def _ended(self, connection: Connection) -> FoldProcessEnded:
        process = self._workers[connection]
        process.join()
        return FoldProcessEnded(process.exitcode)


def serve(connection: Connection) -> None:
    """Be a worker: take a portion or a task, and answer each task with its fit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    give_back_large_blocks()
    with threadpool_limits(limits=1):
        portion: Portion = connection.recv()
        while True:
            message: Portion | FoldTask = connection.recv()
            if isinstance(message, Portion):
                portion = message
                continue
            try:
                connection.send(fit_fold(portion, message))
            except Exception as error:
                connection.send(error)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
