"""Messages between a worker and its processes as bytes of a socket.

A message is its length, then plain values in the format of ``marshal``. Both ends run the same Python, one
started by the other, and no other format is written and read as fast.
"""

import marshal
from collections.abc import Iterator
from socket import socket
from typing import Any

_LENGTH_BYTES = 8
_RECEIVED_BYTES = 1024**2


def frame(message: Any) -> bytes:
    """The bytes of a message; raises ValueError if it holds more than plain values."""
    body = marshal.dumps(message)
    return len(body).to_bytes(_LENGTH_BYTES) + body


class FrameReader:
    """Reads messages from a socket."""

    def __init__(self, source: socket) -> None:
        self._source = source
        self._bytes = bytearray()

    def receive(self, flags: int = 0) -> Iterator[Any]:
        """Read what has arrived and return the messages that are complete.

        Raises EOFError if the other end is closed. Raises BlockingIOError if nothing has arrived and the
        socket does not block, or the flags have MSG_DONTWAIT.
        """
        try:
            received = self._source.recv(_RECEIVED_BYTES, flags)
        except ConnectionError:
            received = b""
        if not received:
            raise EOFError
        self._bytes += received
        return iter(self._complete())

    def _complete(self) -> list[Any]:
        messages, start, ready = [], 0, self._bytes
        with memoryview(ready) as view:
            while len(ready) - start >= _LENGTH_BYTES:
                body = start + _LENGTH_BYTES
                end = body + int.from_bytes(view[start:body])
                if end > len(ready):
                    break
                messages.append(marshal.loads(view[body:end]))  # noqa: S302 - made by this code
                start = end
        del ready[:start]
        return messages
