"""The writer as a thread of the test's own process, for what is done to it there to reach it."""

from pathlib import Path
from socket import socket, socketpair
from threading import Thread

from service.audit.database import BUSY_TIMEOUT_MS
from service.audit.process import Options, serve
from service.audit.retention import Limits
from service.audit.writer import AuditLog, Sync


class WriterThread:
    """What the process does, in a thread."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._thread: Thread | None = None

    def start(self) -> socket:
        ours, theirs = socketpair()
        self._thread = Thread(target=self._run, args=(theirs,))
        self._thread.start()
        return ours

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _run(self, worker: socket) -> None:
        with worker:
            serve(worker, self._options)


def open_here(db: Path, sync: Sync = "full") -> AuditLog:
    """The log, strict, written by a thread."""
    options = Options(str(db), "strict", BUSY_TIMEOUT_MS, sync, Limits())
    return AuditLog(db, WriterThread(options), "strict", 100_000)
