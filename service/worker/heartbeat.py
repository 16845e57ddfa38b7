"""A worker's tie to the process that supervises it: its heartbeat, and its end with that process.

Both go over one pair of sockets, made before there are workers, which all of them inherit. It touches no
disk. The worker's event loop sends a beat each second: where the loop is stuck, none comes. The supervising
process sends nothing; it holds its end open as long as it lives, so reading from the socket returns when it
has gone, however it went.

``PR_SET_PDEATHSIG`` is tied to the thread that started the worker, is Linux's alone, and is set too late by a
worker whose parent has already gone; the id of the parent has to be asked for again and again.
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

from service.errors import GrpcUnusable, ModelNotPublished, ModelUnusable, SettingInvalid

logger = logging.getLogger(__name__)

VARIABLE = "TABENTO_SUPERVISION"
"""Names the workers' socket by its descriptor and inode, lest another file be taken for it."""

MESSAGE = struct.Struct("!IB")
"""A process id, and what it says."""

BEAT_INTERVAL_S = 1.0

ORPHAN_LIMIT_S = 4.0
"""How long a worker may take to finish what is in hand when its supervising process has gone."""

_EXIT_CODE = 1

_LASTING_ERRORS = (SettingInvalid, ModelNotPublished, ModelUnusable, GrpcUnusable)
"""What keeps every worker from starting, and does not pass. A log, or a file of keys, can be there again."""


class Said(IntEnum):
    """What a worker says."""

    SERVES = 1
    """Its loop goes round."""
    STOPS = 2
    """From now on its loop may be held up by what is to be written before the end."""
    CANNOT_START = 3
    """No worker could: the service is to end."""


class Heartbeat:
    """The worker's end of the tie."""

    def __init__(self, to_supervisor: socket) -> None:
        self._socket = to_supervisor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], None] | None = None

    @classmethod
    def of_this_process(cls) -> "Heartbeat | None":
        """That of a worker; None in a process that nobody supervises."""
        descriptor, _, inode = os.environ.get(VARIABLE, "").partition(":")
        if not (descriptor.isdigit() and inode.isdigit()):
            return None
        try:
            found = os.fstat(int(descriptor))
        except OSError:
            return None
        is_ours = stat.S_ISSOCK(found.st_mode) and found.st_ino == int(inode)
        return cls(socket(fileno=os.dup(int(descriptor)))) if is_ours else None

    def watch(self) -> None:
        """Let this process end with the one that supervises it. Called before anything that takes time."""
        Thread(target=self._end_with_supervisor, name="supervision", daemon=True).start()

    def begin(self, stop: Callable[[], None]) -> None:
        """Send beats from the running loop. ``stop`` has the worker finish what is in hand, and end."""
        self._loop, self._stop = asyncio.get_running_loop(), stop
        self._beat(self._loop)

    def say(self, what: Said) -> None:
        """Tell the supervising process."""
        # Not its business whether it can be heard: the other end may be stopped, or gone.
        with suppress(OSError):
            self._socket.send(MESSAGE.pack(os.getpid(), what), MSG_DONTWAIT)

    def give_up(self, error: Exception) -> None:
        """End the service, whose workers all would fail as this one does."""
        logger.critical("%s", error)
        self.say(Said.CANNOT_START)
        logging.shutdown()
        os._exit(_EXIT_CODE)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(BEAT_INTERVAL_S, self._beat, loop)
        self.say(Said.SERVES)

    def _end_with_supervisor(self) -> None:
        with suppress(OSError):
            while self._socket.recv(1):
                pass
        if self._stop is None or self._loop is None:
            os._exit(_EXIT_CODE)  # Nothing is in hand yet.
        last = Timer(ORPHAN_LIMIT_S, os._exit, (_EXIT_CODE,))
        last.daemon = True
        last.start()
        with suppress(RuntimeError):  # The loop is closed: it is at its end.
            self._loop.call_soon_threadsafe(self._stop)
        # Last, because whoever read the output may have gone as well, and a full pipe holds a writer up.
        logger.error("the process that supervised this worker has gone: it finishes what is in hand and ends")


@contextmanager
def end_service_on_error() -> Iterator[None]:
    """End the service with a sentence where this worker, and any that took its place, cannot start."""
    try:
        yield
    except _LASTING_ERRORS as error:
        if heartbeat := Heartbeat.of_this_process():
            heartbeat.give_up(error)
        raise
