"""The process that writes the log of one worker: ``python -m service.audit.process SOCKET OPTIONS``.

It lives as long as the worker's end of the socket is open: a worker that stops closes it and waits, one that
is killed has it closed by the system, and either way what was sent is written first. So it takes no signal
that means the service: SIGINT from a terminal, SIGTERM from a supervisor that asks every process.
"""

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from socket import socket, socketpair
from typing import NamedTuple, Protocol

from service.audit.committer import Committer, Mode
from service.audit.framing import framed
from service.audit.logfile import LogFile
from service.audit.retention import Limits
from service.memory import settle_memory

_ROOT = Path(__file__).parents[2]
"""Where this very ``service`` lies, whatever the working folder has under that name."""

_logger = logging.getLogger(__name__)


class Options(NamedTuple):
    """What the process is told when it is started."""

    path: str
    mode: Mode
    busy_timeout_ms: int
    sync: str
    limits: Limits


class WriterEnd(Protocol):
    """Whoever commits what comes over a socket."""

    def start(self) -> socket:
        """Begin, and give this end of the socket."""

    def wait(self) -> None:
        """Return when it has ended."""


class WriterProcess:
    """The process, started as often as need be."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> socket:
        """Start it, and give the worker's end of the socket.

        The first that comes over it is ``opened``, or ``unusable`` with the error.
        """
        self._see_off()
        ours, theirs = socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", "service.audit.process", str(theirs.fileno())]
            paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            self._running = subprocess.Popen(  # noqa: S603 - this Python, and what is of its own making
                [*command, json.dumps(self._options)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        return ours

    def wait(self) -> None:
        """Return when it has ended."""
        if self._running is not None:
            self._running.wait()

    def _see_off(self) -> None:
        self.wait()  # For the one before, which has ended.
        if self._running is not None and (code := self._running.returncode):
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            _logger.warning("the process that wrote the audit log %s ended %s", self._options.path, how)


def serve(worker: socket, options: Options) -> None:
    """Open the log and commit what comes over the socket, until its other end is closed."""
    try:
        file = LogFile(Path(options.path), options.busy_timeout_ms, options.sync, Limits(*options.limits))
    except Exception as error:
        worker.sendall(framed(("unusable", pickle.dumps(error))))
        return
    worker.sendall(framed(("opened",)))
    settle_memory()
    Committer(worker, file, options.mode).run()


def main() -> None:
    """Serve the worker that started this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket(fileno=int(sys.argv[1])) as worker, suppress(BrokenPipeError):  # It was killed at its start.
        serve(worker, Options(*json.loads(sys.argv[2])))


if __name__ == "__main__":
    main()
