"""The writer as a thread of the test's own process, for what is done to it there to reach it."""

from pathlib import Path
from socket import socket, socketpair
from threading import Thread

from service.audit.file.database import BUSY_TIMEOUT_MS
from service.audit.keep.retention import Limits
from service.audit.write.audit_log import AuditLog
from service.audit.write.writer_process import Options, Sync, serve


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

    def kill(self) -> None:
        """A thread cannot be killed; it ends since its socket's other end is closed."""

    def wait(self, timeout_s: float) -> bool:
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _run(self, worker: socket) -> None:
        with worker:
            serve(worker, self._options)


def open_here(db: Path, sync: Sync = "full") -> AuditLog:
    """The log, strict, written by a thread."""
    options = Options(str(db), "strict", BUSY_TIMEOUT_MS, sync, Limits())
    return AuditLog(db, WriterThread(options), "strict", 100_000)
