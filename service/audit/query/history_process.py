"""The process that reads the history: ``python -m service.audit.query.history_process SOCKET PATH``.

It reads pages, makes receipts, and looks up the predictions of outcomes. A page takes some milliseconds of
Python. A thread of the worker would hold the interpreter for up to 5 ms each time that the event loop
releases it, which is at every system call: with one thread that reads pages all the time, a tenth of the
predictions per second remain. This process has an interpreter of its own and a lower priority, so predictions
come first if the processor is short.

It lives as long as the worker's end of the socket is open, so it ignores the signals that are meant for the
service.
"""

import asyncio
import logging
import os
import pickle
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from socket import socket, socketpair
from threading import Thread
from typing import NamedTuple

from service.audit.ipc.channel import Channel
from service.audit.ipc.framing import FrameReader, frame
from service.audit.query.history import HistoryFilters
from service.audit.query.outcome_lookup import OutcomeLookup, look_up_in
from service.audit.query.reader import AuditReader
from service.audit.receipt.making import ReceiptRequest, receipt_of
from service.errors import RequestError
from service.system.module_process import start_module

NICENESS = 10
"""Gives the process a tenth of the kernel's scheduling weight of a worker."""

_logger = logging.getLogger(__name__)


Query = HistoryFilters | ReceiptRequest | OutcomeLookup

_REFUSAL = b"refusal "
_STARTED: tuple[list[int], bytes] = ([], b"")
"""The first message of a process: from now on it answers."""
START_LIMIT_S = 120.0
"""A process that does not say in this time that it started is ended, and the next query starts another."""


class ProcessEnded(Exception):
    """The process ended before it answered."""


class PageFailed(Exception):
    """The process could not read a page; its message is the traceback."""


class PageContent(NamedTuple):
    """A page of the history, a receipt, or what the log has of outcomes."""

    content: bytes
    """As JSON."""
    ids: tuple[int, ...]
    """The ids of its records."""


class HistoryProcess:
    """The process, started for the first query and again after it has ended. It belongs to one event loop.

    A query that runs out of time while the process starts leaves it to start: on a busy machine a start may
    take longer than any query may, and processes that are ended before they started would never answer.
    """

    def __init__(self, path: Path, start_limit_s: float = START_LIMIT_S) -> None:
        self._path = path.absolute()
        self._start_limit_s = start_limit_s
        self._running: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._start_is_over = asyncio.Event()
        """It answers, or it has ended."""
        self._start_limit: asyncio.TimerHandle | None = None
        self._answer: asyncio.Future[PageContent] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the process, if it runs."""
        return None if self._running is None else self._running.pid

    async def ask(self, query: Query) -> PageContent:
        """A page or a receipt; one query at a time.

        Raises RequestError for a receipt that cannot be made, PageFailed or ProcessEnded.
        """
        if self._channel is None:
            self._start()
        await self._start_is_over.wait()
        channel = self._channel
        if channel is None:
            raise ProcessEnded
        self._answer = asyncio.get_running_loop().create_future()
        channel.send(frame(pickle.dumps(query)))
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.end()  # It may hang, and would send its answer to the next query.
            raise

    def end(self) -> None:
        """End the process, if it runs; its query fails. A thread waits for the end."""
        running, self._running = self._running, None
        channel, self._channel = self._channel, None
        self._end_start()
        if channel is not None:
            channel.close()
        if running is not None:
            running.kill()
            # A process that waits for a disk may take long to end. A daemon thread delays neither the loop
            # nor, as the loop's own threads would, the end of the worker.
            Thread(target=running.wait, name="history-end", daemon=True).start()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ProcessEnded())

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        ours, self._running = _start(self._path)
        self._channel = Channel(ours, self._receive)
        self._channel.attach(loop)
        self._start_is_over.clear()
        self._start_limit = loop.call_later(self._start_limit_s, self.end)

    def _end_start(self) -> None:
        self._start_is_over.set()
        if self._start_limit is not None:
            self._start_limit.cancel()

    def _receive(self) -> None:
        if self._channel is None:
            return
        with suppress(BlockingIOError):
            try:
                for ids, content in self._channel.receive():
                    self._take(ids, content)
            except EOFError:
                _logger.warning("the process that reads the audit log %s ended", self._path)
                self.end()

    def _take(self, ids: list[int] | None, content: bytes) -> None:
        if not self._start_is_over.is_set():
            self._end_start()
        elif self._answer is None or self._answer.done():  # The caller was cancelled.
            return
        elif ids is not None:
            self._answer.set_result(PageContent(content, tuple(ids)))
        else:
            self._answer.set_exception(_failure(content))


def _failure(content: bytes) -> Exception:
    if content.startswith(_REFUSAL):
        refusal: RequestError = pickle.loads(content[len(_REFUSAL) :])  # noqa: S301 - made by this code
        return refusal
    return PageFailed(content.decode())


def _start(path: Path) -> tuple[socket, subprocess.Popen[bytes]]:
    ours, theirs = socketpair()
    with theirs:
        arguments = str(theirs.fileno()), str(path)
        module = "service.audit.query.history_process"
        running = start_module(module, *arguments, pass_fds=[theirs.fileno()])
    return ours, running


def serve(worker: socket, reader: AuditReader) -> None:
    """Answer the queries that come over the socket until its other end is closed."""
    queries = FrameReader(worker)
    worker.sendall(frame(_STARTED))
    while True:
        try:
            for query in queries.receive():
                worker.sendall(frame(_answer(reader, query)))
        except (EOFError, ConnectionError):
            return


def _answer(reader: AuditReader, query: bytes) -> tuple[list[int] | None, bytes]:
    """The ids and the content of a page or a receipt; without ids, the traceback or the pickled refusal."""
    try:
        wanted: Query = pickle.loads(query)  # noqa: S301 - made by this code
        if isinstance(wanted, ReceiptRequest):
            receipt = receipt_of(reader.path, wanted)
            return receipt.ids, receipt.text.encode()
        if isinstance(wanted, OutcomeLookup):
            return [], look_up_in(reader.path, wanted)
        page = reader.history(wanted)
        return [item.id for item in page.items], page.model_dump_json().encode()
    except RequestError as error:
        return None, _REFUSAL + pickle.dumps(error)
    except Exception:  # The worker reports it; the next query may succeed.
        return None, traceback.format_exc().encode()


def main() -> None:
    """Serve the worker that started this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    with socket(fileno=int(sys.argv[1])) as worker:
        serve(worker, AuditReader(Path(sys.argv[2])))


if __name__ == "__main__":
    main()
