"""A worker's connection to its supervising process: its heartbeat, and its end with that process.

Both use one socket pair, created before the workers, which all workers inherit; nothing touches the disk. The
worker's event loop sends a heartbeat every second; a blocked loop sends none. The supervising process sends
nothing, but keeps its end open. When it ends, for any reason, reading from the socket returns.

The alternatives are worse. ``PR_SET_PDEATHSIG`` follows the thread that started the worker, exists only on
Linux, and is set too late if the parent has already ended. The id of the parent must be polled.
"""

import asyncio
import logging
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from socket import MSG_DONTWAIT, socket
from threading import Thread, Timer

from service.errors import (
    GrpcUnusable,
    LedgerContradicts,
    ModelDoesNotFit,
    ModelNotPublished,
    ModelUnusable,
    SettingInvalid,
)

logger = logging.getLogger(__name__)

VARIABLE = "TABENTO_SUPERVISION"
"""The workers' socket by descriptor and inode; the inode excludes another file with the same descriptor."""

MESSAGE = struct.Struct("!IB")
"""A process id and a ``WorkerState``."""

HEARTBEAT_INTERVAL_S = 1.0

ORPHAN_LIMIT_S = 4.0
"""How long a worker may take to finish its requests after its supervising process has ended."""

_EXIT_CODE = 1

_LASTING_ERRORS = (
    SettingInvalid,
    ModelNotPublished,
    ModelUnusable,
    ModelDoesNotFit,
    GrpcUnusable,
    LedgerContradicts,
)
"""Permanent errors, with which no worker can start. A missing audit log or file of keys may come back."""


class WorkerState(IntEnum):
    """The state that a worker reports."""

    SERVING = 1
    """Its event loop runs."""
    STOPPING = 2
    """From now on its loop may be blocked while the last records are written."""
    CANNOT_START = 3
    """No worker can start: the service must end."""


class Heartbeat:
    """The worker's end of the socket pair."""

    def __init__(self, to_supervisor: socket) -> None:
        self._socket = to_supervisor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], None] | None = None

    @classmethod
    def of_this_process(cls) -> "Heartbeat | None":
        """The heartbeat of a worker; None in a process without supervision."""
        descriptor, _, inode = os.environ.get(VARIABLE, "").partition(":")
        if not (descriptor.isdigit() and inode.isdigit()):
            return None
        try:
            found = os.fstat(int(descriptor))
        except OSError:
            return None
        is_ours = stat.S_ISSOCK(found.st_mode) and found.st_ino == int(inode)
        return cls(socket(fileno=os.dup(int(descriptor)))) if is_ours else None

    def end_with_supervisor(self) -> None:
        """End this process with its supervising process. Call it before anything slow."""
        Thread(target=self._wait_for_supervisor, name="supervision", daemon=True).start()

    def begin(self, stop: Callable[[], None]) -> None:
        """Send heartbeats from the running loop. ``stop`` makes the worker finish its requests and end."""
        self._loop, self._stop = asyncio.get_running_loop(), stop
        self._send_heartbeat(self._loop)

    def report(self, state: WorkerState) -> None:
        """Send the state to the supervising process."""
        with suppress(OSError):  # The other end may be stopped or closed.
            self._socket.send(MESSAGE.pack(os.getpid(), state), MSG_DONTWAIT)

    def end_service(self, error: Exception) -> None:
        """End the service, because every worker would fail with this error."""
        logger.critical("%s", error)
        self.report(WorkerState.CANNOT_START)
        logging.shutdown()
        os._exit(_EXIT_CODE)

    def _send_heartbeat(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(HEARTBEAT_INTERVAL_S, self._send_heartbeat, loop)
        self.report(WorkerState.SERVING)

    def _wait_for_supervisor(self) -> None:
        with suppress(OSError):
            while self._socket.recv(1):
                pass
        if self._stop is None or self._loop is None:
            os._exit(_EXIT_CODE)  # There are no requests yet.
        last = Timer(ORPHAN_LIMIT_S, os._exit, (_EXIT_CODE,))
        last.daemon = True
        last.start()
        with suppress(RuntimeError):  # The loop is closed: the worker is ending.
            self._loop.call_soon_threadsafe(self._stop)
        # Logged last: the reader of the output may have ended too, and a full pipe blocks.
        logger.error("The supervising process has ended. This worker finishes its requests and ends.")


@contextmanager
def end_service_on_error() -> Iterator[None]:
    """End the service with a message if neither this worker nor a replacement can start."""
    try:
        yield
    except _LASTING_ERRORS as error:
        if heartbeat := Heartbeat.of_this_process():
            heartbeat.end_service(error)
        raise
