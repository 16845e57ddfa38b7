"""Closing the listening socket of all workers without losing connections.

While the supervising process holds the socket, the kernel queues new connections. When it closes the socket,
the kernel resets those that no worker has accepted. Therefore a filter first drops the first packet (SYN) of
new connections, while workers accept the queued ones. A client repeats the packet after a second, and is
refused by then.
"""

import ctypes
import logging
import socket
import struct

logger = logging.getLogger(__name__)

LAST_CONNECTIONS_S = 0.5
"""How long the workers accept queued connections after new ones are dropped."""

_SO_ATTACH_FILTER = 26  # linux/socket.h; Python has no name for it.
_DROP_SYN = (
    # linux/filter.h: code, jump if true, jump if false, operand. Offsets are from the TCP header.
    (0x30, 0, 0, 13),  # load the flags byte
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # then drop the packet,
    (0x06, 0, 0, 0xFFFFFFFF),  # else accept it whole
)


def drop_new_connections(listener: socket.socket) -> None:
    """Drop new connections; queued ones can still be accepted."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN)
    buffer = ctypes.create_string_buffer(program)
    head = struct.pack("@HP", len(_DROP_SYN), ctypes.addressof(buffer))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, head)
    except OSError as error:  # Not Linux, or a sandbox that allows no filters.
        logger.warning("Connections that arrive while the service stops may be reset: %s", error)
