"""Ends a writer process whose worker is gone.

Such a process writes what it was sent and ends by itself. This module ends it if it cannot, because its disk
stalls or another process keeps the log locked. It may hold the write lock, which must not outlive the worker
for long.
"""

import ctypes
import os
import select
import signal
import sys
from socket import socket
from threading import Thread
from time import sleep

END_WITHIN_S = 4.0
"""The longest time from the end of the worker to the end of this process."""

_PR_SET_PDEATHSIG = 1


def exit_after(worker: socket) -> None:
    """End this process END_WITHIN_S after the other end of the socket is closed, whatever it is doing."""
    if sys.platform == "linux":
        # Wakes a process that is stopped (SIGSTOP). The signal has no effect on one that runs.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
    Thread(target=_exit_after, args=(worker.fileno(),), name="audit-orphan", daemon=True).start()


def _exit_after(worker: int) -> None:
    closed = select.poll()
    closed.register(worker, 0)  # No events are asked for. poll() reports that the other end is closed anyway.
    closed.poll()
    sleep(END_WITHIN_S)
    os._exit(1)
