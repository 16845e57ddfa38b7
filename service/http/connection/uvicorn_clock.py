"""The timeout of a connection: one timer serves many requests, which saves setting and cancelling timers."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

WAITING, HEAD, RESUMED, BODY, ENDED = range(5)
"""The part of a request that is being parsed. ``RESUMED``: the head is parsed again, without an upgrade.
``ENDED``: nothing more is parsed."""

NEVER = float("inf")


class ClockedProtocol(HttpToolsProtocol, ABC):
    """A connection with a deadline for its client."""

    phase = WAITING
    deadline = NEVER
    """When to stop waiting for the client, by the loop's clock."""
    _timer: asyncio.TimerHandle | None = None
    """Checks the deadline, and is set again if that has moved."""
    _timer_at = NEVER

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        if isinstance(self.app, ProxyHeadersMiddleware):
            self.app = self.app.app

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def set_timeout(self, seconds: float) -> None:
        """Wait this long for the client."""
        self.deadline = self.loop.time() + seconds
        if self._timer is None or self._timer_at > self.deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._set_timer(seconds)

    @abstractmethod
    def expire(self) -> None:
        """Stop waiting for the client."""

    def _set_timer(self, seconds: float) -> None:
        self._timer_at = self.loop.time() + seconds
        self._timer = self.loop.call_later(seconds, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        left_s = self.deadline - self.loop.time()
        if left_s <= 0:
            self.deadline = NEVER
            self.expire()
        elif left_s != NEVER:
            self._set_timer(left_s)


def close_longest_waiting(connections: list[ClockedProtocol]) -> bool:
    """Abort the connections that have waited longest for their clients; False if none waits.

    Answered connections are aborted first, then those without a request.
    """
    waiting = [connection for connection in connections if connection.deadline != NEVER]
    waiting.sort(key=lambda connection: (connection.phase != ENDED, connection.phase, connection.deadline))
    for connection in waiting[: max(4, len(waiting) // 16)]:
        connection.deadline = NEVER
        connection.transport.abort()
    return bool(waiting)
