"""The end of a process that writes for a worker that is gone.

It writes what it was sent and ends by itself, within moments. This is for where it cannot: its disk stalls,
or others keep the log locked. It may hold a lock itself, which must not outlive the worker for long.
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
"""From the worker's end to this process's, at most."""

_PR_SET_PDEATHSIG = 1


def end_with(worker: socket) -> None:
    """End this process some time after the socket's other end was closed, whatever it is doing then."""
    if sys.platform == "linux":
        # One that is stopped (SIGSTOP) would not notice. What is not stopped does not notice the signal.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
    Thread(target=_end_after, args=(worker.fileno(),), name="audit-alone", daemon=True).start()


def _end_after(worker: int) -> None:
    gone = select.poll()
    gone.register(worker, 0)  # Asks for nothing, and is told of the other end's closing all the same.
    gone.poll()
    sleep(END_WITHIN_S)
    os._exit(1)
