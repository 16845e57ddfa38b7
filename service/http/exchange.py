"""One HTTP request and its answer, as the gateway sees them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic, time_ns
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from service.chance import HexChance
from service.errors import (
    BodyTooLarge,
    ClientGone,
    HeaderInvalid,
    MediaTypeUnsupported,
    MethodNotAllowed,
    RequestError,
)
from service.http.problem import MEDIA_TYPE, problem_json
from service.keys.keyring import Key
from service.tracing import NO_TRACE, NoTrace, Trace

REQUEST_ID = "tabento.request_id"
"""Where the request's id lies in the ASGI scope, for the pages behind the gateway."""

JSON = b"application/json"

_WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
_TIMEOUT_MS = re.compile(rb"0*[1-9][0-9]{0,9}")

_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""Two bits of a hexadecimal digit are the variant's, two are chance."""

_chance = HexChance()


def new_uuid7() -> str:
    """A UUID of version 7, RFC 9562: time in ms, then chance.

    Ids made one after another lie together in the audit log's index, which is then written at twice the speed
    of one of random ids.
    """
    chance = _chance.take(19)
    time = "%012x" % (time_ns() // 10**6)
    return f"{time[:8]}-{time[8:]}-7{chance[:3]}-{_VARIANT[chance[3]]}{chance[4:7]}-{chance[7:]}"


class Reply(NamedTuple):
    """An answer that is ready to be sent."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


class Exchange:
    """A request on its way through the gateway: its id, its times, its body, its answer."""

    __slots__ = (
        "_receive", "_send", "_started", "body", "client", "headers", "key", "method", "path", "received_utc",
        "request_id", "status", "trace",
    )  # fmt: skip

    trace: Trace | NoTrace
    key: Key | None
    """The API key that it came with, where there are any."""
    body: bytes | None
    """The request's body, once it was read whole."""
    status: int | None
    """The answer's status, once its head was sent."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._started = monotonic()
        self.received_utc = datetime.now(UTC)
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        sent = self.headers.get(b"x-request-id")
        self.request_id = sent.decode() if sent and _WELL_FORMED_ID.fullmatch(sent) else new_uuid7()
        client = scope.get("client")
        self.client: str | None = client[0] if client else None
        self.trace = NO_TRACE
        self.key = None
        self.body = None
        self.status = None
        self._receive = receive
        self._send = send

    @property
    def seconds(self) -> float:
        """Seconds since the request came in."""
        return monotonic() - self._started

    def deadline(self, limit_ms: int) -> float:
        """When it must be answered, by the clock ``time.monotonic``; raises HeaderInvalid."""
        sent = self.headers.get(b"x-request-timeout-ms")
        if sent is not None:
            if not _TIMEOUT_MS.fullmatch(sent):
                raise HeaderInvalid("X-Request-Timeout-Ms", "a whole number of milliseconds, at least 1")
            limit_ms = min(limit_ms, int(sent))
        return self._started + limit_ms / 1e3

    async def read_json(self, limit_bytes: int) -> bytes:
        """Read the body; raises MediaTypeUnsupported, BodyTooLarge or ClientGone."""
        headers = self.headers
        media_type = headers.get(b"content-type", b"")
        if media_type != JSON:
            media_type = media_type.partition(b";")[0].strip().lower()
            if media_type != JSON:
                raise MediaTypeUnsupported(media_type.decode("latin-1"))
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
        """Whether the connection was closed since the body was read; asks without waiting.

        A server answers ``receive`` at once only if it has something to say, which after the body can only
        be that. So one step of it tells.
        """
        step = self._receive().__await__()
        try:
            next(step)
        except StopIteration as said:
            return bool(said.value["type"] == "http.disconnect")
        step.close()
        return False

    async def send(self, reply: Reply) -> None:
        """Send an answer, whole."""
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
        """The problem details that answer a request which raised the error."""
        headers: list[tuple[bytes, bytes]] = []
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", error.allowed.encode()))
        if error.status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        if error.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % error.retry_after_s))
        return Reply(error.status, problem_json(error, self.request_id), MEDIA_TYPE.encode(), headers)
