"""Ends a process whose parent is gone.

The parent holds one end of a pipe or a socket pair, and never writes to it. The kernel closes it when the
parent ends, for whatever reason. The id of the parent would have to be polled.
"""

import ctypes
import os
import select
import signal
import sys
from threading import Thread
from time import sleep

_PR_SET_PDEATHSIG = 1


def end_with_parent(descriptor: int, within_s: float = 0.0) -> None:
    """End this process so long after the other end of the descriptor is closed, whatever it is doing."""
    if sys.platform == "linux":
        # Wakes a process that is stopped (SIGSTOP). The signal has no effect on one that runs.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
    Thread(target=_end_after, args=(descriptor, within_s), name="parent", daemon=True).start()


def _end_after(descriptor: int, within_s: float) -> None:
    closed = select.poll()
    closed.register(
        descriptor, 0
    )  # No events are asked for. poll() reports that the other end is closed anyway.
    closed.poll()
    sleep(within_s)
    os._exit(1)
