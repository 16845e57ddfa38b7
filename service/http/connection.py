"""A connection of uvicorn's, with a shorter way for the requests that the gateway answers whole.

For every request uvicorn makes an event to wait on, sets and cancels a timer, searches each header with two
regular expressions and writes twice. A prediction needs none of that: its body has nearly always come with
its headers, and its answer is there at once. That is half of what an answer takes the server, and the server
takes nearly half of what a prediction takes in all.

They begin when the worker has room for them (admission.py); until then they are their bytes and little more.

Only whole requests for a prediction go that way, one at a time; whatever else comes over the same connection
is uvicorn's to handle, as if it was alone: other routes, bodies that are still to come, pipelined requests,
upgrades, HTTP/1.0. httptools parses all of them. BentoML leaves uvicorn's protocol at its default and has no
option for it: ``use`` puts this one in the default's place.
"""

import asyncio
from typing import Any, cast

from starlette.types import Message
from uvicorn import config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.admission import Admission, Room
from service.http.exchange import ROOM
from service.http.paths import is_for_prediction

ADMISSION = "tabento.admission"
"""Where the worker's admission lies in the application's state, which every connection is given."""

_BUSY = float("inf")
_NOBODY_WAITS = asyncio.Event()


def use() -> None:
    """Have uvicorn, in this process, keep its connections so."""
    config.HTTP_PROTOCOLS["auto"] = f"{Connection.__module__}:{Connection.__qualname__}"


class Connection(HttpToolsProtocol):
    """One connection."""

    _parts: list[bytes] | None = None
    """Of the body, while a request that may go the short way is read."""
    _idle_until = _BUSY
    """When it is closed if nothing comes, by the loop's clock."""
    _timer: asyncio.TimerHandle | None = None
    """One for many answers: it looks whether it is time, and if not, when it will be."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of all that belongs to it."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what has come; what goes the short way has come whole by then."""
        super().data_received(data)
        if self._parts is not None:
            parts, self._parts = self._parts, None
            super().on_headers_complete()
            for part in parts:
                super().on_body(part)

    def on_headers_complete(self) -> None:
        """Choose the way."""
        parser, before = self.parser, cast("RequestResponseCycle | None", self.cycle)
        if (
            is_for_prediction(self.url)
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and not self.root_path
            and self.limit_concurrency is None
            and (before is None or before.response_complete)
        ):
            self._parts = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        if self._parts is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """Have the request answered."""
        if self._parts is None:
            super().on_message_complete()
            return
        body, self._parts = b"".join(self._parts), None
        scope = self.scope
        scope["method"] = "POST"
        scope["path"] = self.url.decode("ascii")
        scope["raw_path"] = self.url
        scope["query_string"] = b""
        self.cycle = cycle = _WholeCycle(self, body)
        admission: Admission | None = self.app_state.get(ADMISSION)
        if admission is None:
            self.begin(cycle)
        else:
            admission.apply(cycle.begin_in, len(body))

    def begin(self, cycle: "_WholeCycle") -> None:
        """Have the application answer it."""
        self._start_asgi_task(cycle, self.app)

    def answered(self) -> None:
        """Be idle, or go on with what was pipelined."""
        if self.pipeline or self.transport.is_closing():
            self.on_response_complete()
            return
        if self.scope is self.cycle.scope:  # Else the next has begun to come.
            # Freed now, while it is in the processor's caches, what it was made of is taken for the next
            # request of any connection. Until this one's next, it would have gone from there.
            self.cycle = self.scope = self.headers = None  # type: ignore[assignment]
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_until = self.loop.time() + self.timeout_keep_alive
        if self._timer is None:
            self._timer = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _unset_keepalive_if_required(self) -> None:  # uvicorn's, for when something has come.
        self._idle_until = _BUSY
        super()._unset_keepalive_if_required()

    def _look(self) -> None:
        self._timer = None
        if self._idle_until == _BUSY:
            return
        left_s = self._idle_until - self.loop.time()
        if left_s > 0:
            self._timer = self.loop.call_later(left_s, self._look)
        else:
            self.timeout_keep_alive_handler()


class _WholeCycle(RequestResponseCycle):
    """A request whose body is there, and its answer, which is sent at once."""

    def __init__(self, connection: Connection, body: bytes) -> None:
        super().__init__(
            scope=connection.scope,
            transport=connection.transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=False,
            default_headers=connection.server_state.default_headers,
            message_event=_NOBODY_WAITS,
            expect_100_continue=False,
            keep_alive=connection.parser.should_keep_alive(),
            on_response=connection.answered,
        )
        self._connection = connection
        self._whole = body
        self._room: Room | None = None
        self._start: Any = None
        """Held until the body is there."""

    def begin_in(self, room: Room) -> None:
        """Have it answered, now that it has room or is to be refused."""
        self.scope[ROOM] = self._room = room  # type: ignore[literal-required]
        self._connection.begin(self)

    async def run_asgi(self, app: Any) -> None:
        """Run the application; whatever it does, the room is given back."""
        try:
            await super().run_asgi(app)
        finally:
            if self._room is not None:
                self._room.leave()

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
