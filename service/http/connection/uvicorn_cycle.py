"""A request of a guarded connection and its answer, made of uvicorn's; and what refuses one that never began.

uvicorn's ``RequestResponseCycle`` cannot tell the application that a body broke off, reads pipelined requests
without end, and closes a connection whose rest is unread, which resets it before the client has read the
answer.
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

__all__ = ["FINISH", "STATUS_LINE", "GuardedCycle", "answer_of"]

FINISH = "tabento.finish"
"""The key, in the application's state, of the function that counts a finished request."""


class GuardedCycle(RequestResponseCycle):
    """A request, whose body may be on its way, and its answer."""

    leaves_unread = False
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

    def hold(self, size_bytes: int) -> None:
        """Count bytes of the body; raises Overloaded if all bodies hold too many."""
        if not self._bodies.may_hold(self._held_bytes, size_bytes):
            raise Overloaded
        self._held_bytes += size_bytes

    def release(self) -> None:
        """Count the body out."""
        if self._held_bytes:
            self._bodies.release(self._held_bytes)
            self._held_bytes = 0

    def take(self, body: bytes) -> None:
        """Take a piece of the body; raises Overloaded."""
        if self.response_complete:
            return
        self.hold(len(body))
        self.body += body
        if len(self.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.message_event.set()

    def complete(self) -> None:
        """Know that the body is complete."""
        if not self.response_complete:
            self.more_body = False
            self.message_event.set()

    def fail(self, error: RequestError) -> None:
        """Know that the body will not be complete, and why."""
        self._failure = error
        self.message_event.set()

    async def run_asgi(self, app: Any) -> None:
        """Run the application; whatever it does, the body is counted out."""
        try:
            await super().run_asgi(app)
        finally:
            self.release()

    async def receive(self) -> Any:
        """The next piece of the body, or that the client has gone; raises what the request is refused for."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not (self.disconnected or self.response_complete or self._failure):
            self._connection.read_on()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        if self._failure is not None:
            raise self._failure
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        """Send a part of the answer; one that begins before the request has ended ends the connection."""
        if message["type"] != "http.response.start" or self.response_started or not self.more_body:
            await super().send(message)
            return
        message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await super().send(message)
        self.keep_alive = True  # Else uvicorn would close it. The connection does, when the rest was read.
        self.leaves_unread = True

    async def send_500_response(self) -> None:
        """Answer for an application that raised: with what the request is refused for, if it is."""
        if self._failure is None:
            await super().send_500_response()
        else:
            self.response_started = self.response_complete = True
            self._connection.answer(self._failure)


def complete_scope(connection: "GuardedProtocol") -> None:
    """Put into the request's scope what is known once its head is complete; raises what parsing it raises."""
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


def name_client(connection: "GuardedProtocol") -> None:
    """Put into the scope of a request that a trusted proxy sent whom it was sent for."""
    if connection.client is not None:
        host, port = connection.client
        client = connection.limits.proxies.client(host, connection.headers)
        connection.scope["client"] = (client, port if client == host else 0)


def answer_of(connection: "GuardedProtocol", error: RequestError) -> bytes:
    """The answer to a request that is refused before it began; it is counted under no route."""

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
