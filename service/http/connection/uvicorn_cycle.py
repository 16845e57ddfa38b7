"""A request of a guarded connection and its answer, based on uvicorn's; and answers to invalid requests.

uvicorn's ``RequestResponseCycle`` has three faults. It cannot report to the application that a body broke
off. It reads pipelined requests without limit. It closes a connection with unread bytes, which resets the
connection before the client has read the answer.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools
from starlette.types import Message, Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.errors import Overloaded, RequestError
from service.http.http_request import HttpRequest

if TYPE_CHECKING:
    from service.http.connection.uvicorn_protocol import GuardedProtocol

__all__ = ["FINISH", "STATUS_LINE", "GuardedCycle", "error_answer"]

FINISH = "tabento.finish"
"""The key, in the application's state, of the function that counts a finished request."""


class GuardedCycle(RequestResponseCycle):
    """A request, whose body may be incomplete, and its answer."""

    answered_early = False
    """Whether the answer began before the request had ended."""
    _failure: RequestError | None = None
    _held_bytes = 0

    def __init__(
        self,
        connection: "GuardedProtocol",
        keep_alive: bool,
        message_event: asyncio.Event | None = None,
        on_response: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(
            connection.scope,
            connection.transport,
            connection.flow,
            connection.logger,
            connection.access_logger,
            connection.access_log,
            connection.server_state.default_headers,
            message_event or asyncio.Event(),
            connection.expect_100_continue,
            keep_alive,
            on_response or connection.on_response_complete,
        )
        self._connection = connection
        self._bodies = connection.limits.bodies

    def reserve(self, size_bytes: int) -> None:
        """Count bytes of the body; raises Overloaded if all bodies together hold too many."""
        if not self._bodies.try_reserve(self._held_bytes, size_bytes):
            raise Overloaded
        self._held_bytes += size_bytes

    def release(self) -> None:
        """Stop counting the body."""
        if self._held_bytes:
            self._bodies.release(self._held_bytes)
            self._held_bytes = 0

    def add_body(self, body: bytes) -> None:
        """Add a part of the body; raises Overloaded."""
        if self.response_complete:
            return
        self.reserve(len(body))
        self.body += body
        if len(self.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.message_event.set()

    def end_body(self) -> None:
        """Mark the body as complete."""
        if not self.response_complete:
            self.more_body = False
            self.message_event.set()

    def fail_body(self, error: RequestError) -> None:
        """Mark the body as broken off by this error."""
        self._failure = error
        self.message_event.set()

    async def run_asgi(self, app: Any) -> None:
        """Run the application, and stop counting the body when it ends."""
        try:
            await super().run_asgi(app)
        finally:
            self.release()

    async def receive(self) -> Any:
        """The next part of the body, or the client's disconnect; raises the error that broke off the body."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not (self.disconnected or self.response_complete or self._failure):
            self._connection.continue_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        if self._failure is not None:
            raise self._failure
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        """Send a part of the answer; an answer that begins before the request's end closes the connection."""
        if message["type"] != "http.response.start" or self.response_started or not self.more_body:
            await super().send(message)
            return
        message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await super().send(message)
        self.keep_alive = True  # Otherwise uvicorn closes it at once; the connection reads the rest first.
        self.answered_early = True

    async def send_500_response(self) -> None:
        """Answer if the application raised: with the error that broke off the body, if there is one."""
        if self._failure is None:
            await super().send_500_response()
        else:
            self.response_started = self.response_complete = True
            self._connection.answer(self._failure)


def complete_scope(connection: "GuardedProtocol") -> None:
    """Complete the request's scope from its head; raises the errors of parsing the target."""
    target = httptools.parse_url(connection.url)
    path = target.path.decode("ascii")
    scope = cast("Scope", connection.scope)
    scope.update(
        method=connection.parser.get_method().decode("ascii"),
        http_version=connection.parser.get_http_version(),
        path=connection.root_path + (unquote(path) if "%" in path else path),
        raw_path=connection.root_path.encode("ascii") + target.path,
        query_string=target.query or b"",
    )


def set_client(connection: "GuardedProtocol") -> None:
    """Set the client's address in the scope of a request from a trusted proxy."""
    if connection.client is not None:
        host, port = connection.client
        client = connection.limits.proxies.client(host, connection.headers)
        connection.scope["client"] = (client, port if client == host else 0)


def error_answer(connection: "GuardedProtocol", error: RequestError) -> bytes:
    """The answer to a request that is rejected before it began; it is counted without a route."""

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        pass

    scope: Scope = {
        "type": "http",
        "method": "",
        "path": "",
        "headers": connection.headers or [],
        "client": connection.client,
    }
    request = HttpRequest(scope, receive, send)
    reply = request.refusal(error)
    request.status = int(reply.status)
    finish = connection.app_state.get(FINISH)
    if finish is not None:
        finish(request)
    headers = [
        *connection.server_state.default_headers,
        (b"content-type", reply.media_type),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", request.request_id.encode()),
        *reply.headers,
        (b"connection", b"close"),
    ]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[request.status] + lines + b"\r\n" + reply.body
