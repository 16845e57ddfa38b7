"""The fast connection: a shorter path for requests whose body arrived with their headers.

For every request uvicorn creates an event, searches each header with two regular expressions and writes
twice. A prediction needs none of that: nearly always its body arrives with its headers, and its answer is
sent whole. This saves half of the server's work for an answer, which is nearly half of a prediction's.

A request begins when it has a slot (admission.py); until then it holds little more than its bytes. A request
without a valid key is rejected at once: it does not enter the queue.

Only complete prediction requests take the fast path, one at a time. The guarded connection
(uvicorn_protocol.py) handles everything else on the same connection: other routes, bodies that arrive later,
pipelined requests, HTTP/1.0. With ``TABENTO_FAST_CONNECTION=off`` it handles all requests.
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
"""The key of the worker's admission in the application's state, which every connection receives."""

HOLDS_KEY = "tabento.holds_key"
"""The key of the function that checks headers for a valid API key, if keys are required."""

HoldsKey = Callable[[Sequence[tuple[bytes, bytes]]], bool]

_UNUSED_EVENT = asyncio.Event()
"""uvicorn's cycle requires an event, which a complete body does not need."""


def install_connection(settings: Settings) -> None:
    """Make uvicorn, in this process, use the connections that the settings choose."""
    limits = ConnectionLimits(
        body_s=settings.body_timeout_seconds,
        bodies=IncomingBodies(max(BODIES_BYTES, 2 * settings.body_limit_bytes)),
        proxies=TrustedProxies(settings.trusted_proxies),
    )
    install(FastConnection if settings.fast_connection == "on" else GuardedProtocol, limits)


class FastConnection(GuardedProtocol):
    """A connection with the fast path."""

    _parts: list[bytes] | None = None
    """Parts of the body, while a request that may take the fast path is read."""

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        if self._parts is None:
            super().on_body(body)
        else:
            self._content_bytes += len(body)
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """Request a slot for the complete request, or begin it at once if it has no valid key."""
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
        cycle = _CompleteCycle(self, body)
        if len(body) > SINGLE_BODY_BYTES:
            cycle.reserve(len(body))
        self.cycle = cycle
        admission: Admission | None = self.app_state.get(ADMISSION)
        holds_key: HoldsKey | None = self.app_state.get(HOLDS_KEY)
        if admission is None or (holds_key is not None and not holds_key(self.headers)):
            self.begin(cycle)
        else:
            admission.request_slot(cycle.begin_with, len(body))

    def begin(self, cycle: "_CompleteCycle") -> None:
        """Run the application for the request."""
        self._start_asgi_task(cycle, self.app)

    def end_answer(self) -> None:
        """Continue with pipelined data, or become idle."""
        if self.pipeline or self._unparsed or self._pending_error is not None or self.transport.is_closing():
            self.on_response_complete()
            return
        if self.scope is self.cycle.scope:  # Otherwise the next request has begun to arrive.
            # Freed now, this memory is still in the processor's caches and is reused for the next request of
            # any connection. It would have left the caches before this connection's next request.
            self.cycle = self.scope = self.headers = None  # type: ignore[assignment]
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._become_idle()

    def _begin_request(self) -> None:
        """Choose the path."""
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

    def _after_parsing(self) -> None:
        """Leave the fast path if the body is not complete yet."""
        if self._parts is not None:
            parts, self._parts = self._parts, None
            super()._begin_request()
            try:
                for part in parts:
                    self.cycle.add_body(part)
            except RequestError as error:
                self._refuse(error)
        super()._after_parsing()

    def _has_begun(self) -> bool:
        return self._parts is None and super()._has_begun()

    def _refuse(self, error: RequestError) -> None:
        super()._refuse(error)
        self._parts = None


class _CompleteCycle(GuardedCycle):
    """A request with a complete body, and its answer, which is sent in one write."""

    def __init__(self, connection: FastConnection, body: bytes) -> None:
        keep_alive = connection.parser.should_keep_alive() and not connection.is_last
        super().__init__(connection, keep_alive, _UNUSED_EVENT, connection.end_answer)
        self._fast = connection
        self._complete_body = body
        self._slot: Slot | None = None
        self._start: Any = None
        """The start of the answer, until its body follows."""

    def begin_with(self, slot: Slot) -> None:
        """Begin the request with its slot; an empty slot rejects it."""
        self.scope[SLOT] = self._slot = slot  # type: ignore[literal-required]
        self._fast.begin(self)

    def release(self) -> None:
        """Release the slot and the bytes of the body."""
        super().release()
        if self._slot is not None:
            self._slot.leave()

    async def receive(self) -> Any:
        """The complete body; after that, the client's disconnect."""
        if self.more_body and not self.disconnected:
            self.more_body = False
            return {"type": "http.request", "body": self._complete_body, "more_body": False}
        if not (self.disconnected or self.response_complete):
            self.message_event = asyncio.Event()
            await self.message_event.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Send an answer of a single part in one write, and any other as uvicorn does."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        self.more_body = False  # The body is complete, even if the application has not received it.
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
