"""One HTTP request and its answer, as the gateway sees them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from os import urandom
from time import perf_counter, time_ns
from typing import NamedTuple
from uuid import UUID

from starlette.types import Receive, Scope, Send

from service.errors import BodyTooLarge, MediaTypeUnsupported, MethodNotAllowed, RequestError
from service.http.problem import MEDIA_TYPE, problem_json

REQUEST_ID = "tabento.request_id"
"""Where the request's id lies in the ASGI scope, for the pages behind the gateway."""

_WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")


def new_uuid7() -> UUID:
    """A UUID of version 7, RFC 9562: time in ms, then chance.

    Ids made one after another lie together in the audit log's index, which is then written at twice the speed
    of one of random ids.
    """
    chance = int.from_bytes(urandom(10))
    chance_a, chance_b = chance >> 68, chance & (2**62 - 1)
    return UUID(int=time_ns() // 10**6 << 80 | 7 << 76 | chance_a << 64 | 0b10 << 62 | chance_b)


class ClientGone(Exception):
    """The client closed the connection before it had sent its request."""


class Reply(NamedTuple):
    """An answer that is ready to be sent."""

    status: int
    body: bytes
    media_type: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()


class Exchange:
    """A request on its way through the gateway: its id, its times, its body, its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.received_utc = datetime.now(UTC)
        self.request_id = self._request_id()
        self.client: str | None = scope["client"][0] if scope.get("client") else None
        self.body: bytes | None = None
        """The request's body, once it was read whole."""
        self.status: int | None = None
        """The answer's status, once its head was sent."""
        self._receive = receive
        self._send = send
        self._started = perf_counter()
        scope[REQUEST_ID] = self.request_id

    def _request_id(self) -> str:
        sent = self.headers.get(b"x-request-id", b"")
        return sent.decode() if _WELL_FORMED_ID.fullmatch(sent) else str(new_uuid7())

    @property
    def seconds(self) -> float:
        """Seconds since the request came in."""
        return perf_counter() - self._started

    async def read_json(self, limit_bytes: int) -> bytes:
        """Read the body; raises MediaTypeUnsupported, BodyTooLarge or ClientGone."""
        media_type = self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media_type != b"application/json":
            raise MediaTypeUnsupported(media_type.decode("latin-1"))
        encoding = self.headers.get(b"content-encoding", b"identity").lower()
        if encoding != b"identity":
            raise MediaTypeUnsupported(f"compressed as {encoding.decode('latin-1')}")
        declared = self.headers.get(b"content-length", b"")
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

    async def send(self, reply: Reply) -> None:
        """Send an answer, whole."""
        self.status = int(reply.status)
        headers = [
            (b"content-type", reply.media_type),
            (b"content-length", str(len(reply.body)).encode()),
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
        if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", b"1"))
        return Reply(error.status, problem_json(error, self.request_id), MEDIA_TYPE.encode(), headers)
