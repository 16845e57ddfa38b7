"""An HTTP request and its reply, as ASGI delivers and sends them."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, NamedTuple

from starlette.types import Receive, Scope, Send

from service.errors import (
    BodyTooLarge,
    ClientGone,
    HeaderInvalid,
    MediaTypeUnsupported,
    RequestError,
)
from service.errors.problem import refusal_body, refusal_headers
from service.inference.admission import Slot
from service.inference.request import SUBJECT_HEADER, Request
from service.routes import match

SLOT = "tabento.slot"
"""The key of the request's slot in the ASGI scope, if its connection requested one."""

JSON = b"application/json"

_TIMEOUT_MS = re.compile(rb"0*[1-9][0-9]{0,9}")


class Reply(NamedTuple):
    """A complete answer."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


class HttpRequest(Request[Reply]):
    """A request to the gateway."""

    __slots__ = ("_receive", "_scope", "_send", "headers", "match", "query")

    transport: ClassVar[str] = "http"

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        path: str = scope["path"]
        self.match = match(scope["method"], path)
        self.query: bytes = scope.get("query_string", b"")
        super().__init__(
            method=scope["method"],
            path=path,
            route=self.match.label,
            client=client[0] if client else None,
            request_id=self.headers.get(b"x-request-id", b"").decode("latin-1"),
        )
        slot: Slot | None = scope.get(SLOT)
        if slot is not None:
            self.occupy(slot)
        self._receive = receive
        self._send = send

    @property
    def subject_ids(self) -> tuple[bytes, ...]:
        """The values of every header X-Subject-ID."""
        if SUBJECT_HEADER not in self.headers:
            return ()
        return tuple(value for name, value in self._scope["headers"] if name == SUBJECT_HEADER)

    def deadline(self, limit_ms: int) -> float:
        """The deadline, by the clock ``time.monotonic``; raises HeaderInvalid."""
        sent = self.headers.get(b"x-request-timeout-ms")
        if sent is not None:
            if not _TIMEOUT_MS.fullmatch(sent):
                raise HeaderInvalid("X-Request-Timeout-Ms", "a whole number of milliseconds, at least 1")
            limit_ms = min(limit_ms, int(sent))
        return self.started + limit_ms / 1e3

    async def read_body(self, limit_bytes: int, media_types: Sequence[bytes] = (JSON,)) -> bytes:
        """Read the body; raises MediaTypeUnsupported, BodyTooLarge or ClientGone."""
        headers = self.headers
        media_type = headers.get(b"content-type", b"")
        if media_type not in media_types:
            media_type = media_type.partition(b";")[0].strip().lower()
            if media_type not in media_types:
                expected = " or ".join(type_.decode() for type_ in media_types if type_)
                raise MediaTypeUnsupported(media_type.decode("latin-1"), expected)
        encoding = headers.get(b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            raise MediaTypeUnsupported(f"compressed as {encoding.decode('latin-1')}")
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > limit_bytes:
                raise BodyTooLarge(limit_bytes)
            more = message.get("more_body", False)
        self.body = b"".join(chunks)
        return self.body

    def client_is_gone(self) -> bool:
        """Whether the client has disconnected since the body was read; returns at once.

        After the body, ``receive`` returns without waiting only for a disconnect, so one step of it suffices.
        """
        step = self._receive().__await__()
        try:
            next(step)
        except StopIteration as received:
            return bool(received.value["type"] == "http.disconnect")
        step.close()
        return False

    async def send(self, reply: Reply) -> None:
        """Send the reply."""
        self.status = int(reply.status)
        headers = [
            (b"content-type", reply.media_type),
            (b"content-length", b"%d" % len(reply.body)),
            (b"x-request-id", self.request_id.encode()),
            *reply.headers,
        ]
        await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": reply.body})

    def refusal(self, error: RequestError) -> Reply:
        """The reply to a request that raised the error: problem details, or the protocol's error."""
        headers = [(name.lower().encode(), value.encode()) for name, value in refusal_headers(error).items()]
        body, media_type = refusal_body(error, self.path, self.request_id)
        return Reply(error.status, body, media_type.encode(), headers)


Handler = Callable[[HttpRequest], Awaitable[Reply]]
"""Answers the requests of a route."""
