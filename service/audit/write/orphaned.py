"""Ends a writer process whose worker is gone.

Such a process writes what it was sent and ends by itself. This module ends it if it cannot, because its disk
stalls or another process keeps the log locked. It may hold the write lock, which must not outlive the worker
for long.
"""

from socket import socket

from service.system.parent_death import end_with_parent

END_WITHIN_S = 4.0
"""The longest time from the end of the worker to the end of this process."""


def exit_after(worker: socket) -> None:
    """End this process END_WITHIN_S after the other end of the socket is closed, whatever it is doing."""
    end_with_parent(worker.fileno(), END_WITHIN_S)
