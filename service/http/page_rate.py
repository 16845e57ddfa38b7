"""How many pages a worker gives in a second: documents, metrics, and what is not there.

A page takes BentoML and Starlette half a millisecond at least, all of it on the event loop. Clients that ask
for one after the other take as much of the loop as they like: 64 connections of ``/docs.json`` left 21 of
4,700 predictions a second. So pages have a rate; what comes beyond it waits, and with it its client.
"""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from service.http import paths

PAGES_PER_S = 100.0
PAGES_AT_ONCE = 100
"""That many may leave at once after a while without any."""
_MOST_WAIT_S = 5.0
"""However many wait: the rate is then that of the clients, each of which gets one in so many seconds."""

_NEVER_WAIT = frozenset({paths.LIVE, paths.READY, paths.HEALTH, paths.HISTORY})
"""What decides whether the service is alive, and what has a limit of its own."""


class PageRate:
    """An ASGI application whose answers begin at a bounded rate. It belongs to one event loop."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._due = 0.0
        """When the last page began or will begin, by the loop's clock."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on when it is its turn."""
        if scope["type"] == "http" and scope["path"] not in _NEVER_WAIT:
            now = asyncio.get_running_loop().time()
            due = max(self._due + 1 / PAGES_PER_S, now - PAGES_AT_ONCE / PAGES_PER_S)
            self._due = min(due, now + _MOST_WAIT_S)
            if self._due > now:
                await asyncio.sleep(self._due - now)
        await self._app(scope, receive, send)
