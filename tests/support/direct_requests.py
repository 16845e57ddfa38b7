"""Requests to a data plane without a transport between, and such a data plane over a real log."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from prometheus_client import CollectorRegistry

from service.audit.file.subject_key import SubjectKey
from service.audit.write.audit_log import AuditLog
from service.audit.write.committer import Mode
from service.errors import RequestError
from service.inference.admission import Admission
from service.inference.dataplane import DataPlane, ParsedRequest
from service.inference.engine import Predictions
from service.inference.request import Request
from service.inference.served_models import ServedModels, Serving
from service.inference.shadow import Shadow
from service.model.contract import Values
from service.telemetry.metrics import Metrics
from service.telemetry.tally import Tally


class DirectReply(NamedTuple):
    """What a direct request gets."""

    status: int
    body: bytes
    predictions: Predictions | None = None


class DirectRequest(Request[DirectReply]):
    """Rows of a model with one number as its feature."""

    __slots__ = ("persons", "rows", "version")
    transport: ClassVar[str] = "python"

    def __init__(self, *numbers: float, version: str = "", person: str = "", request_id: str = "") -> None:
        super().__init__(method="POST", path="/direct", route="/direct", client=None, request_id=request_id)
        self.body = b"{}"
        self.rows: Sequence[Values] = [(number,) for number in numbers]
        self.version = version
        self.persons = (person.encode(),) if person else ()

    @property
    def subject_ids(self) -> tuple[bytes, ...]:
        return self.persons

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        return {}

    def deadline(self, limit_ms: int) -> float:
        return self.started + limit_ms / 1e3

    def client_is_gone(self) -> bool:
        return False

    def refusal(self, error: RequestError) -> DirectReply:
        return DirectReply(int(error.status), str(error).encode())


class DirectCodec:
    """The rows are the request's own."""

    async def receive(self, request: DirectRequest) -> bytes:
        return request.body or b""

    async def read(self, request: DirectRequest) -> ParsedRequest[DirectReply]:
        def answer(predictions: Predictions) -> DirectReply:
            return DirectReply(200, b"{}", predictions)

        return ParsedRequest(request.rows, answer, ("rows",), version=request.version)


class DirectService(NamedTuple):
    """A data plane, and the parts that it was made of."""

    dataplane: DataPlane
    models: ServedModels
    shadow: Shadow
    audit: AuditLog
    metrics: Metrics

    async def ask(self, *numbers: float, **about: Any) -> DirectReply:
        """The reply to a request, as a transport gets it."""
        request = DirectRequest(*numbers, **about)
        try:
            reply = await self.dataplane.predict(request, DirectCodec())
            request.status = reply.status
        finally:
            self.dataplane.finish(request)
        return reply

    def counted(self, name: str, **labels: str) -> float:
        """The value of a counter, which is 0 if it has none."""
        self.metrics.flush()
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def direct_service(
    db: Path,
    serving: Serving,
    metrics: Metrics | None = None,
    mode: Mode = "strict",
    deadline_ms: int = 20_000,
    audit: AuditLog | None = None,
) -> AsyncIterator[DirectService]:
    """A data plane over a log of this path."""
    metrics = metrics or Metrics(CollectorRegistry())
    audit = audit or AuditLog.open(db, mode=mode, sync="normal")
    models = ServedModels(serving)
    del serving  # Its models may leave.
    models.on_swap(
        lambda now: metrics.models.set_models({role: one.model for role, one in now.roles().items()})
    )
    shadow = Shadow(models, audit, metrics)
    tally = Tally(metrics, lambda: {"queued": 0})
    dataplane = DataPlane(
        models,
        Admission(100_000),
        audit,
        tally,
        deadline_ms=deadline_ms,
        subject_key=SubjectKey(b"k" * 32),
        shadow=shadow,
    )
    try:
        yield DirectService(dataplane, models, shadow, audit, metrics)
    finally:
        await shadow.stop()
        await models.close()
        audit.close()
