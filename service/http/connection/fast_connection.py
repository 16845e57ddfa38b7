"""The fast connection: a shorter path for requests whose body came with their headers.

For every request uvicorn makes an event to wait on, searches each header with two regular expressions and
writes twice. A prediction needs none of that: nearly always its body comes with its headers, and its answer
is complete. That is half of the server's work for an answer, and the server's work is nearly half of a
prediction's.

A request begins when it has a slot (admission.py); until then it holds little more than its bytes. A request
without a valid key begins at once, to be refused: it does not enter the queue.

Only complete requests for a prediction take the fast path, one at a time. The guarded connection
(uvicorn_protocol.py) handles everything else on the same connection: other routes, bodies that come later,
pipelined requests, HTTP/1.0. ``TABENTO_FAST_CONNECTION=off`` leaves all requests to it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from starlette.types import Message

from service.errors import RequestError
from service.http.connection.forwarded import TrustedProxies
from service.http.connection.incoming import IncomingBodies
from service.http.connection.limits import BODIES_BYTES, ConnectionLimits
from service.http.connection.uvicorn_cycle import STATUS_LINE, GuardedCycle
from service.http.connection.uvicorn_protocol import GuardedProtocol, install
from service.http.http_request import SLOT
from service.inference.admission import SINGLE_BODY_BYTES, Admission, Slot
from service.routes import is_for_prediction
from service.settings import Settings

ADMISSION = "tabento.admission"
"""The key of the worker's admission in the application's state, which every connection gets."""

HOLDS_KEY = "tabento.holds_key"
"""The key of a function that tells whether headers hold a valid API key, if keys are required."""

HoldsKey = Callable[[Sequence[tuple[bytes, bytes]]], bool]

_NOBODY_WAITS = asyncio.Event()


def use(settings: Settings) -> None:
    """Have uvicorn, in this process, keep its connections as the settings say."""
    limits = ConnectionLimits(
        body_s=settings.body_timeout_seconds,
        bodies=IncomingBodies(max(BODIES_BYTES, 2 * settings.body_limit_bytes)),
        proxies=TrustedProxies(settings.trusted_proxies),
    )
    install(FastConnection if settings.fast_connection == "on" else GuardedProtocol, limits)


class FastConnection(GuardedProtocol):
    """One connection."""

    _parts: list[bytes] | None = None
    """Of the body, while a request that may go the short way is read."""

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._parts is None:
            super().on_body(body)
        else:
            self._content_bytes += len(body)
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """Have the request answered."""
        if self._parts is None:
            super().on_message_complete()
            return
        body, self._parts = b"".join(self._parts), None
        self._end_message()
        scope = self.scope
        scope["method"] = "POST"
        scope["path"] = self.url.decode("ascii")
        scope["raw_path"] = self.url
        scope["query_string"] = b""
        cycle = _WholeCycle(self, body)
        if len(body) > SINGLE_BODY_BYTES:
            cycle.hold(len(body))
        self.cycle = cycle
        admission: Admission | None = self.app_state.get(ADMISSION)
        holds_key: HoldsKey | None = self.app_state.get(HOLDS_KEY)
        if admission is None or (holds_key is not None and not holds_key(self.headers)):
            self.begin(cycle)
        else:
            admission.request_slot(cycle.begin_with, len(body))

    def begin(self, cycle: "_WholeCycle") -> None:
        """Have the application answer it."""
        self._start_asgi_task(cycle, self.app)

    def answered(self) -> None:
        """Be idle, or go on with what was pipelined."""
        if self.pipeline or self._unparsed or self._owed is not None or self.transport.is_closing():
            self.on_response_complete()
            return
        if self.scope is self.cycle.scope:  # Else the next has begun to come.
            # Freed now, while it is in the processor's caches, what it was made of is taken for the next
            # request of any connection. Until this one's next, it would have gone from there.
            self.cycle = self.scope = self.headers = None  # type: ignore[assignment]
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._be_idle()

    def _begin_request(self) -> None:
        """Choose the way."""
        parser = self.parser
        if (
            is_for_prediction(self.url)
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not self.expect_100_continue
            and not self.root_path
            and not self._is_answering()
        ):
            self._parts = []
        else:
            super()._begin_request()

    def _parsed(self) -> None:
        """Let a request whose body is still to come go the other way."""
        if self._parts is not None:
            parts, self._parts = self._parts, None
            super()._begin_request()
            try:
                for part in parts:
                    self.cycle.take(part)
            except RequestError as error:
                self._refuse(error)
        super()._parsed()

    def _has_begun(self) -> bool:
        return self._parts is None and super()._has_begun()

    def _refuse(self, error: RequestError) -> None:
        super()._refuse(error)
        self._parts = None


class _WholeCycle(GuardedCycle):
    """A request whose body is there, and its answer, which is sent at once."""

    def __init__(self, connection: FastConnection, body: bytes) -> None:
        keep_alive = connection.parser.should_keep_alive() and not connection.is_last
        super().__init__(connection, keep_alive, _NOBODY_WAITS, connection.answered)
        self._fast = connection
        self._whole = body
        self._slot: Slot | None = None
        self._start: Any = None
        """Held until the body is there."""

    def begin_with(self, slot: Slot) -> None:
        """Have the request answered, or rejected if the slot is empty."""
        self.scope[SLOT] = self._slot = slot  # type: ignore[literal-required]
        self._fast.begin(self)

    def release(self) -> None:
        """Give the slot back, and no longer count the body."""
        super().release()
        if self._slot is not None:
            self._slot.leave()

    async def receive(self) -> Any:
        """The body, whole; after that, once the client has gone, that it has."""
        if self.more_body and not self.disconnected:
            self.more_body = False
            return {"type": "http.request", "body": self._whole, "more_body": False}
        if not (self.disconnected or self.response_complete):
            self.message_event = asyncio.Event()
            await self.message_event.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Send an answer that comes in one piece at once, and any other as uvicorn does."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        self.more_body = False  # It has come, even if nobody asked for it.
        if start is None or message.get("more_body") or not self._has_length(start):
            if start is not None:
                await super().send(start)
            await super().send(message)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        self.response_started = self.response_complete = True
        self.transport.write(self._head(start) + message["body"])
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    @staticmethod
    def _has_length(start: Message) -> bool:
        return any(name == b"content-length" for name, _ in start["headers"])

    def _head(self, start: Message) -> bytes:
        content = [STATUS_LINE[start["status"]]]
        for name, value in (*self.default_headers, *start["headers"]):
            if name == b"connection":
                self.keep_alive = False
            else:
                content += (name, b": ", value, b"\r\n")
        content.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(content)
