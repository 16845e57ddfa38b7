"""One request to the service, as every transport has it: its id, its times, who sent it, what became of it.

HTTP's is ``Exchange`` (http/exchange.py), gRPC's ``GrpcCall`` (grpc/call.py).
"""

import re
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from time import monotonic, time_ns
from typing import ClassVar

from service.access.keyring import Key
from service.inference.admission import Room
from service.system.random_bytes import RandomHex
from service.telemetry.tracing import NO_TRACE, NoTrace, Trace

_WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")

_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""Two bits of a hexadecimal digit are the variant's, two are random."""

_random_hex = RandomHex()


def new_uuid7() -> str:
    """A UUID of version 7, RFC 9562: time in ms, then random bits.

    Ids made one after another lie together in the audit log's index, which is then written at twice the speed
    of one of random ids.
    """
    random = _random_hex.take(19)
    time = "%012x" % (time_ns() // 10**6)
    return f"{time[:8]}-{time[8:]}-7{random[:3]}-{_VARIANT[random[3]]}{random[4:7]}-{random[7:]}"


class Call(ABC):
    """A request on its way through the service."""

    __slots__ = (
        "body", "client", "has_own_id", "key", "method", "path", "received_utc", "request_id", "room",
        "route", "started", "status", "trace",
    )  # fmt: skip

    transport: ClassVar[str]
    """As the audit log has it."""

    method: str
    path: str
    """What was asked for, as it was sent."""
    route: str
    """What of the service that is: one of few, as the metrics tell them apart."""
    client: str | None
    """The address that it came from."""
    started: float
    """When it came in, by the clock ``time.monotonic``."""
    has_own_id: bool
    """Whether its client gave it an id."""
    trace: Trace | NoTrace
    key: Key | None
    """The API key that it came with, where there are any."""
    body: bytes | None
    """The request's body, once it was read whole."""
    room: Room | None
    """The room that it was given before it began, where its transport saw to that."""
    status: int | None
    """The answer's HTTP status, whatever the transport, once there is one."""

    def __init__(self, *, method: str, path: str, route: str, client: str | None, request_id: str) -> None:
        self.started = monotonic()
        self.received_utc = datetime.now(UTC)
        self.method = method
        self.path = path
        self.route = route
        self.client = client
        self.has_own_id = False
        self.identify(request_id)
        if not self.has_own_id:
            self.request_id = new_uuid7()
        self.trace = NO_TRACE
        self.key = None
        self.body = None
        self.room = None
        self.status = None

    def identify(self, request_id: str) -> None:
        """Take over an id that the client gave, if it is well formed and there was none before."""
        if request_id and not self.has_own_id and _WELL_FORMED_ID.fullmatch(request_id):
            self.request_id = request_id
            self.has_own_id = True

    def begin_in(self, room: Room) -> None:
        """Take the room that it was given, for which it may have waited."""
        self.room = room
        if room.waited_s:
            self.started -= room.waited_s
            self.received_utc -= timedelta(seconds=room.waited_s)

    @property
    def seconds(self) -> float:
        """Seconds since the request came in."""
        return monotonic() - self.started

    @abstractmethod
    def deadline(self, limit_ms: int) -> float:
        """When it must be answered, by the clock ``time.monotonic``; raises HeaderInvalid."""

    @abstractmethod
    def client_is_gone(self) -> bool:
        """Whether nobody waits for the answer any more; asks without waiting."""
