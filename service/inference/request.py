"""One request to the service, as every transport has it: its id, its times, its client, its outcome.

HTTP's is ``HttpRequest`` (http/http_request.py), gRPC's ``GrpcRequest`` (grpc/grpc_request.py), and a call
within Python ``PythonRequest`` (native/python_call.py).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic, time_ns
from typing import ClassVar, Generic, Protocol, TypeVar

from service.access.keyring import Key
from service.audit.columns import REQUEST_ID
from service.errors import RequestError
from service.inference.admission import Slot
from service.model.model_id import UNKNOWN_MODEL, ModelIdentity
from service.model.release.release import Role
from service.system.random_bytes import RandomHex
from service.telemetry.tracing import NO_TRACE, NoTrace, Trace

_WELL_FORMED_ID = re.compile(REQUEST_ID)

SUBJECT_HEADER = b"x-subject-id"
"""The header, or the key of metadata, with the identifier of the person that a request is about."""

_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""Two bits of a hexadecimal digit are the variant's, two are random."""

_random = RandomHex()


def new_uuid7() -> str:
    """A UUID of version 7, RFC 9562: milliseconds, then random bits.

    Ids that are made one after another are neighbours in the audit log's index, which is then written at
    twice the speed of an index of random ids.
    """
    digits = _random.take(19)
    time = "%012x" % (time_ns() // 10**6)
    return f"{time[:8]}-{time[8:]}-7{digits[:3]}-{_VARIANT[digits[3]]}{digits[4:7]}-{digits[7:]}"


class RecordedReply(Protocol):
    """The part of a reply that the audit log records."""

    @property
    def status(self) -> int:
        """The HTTP status, whatever the transport."""
        ...

    @property
    def body(self) -> bytes:
        """What the client reads."""
        ...


ReplyT_co = TypeVar("ReplyT_co", bound=RecordedReply, covariant=True)


class Request(ABC, Generic[ReplyT_co]):
    """A request to the service."""

    __slots__ = (
        "body", "client", "has_own_id", "key", "method", "model", "path", "received_utc", "request_id",
        "role", "route", "slot", "started", "status", "subject", "trace",
    )  # fmt: skip

    transport: ClassVar[str]
    """Its name in the audit log."""

    method: str
    path: str
    """As it was sent."""
    route: str
    """The metrics' label: one of few."""
    client: str | None
    """The address that it came from."""
    started: float
    """When it came in, by the clock ``time.monotonic``."""
    has_own_id: bool
    """Whether its client gave it an id."""
    trace: Trace | NoTrace
    key: Key | None
    """Its valid API key, where keys are required."""
    model: ModelIdentity
    """The model that answers it, once one is chosen; until then the champion."""
    role: Role | None
    """The role of the model that was chosen."""
    body: bytes | None
    """The complete body, once it was read."""
    subject: str | None
    """Keyed hash of the person that it is about."""
    slot: Slot | None
    """Its slot, if its connection requested one before the request began."""
    status: int | None
    """The HTTP status of the answer, whatever the transport, once there is one."""

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
        self.model = UNKNOWN_MODEL
        self.role = None
        self.body = None
        self.subject = None
        self.slot = None
        self.status = None

    def identify(self, request_id: str) -> None:
        """Adopt the client's id, if it is well formed and there was none before."""
        if request_id and not self.has_own_id and _WELL_FORMED_ID.fullmatch(request_id):
            self.request_id = request_id
            self.has_own_id = True

    def occupy(self, slot: Slot) -> None:
        """Use a slot that was requested before; the time in the queue counts as part of the request."""
        self.slot = slot
        if slot.waited_s:
            self.started -= slot.waited_s
            self.received_utc -= timedelta(seconds=slot.waited_s)

    @property
    def seconds(self) -> float:
        """Seconds since the request came in."""
        return monotonic() - self.started

    @property
    def subject_ids(self) -> tuple[bytes, ...]:
        """The identifiers of persons that its client sent: one at most, if the request is valid."""
        return ()

    @property
    @abstractmethod
    def headers(self) -> Mapping[bytes, bytes]:
        """Its headers by their names in lower case."""

    @abstractmethod
    def deadline(self, limit_ms: int) -> float:
        """When it must be answered, by the clock ``time.monotonic``; raises HeaderInvalid."""

    @abstractmethod
    def client_is_gone(self) -> bool:
        """Whether its client has disconnected; returns at once."""

    @abstractmethod
    def refusal(self, error: RequestError) -> ReplyT_co:
        """The reply to a request that raised the error."""
