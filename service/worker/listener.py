"""Closing the listening socket that all workers share, so that no connection is lost.

The supervising process holds it, and the kernel accepts connections for as long as it does. Those that no
worker has taken by then are reset. Closing it first is no better: the kernel resets what waits to be
accepted. So new connections are kept out while those that are there are taken: a filter drops their first
packet, SYN. A client sends it again after a second, and is refused by then.
"""

import ctypes
import logging
import socket
import struct

logger = logging.getLogger(__name__)

LAST_CONNECTIONS_S = 0.5
"""How long the workers still accept what was on its way when new connections began to be kept out."""

_SO_ATTACH_FILTER = 26  # linux/socket.h; Python has no name for it.
_DROP_SYN = (
    # linux/filter.h: code, jump if true, jump if false, operand. What is filtered begins at the TCP header.
    (0x30, 0, 0, 13),  # load the flags
    (0x54, 0, 0, 0x12),  # of them SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # then drop it,
    (0x06, 0, 0, 0xFFFFFFFF),  # else take it whole
)


def keep_out_newcomers(listener: socket.socket) -> None:
    """Let no new connection begin; those that have begun can be accepted."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN)
    buffer = ctypes.create_string_buffer(program)
    head = struct.pack("@HP", len(_DROP_SYN), ctypes.addressof(buffer))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, head)
    except OSError as error:  # Not Linux, or a sandbox that allows no filters.
        logger.warning("Connections that come while the service ends may be reset: %s", error)
