"""One gRPC call, as the data plane sees it."""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, cast
from urllib.parse import unquote

from grpc.aio import ServicerContext

from service.errors import RequestError
from service.errors.error_text import error_text
from service.inference.request import SUBJECT_HEADER, Request

Context = ServicerContext[Any, Any]


class GrpcReply(NamedTuple):
    """What a call gets."""

    status: int
    body: bytes
    """The message; for an error its code and text as JSON, for the audit log."""
    error: RequestError | None = None


class GrpcRequest(Request[GrpcReply]):
    """A call on its way through the service."""

    __slots__ = ("_context", "_remaining_s")

    transport: ClassVar[str] = "grpc"

    def __init__(self, path: str, context: Context) -> None:
        self._context = context
        super().__init__(
            # As gRPC is sent over HTTP/2.
            method="POST",
            path=path,
            route=path,
            client=_address(context.peer()),
            request_id=self._sent_id(),
        )
        # Read now, because it decreases while the call waits. A call may have no deadline, which the type
        # leaves out.
        self._remaining_s = cast("float | None", context.time_remaining())

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The call's metadata, in the form of HTTP headers."""
        return {name.encode(): _as_bytes(value) for name, value in self._metadata()}

    @property
    def subject_ids(self) -> tuple[bytes, ...]:
        """The values of the metadata of this key."""
        name = SUBJECT_HEADER.decode()
        return tuple(_as_bytes(value) for key, value in self._metadata() if key == name)

    def deadline(self, limit_ms: int) -> float:
        """When it must be answered, by the clock ``time.monotonic``."""
        limit_s = limit_ms / 1e3
        return self.started + (limit_s if self._remaining_s is None else min(limit_s, self._remaining_s))

    def client_is_gone(self) -> bool:
        """Whether the call was cancelled, or its connection lost."""
        return self._context.cancelled()

    def refusal(self, error: RequestError) -> GrpcReply:
        """The reply to a call that raised the error."""
        said = {"code": error.grpc_code, "message": error_text(error)}
        return GrpcReply(int(error.status), json.dumps(said).encode(), error)

    def _metadata(self) -> Iterable[tuple[str, str | bytes]]:
        return cast("Iterable[tuple[str, str | bytes]]", self._context.invocation_metadata() or ())

    def _sent_id(self) -> str:
        for name, value in self._metadata():
            if name == "x-request-id" and isinstance(value, str):
                return value
        return ""


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


@lru_cache
def _address(peer: str) -> str:
    """The address of a gRPC peer: ``ipv4:127.0.0.1:5000``, ``ipv6:%5B::1%5D:5000``."""
    kind, _, address = peer.partition(":")
    return unquote(address).rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else peer
