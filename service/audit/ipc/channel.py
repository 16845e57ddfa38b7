"""A worker's end of the socket to the process that writes its log, tended by the worker's event loop."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from socket import SHUT_WR, socket
from typing import Any

from service.audit.ipc.framing import Inbox


class Channel:
    """The worker's end, which never waits while it belongs to an event loop."""

    def __init__(self, end: socket, on_readable: Callable[[], None]) -> None:
        end.setblocking(False)
        self._socket = end
        self._on_readable = on_readable
        self._inbox = Inbox(end)
        self._unsent: deque[memoryview] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awaits_room = False
        self._is_ending = False

    def attend(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the loop call when something comes, and go on sending when there is room."""
        self.leave()
        self._loop = loop
        loop.add_reader(self._socket, self._on_readable)
        self._send()

    def leave(self) -> None:
        """Belong to no loop any more."""
        loop, self._loop, awaits_room, self._awaits_room = self._loop, None, self._awaits_room, False
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._socket)
            if awaits_room:
                loop.remove_writer(self._socket)

    def send(self, frame: bytes) -> None:
        """Send it as soon as there is room."""
        self._unsent.append(memoryview(frame))
        self._send()

    def receive(self) -> Iterator[Any]:
        """As of an inbox."""
        return self._inbox.receive()

    def wait(self, timeout_s: float) -> None:
        """Return when something has come or can go, the other end is closed, or the time has passed."""
        # Not by select(), which takes no descriptor beyond 1,023: a worker has one for each connection.
        with DefaultSelector() as selector:
            selector.register(self._socket, EVENT_READ | EVENT_WRITE if self._unsent else EVENT_READ)
            selector.select(timeout_s)
        self._send()

    def end(self) -> None:
        """Say that nothing more comes, once all is sent."""
        if not (self._unsent or self._is_ending):
            self._is_ending = True
            with suppress(OSError):  # The other end is closed.
                self._socket.shutdown(SHUT_WR)

    def close(self) -> None:
        """Let go of it; what was not sent is lost."""
        self.leave()
        self._socket.close()

    def _send(self) -> None:
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent[0])
            except BlockingIOError:
                break
            except ConnectionError:  # The next that is read is its end.
                self._unsent.clear()
                break
            rest = self._unsent.popleft()[sent:]
            if rest:
                self._unsent.appendleft(rest)
        if self._loop is not None and self._awaits_room != bool(self._unsent):
            self._awaits_room = not self._awaits_room
            if self._awaits_room:
                self._loop.add_writer(self._socket, self._send)
            else:
                self._loop.remove_writer(self._socket)
