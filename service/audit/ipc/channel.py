"""The worker's end of the socket to one of its processes, served by the worker's event loop."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from socket import SHUT_WR, socket
from typing import Any

from service.audit.ipc.framing import FrameReader


class Channel:
    """The worker's end of the socket. It never blocks while it is attached to an event loop."""

    def __init__(self, end: socket, on_readable: Callable[[], None]) -> None:
        end.setblocking(False)
        self._socket = end
        self._on_readable = on_readable
        self._reader = FrameReader(end)
        self._unsent: deque[memoryview] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wants_write = False
        self._is_ending = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the loop call ``on_readable``, and send the rest when the socket is writable."""
        self.detach()
        self._loop = loop
        loop.add_reader(self._socket, self._on_readable)
        self._send()

    def detach(self) -> None:
        """Leave the loop."""
        loop, self._loop, wants_write, self._wants_write = self._loop, None, self._wants_write, False
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._socket)
            if wants_write:
                loop.remove_writer(self._socket)

    def send(self, frame: bytes) -> None:
        """Send a message as soon as the socket takes it."""
        self._unsent.append(memoryview(frame))
        self._send()

    def receive(self) -> Iterator[Any]:
        """The messages that have arrived, as of FrameReader."""
        return self._reader.receive()

    def wait(self, timeout_s: float) -> None:
        """Return when the socket is ready to be read, or to be written if needed, or after the timeout."""
        # select() takes no descriptor above 1,023, and a worker has one for each connection.
        with DefaultSelector() as selector:
            selector.register(self._socket, EVENT_READ | EVENT_WRITE if self._unsent else EVENT_READ)
            selector.select(timeout_s)
        self._send()

    def end_stream(self) -> None:
        """Close the sending side when everything is sent."""
        if not (self._unsent or self._is_ending):
            self._is_ending = True
            with suppress(OSError):  # The other end is closed.
                self._socket.shutdown(SHUT_WR)

    def close(self) -> None:
        """Close the socket; what was not sent is lost."""
        self.detach()
        self._socket.close()

    def _send(self) -> None:
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent[0])
            except BlockingIOError:
                break
            except ConnectionError:  # The next read reports the end.
                self._unsent.clear()
                break
            rest = self._unsent.popleft()[sent:]
            if rest:
                self._unsent.appendleft(rest)
        if self._loop is not None and self._wants_write != bool(self._unsent):
            self._wants_write = not self._wants_write
            if self._wants_write:
                self._loop.add_writer(self._socket, self._send)
            else:
                self._loop.remove_writer(self._socket)
