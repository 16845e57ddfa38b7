"""The clock of a connection: one timer for many requests, so that none sets and cancels one of its own."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

WAITING, HEAD, RESUMED, BODY, OVER = range(5)
"""What of a request the parser is in; ``OVER`` once nothing more is parsed."""

NEVER = float("inf")


class ClockedProtocol(HttpToolsProtocol, ABC):
    """A connection that waits for its client until a given time."""

    phase = WAITING
    due = NEVER
    """When the client has been waited for long enough, by the loop's clock."""
    _timer: asyncio.TimerHandle | None = None
    """It looks whether it is time, and if not, when it will be."""
    _timer_at = NEVER

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        if isinstance(self.app, ProxyHeadersMiddleware):
            self.app = self.app.app

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def wait(self, seconds: float) -> None:
        """Wait so long for the client."""
        self.due = self.loop.time() + seconds
        if self._timer is None or self._timer_at > self.due:
            if self._timer is not None:
                self._timer.cancel()
            self._set_timer(seconds)

    @abstractmethod
    def give_up(self) -> None:
        """Stop to wait for the client."""

    def _set_timer(self, seconds: float) -> None:
        self._timer_at = self.loop.time() + seconds
        self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        left_s = self.due - self.loop.time()
        if left_s <= 0:
            self.due = NEVER
            self.give_up()
        elif left_s != NEVER:
            self._set_timer(left_s)


def close_longest_waiting(connections: list[ClockedProtocol]) -> bool:
    """Close at once those that have waited longest; False if none waits.

    First come those that were answered already, then those without a request.
    """
    waiting = [connection for connection in connections if connection.due != NEVER]
    waiting.sort(key=lambda connection: (connection.phase != OVER, connection.phase, connection.due))
    for connection in waiting[: max(4, len(waiting) // 16)]:
        connection.due = NEVER
        connection.transport.abort()
    return bool(waiting)
