"""The process that writes the log of one worker: ``python -m service.audit.write.writer_process``.

It lives as long as the worker's end of the socket is open. A worker that stops closes its end and waits; the
kernel closes that of a killed worker. Either way, what was sent is written first. So the process ignores the
signals that are meant for the service: SIGINT from a terminal, SIGTERM from a supervisor that signals every
process. If it cannot write, it still ends some seconds after the worker (orphaned.py).
"""

import json
import logging
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket, socketpair
from typing import Literal, NamedTuple, Protocol

from service.audit.ipc.framing import frame
from service.audit.keep.retention import Limits
from service.audit.write.committer import Committer, Mode
from service.audit.write.logfile import LogFile
from service.audit.write.orphaned import exit_after
from service.system.memory import tune_memory
from service.system.module_process import start_module

Sync = Literal["full", "normal"]

_logger = logging.getLogger(__name__)


class Options(NamedTuple):
    """The arguments of the process."""

    path: str
    mode: Mode
    busy_timeout_ms: int
    sync: Sync
    limits: Limits


class Writer(Protocol):
    """Commits the records that come over a socket: a process, or a thread in tests."""

    def start(self) -> socket:
        """Start the writer and return the worker's end of the socket."""

    def kill(self) -> None:
        """End the writer, whatever it is doing."""

    def wait(self, timeout_s: float) -> bool:
        """Whether the writer has ended, or was never started, within that time; 0 does not block."""


class WriterProcess:
    """The writer process, which may be started again after it has ended."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> socket:
        """Start the process and return the worker's end of the socket; raises OSError.

        The process before must have ended. The first message is ``opened``, or ``unusable`` with the error.
        """
        self._log_exit()
        ours, theirs = socketpair()
        with theirs, _closed_on_error(ours):
            arguments = str(theirs.fileno()), json.dumps(self._options)
            module = "service.audit.write.writer_process"
            self._running = start_module(module, *arguments, pass_fds=[theirs.fileno()])
        return ours

    def kill(self) -> None:
        """End the writer, whatever it is doing."""
        if self._running is not None:
            self._running.kill()

    def wait(self, timeout_s: float) -> bool:
        """Whether the writer has ended, or was never started, within that time; 0 does not block."""
        if self._running is None or self._running.poll() is not None:
            return True
        with suppress(subprocess.TimeoutExpired):
            self._running.wait(timeout_s)
        return self._running.returncode is not None

    def _log_exit(self) -> None:
        if self._running is not None and (code := self._running.returncode):
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            _logger.warning("the process that wrote the audit log %s ended %s", self._options.path, how)
        self._running = None


@contextmanager
def _closed_on_error(end: socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        end.close()
        raise


def serve(worker: socket, options: Options) -> None:
    """Open the log and commit what comes over the socket until its other end is closed."""
    try:
        file = LogFile(Path(options.path), options.busy_timeout_ms, options.sync, Limits(*options.limits))
    except Exception as error:
        worker.sendall(frame(("unusable", pickle.dumps(error))))
        return
    worker.sendall(frame(("opened",)))
    tune_memory()
    Committer(worker, file, options.mode).run()


def main() -> None:
    """Serve the worker that started this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket(fileno=int(sys.argv[1])) as worker, suppress(BrokenPipeError):
        exit_after(worker)
        serve(worker, Options(*json.loads(sys.argv[2])))


if __name__ == "__main__":
    main()
