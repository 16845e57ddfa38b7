"""The messages between a worker and the process that writes its log, as bytes of a socket.

A message is plain values in ``marshal``'s format, behind its length: both ends are the same Python, one
started by the other, and nothing else makes and reads these bytes as fast.
"""

import marshal
from collections.abc import Iterator
from socket import socket
from typing import Any

_LENGTH_BYTES = 8
_RECEIVED_BYTES = 1024**2


def framed(message: Any) -> bytes:
    """The bytes of a message; raises ValueError if it is not of plain values."""
    body = marshal.dumps(message)
    return len(body).to_bytes(_LENGTH_BYTES) + body


class Inbox:
    """What has come over the socket, message by message."""

    def __init__(self, source: socket) -> None:
        self._source = source
        self._bytes = bytearray()

    def receive(self, flags: int = 0) -> Iterator[Any]:
        """The messages that are whole, once what has come was read.

        Raises EOFError if the other end is closed, and BlockingIOError where a socket that does not block, or
        is asked with MSG_DONTWAIT, has nothing.
        """
        try:
            received = self._source.recv(_RECEIVED_BYTES, flags)
        except ConnectionError:
            received = b""
        if not received:
            raise EOFError
        self._bytes += received
        return iter(self._whole())

    def _whole(self) -> list[Any]:
        found, start, ready = [], 0, self._bytes
        with memoryview(ready) as view:
            while len(ready) - start >= _LENGTH_BYTES:
                body = start + _LENGTH_BYTES
                end = body + int.from_bytes(view[start:body])
                if end > len(ready):
                    break
                found.append(marshal.loads(view[body:end]))  # noqa: S302 - of its own making
                start = end
        del ready[:start]
        return found
