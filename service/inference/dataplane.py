"""The data plane: the path of every prediction request, the same for every transport.

    begin -> authorize -> slot -> read and validate -> choose a model -> engine -> record -> finish

A transport brings its requests (request.py) and, for each of its message formats, a ``Codec``: how rows are
read from a message, and how predictions are written into one. A reply leaves the data plane only after the
audit log has its record. Other requests use ``begin``, ``authorize`` and ``finish`` alone.
"""

import logging
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from service.access.authorization import authorize
from service.access.keyring import Keyring
from service.audit.columns import ANSWERED
from service.audit.file.subject_key import SUBJECT_RULE, SubjectKey
from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord
from service.audit.write.refused_body import RefusedBodies, refused_digest
from service.errors import (
    AuditFull,
    ClientGone,
    HeaderInvalid,
    InternalFailure,
    KeyInvalid,
    Location,
    RequestError,
    RowsFailed,
    ScopeMissing,
)
from service.inference.admission import Admission, Slot
from service.inference.engine import Predictions
from service.inference.refused_keys import RefusedKeys
from service.inference.request import RecordedReply, Request
from service.inference.served_models import ServedModels
from service.inference.shadow import Shadow
from service.model.contract import Values
from service.model.reference_profile import NO_FLAGS
from service.routes import AnyKey, Scope
from service.telemetry.tally import Tally
from service.telemetry.tracing import Tracing

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("bentoml.access")
"""BentoML gives this name a handler and a level."""

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that disconnected; it is counted, never sent."""

NO_PREDICTIONS = Predictions((), (), (), NO_FLAGS)

RequestT = TypeVar("RequestT", bound=Request[Any])
RequestT_contra = TypeVar("RequestT_contra", bound=Request[Any], contravariant=True)
ReplyT = TypeVar("ReplyT", bound=RecordedReply)


class ParsedRequest(NamedTuple, Generic[ReplyT]):
    """A message, read."""

    rows: Sequence[Values]
    """The values of validated rows."""
    answer: Callable[[Predictions], ReplyT]
    """Writes the predictions in the message's format."""
    rows_at: Location | None = None
    """The path of the rows in the message."""
    timeout_s: float = float("inf")
    """The time limit that the message itself sets."""
    version: str = ""
    """The version of the model that the message asks for; empty: any."""


class Codec(Protocol[RequestT_contra, ReplyT]):
    """A message format."""

    async def receive(self, request: RequestT_contra, /) -> bytes:
        """The complete body; raises RequestError, or ClientGone."""
        ...

    async def read(self, request: RequestT_contra, /) -> ParsedRequest[ReplyT]:
        """Read the message; raises RequestError, or ClientGone."""
        ...


class DataPlane:
    """Serves the prediction requests of one worker."""

    def __init__(
        self,
        models: ServedModels,
        admission: Admission,
        audit: AuditLog,
        tally: Tally,
        *,
        deadline_ms: int,
        keyring: Keyring | None = None,
        subject_key: SubjectKey | None = None,
        refused_bodies: RefusedBodies = "keep",
        tracing: Tracing | None = None,
        shadow: Shadow | None = None,
        logs_access: bool = False,
    ) -> None:
        """Take the parts of a worker that has started; without a keyring no key is required."""
        self.admission = admission
        self.keyring = keyring
        self.refused_keys = RefusedKeys(audit)
        self.models = models
        self._audit = audit
        self._tally = tally
        self._deadline_ms = deadline_ms
        self._subject_key = subject_key
        self._refused_bodies = refused_bodies
        self._tracing = tracing
        self._shadow = shadow
        self._logs_access = logs_access

    def begin(self, request: Request[Any]) -> None:
        """Trace the request, if tracing is on."""
        if self._tracing is not None:
            request.trace = self._tracing.begin(
                request.method, request.path, request.headers, request.request_id
            )

    def authorize(self, request: Request[Any], scope: Scope | AnyKey | None) -> None:
        """Check the request's key, if keys are required; raises KeyInvalid or ScopeMissing."""
        if self.keyring is None:
            return
        try:
            request.key = authorize(self.keyring, scope, request.headers)
        except (KeyInvalid, ScopeMissing) as error:
            self.refused_keys.count(request.route, int(error.status), request.transport, error.key_name)
            raise

    async def predict(self, request: RequestT, codec: Codec[RequestT, ReplyT]) -> ReplyT:
        """The reply to a request for predictions, to be sent; raises ClientGone."""
        try:
            deadline = request.deadline(self._deadline_ms)
            with request.slot or await self._slot(request, codec, deadline) as slot:
                return await self._recorded(request, codec, slot, deadline)
        except RequestError as error:
            reply: ReplyT = request.refusal(error.without_frames())
            return reply

    async def refuse(self, request: Request[ReplyT], error: RequestError, deadline: float) -> ReplyT:
        """The reply to another request that raised the error, once it is recorded if it is to be.

        Raises AuditUnavailable or DeadlineExceeded.
        """
        reply = request.refusal(error.without_frames())
        if request.body is not None and error.recorded:
            await self._commit(request, reply, NO_PREDICTIONS, deadline)
        return reply

    def finish(self, request: Request[Any]) -> None:
        """Count a request that is over, and log it if the access log is on."""
        status, seconds = request.status or CLIENT_CLOSED_REQUEST, request.seconds
        request.trace.end(status)
        self._tally.count_request(request.route, request.method, status, seconds, request.role)
        if self._logs_access:
            about = request.client, request.method, request.path, status, seconds * 1e3, request.request_id
            access_logger.info("%s %s %r %d %.3f ms %s", *about)

    async def _slot(self, request: RequestT, codec: Codec[RequestT, ReplyT], deadline: float) -> Slot:
        """The slot of a request whose connection did not request one (http/connection/fast_connection.py).

        The body comes first: a client that sends slowly occupies no slot, and its length chooses the lane.
        """
        body = await codec.receive(request)
        slot = await self.admission.slot(len(body), deadline)
        if slot.waited_s and request.client_is_gone():
            slot.leave()
            raise ClientGone
        return slot

    async def _recorded(
        self, request: RequestT, codec: Codec[RequestT, ReplyT], slot: Slot, deadline: float
    ) -> ReplyT:
        """The reply, once it is recorded; raises RequestError for one that is not to be recorded."""
        rows_at: Location | None = None
        if self._audit.retention.is_full:
            raise AuditFull
        is_subject_valid = self._identify_subject(request)
        request.model = self.models.current.champion.identity
        try:
            rows, answer, rows_at, timeout_s, version = await codec.read(request)
            if not is_subject_valid:
                raise HeaderInvalid("X-Subject-ID", SUBJECT_RULE)
            if len(rows) > 1:
                await self.admission.resize(slot, len(rows), len(request.body or b""), deadline)
            deadline = min(deadline, request.started + timeout_s)
            # From here to the engine's queue nothing is awaited: a model that is released in between would
            # not know of this request.
            serving = self.models.current
            model = serving.choose(request.subject, request.request_id, version)
            request.model, request.role = model.identity, serving.role_of(model)
            begun = monotonic()
            with request.trace.step("model"):
                predictions = await model.engine.predict(rows, deadline, request.client_is_gone)
            model_s = monotonic() - begun
            reply = answer(predictions)
        except ClientGone:
            raise
        except Exception as error:
            refusal = as_request_error(error, request, rows_at)
            if request.body is None or not refusal.recorded:
                raise refusal from None
            reply = request.refusal(refusal.without_frames())
            await self._commit(request, reply, NO_PREDICTIONS, deadline)
            return reply
        await self._commit(request, reply, predictions, deadline)
        if self._shadow is not None and self._shadow.serving is serving:
            self._shadow.add(request, rows, predictions, model_s)
        return reply

    async def _commit(
        self, request: Request[Any], reply: RecordedReply, predictions: Predictions, deadline: float
    ) -> None:
        record = self._record(request, reply, predictions)
        if self._refused_bodies == "digest" and record.status != ANSWERED:
            record.digest = await refused_digest(record.request)
        with request.trace.step("audit commit"):
            await self._audit.append(record, deadline)

    def _identify_subject(self, request: Request[Any]) -> bool:
        """Whether the request names no person, or one by a valid identifier, which is hashed here."""
        if self._subject_key is None or not (identifiers := request.subject_ids):
            return True
        request.subject = self._subject_key.hashed(identifiers)
        return request.subject is not None

    def _record(self, request: Request[Any], reply: RecordedReply, predictions: Predictions) -> AuditRecord:
        identity = request.model
        return AuditRecord(
            request_id=request.request_id,
            received_utc=request.received_utc,
            transport=request.transport,
            route=request.path,
            status=int(reply.status),
            duration_ms=request.seconds * 1e3,
            client=request.client,
            model_name=identity.model_name,
            model_version=identity.model_version,
            rows=len(predictions.labels),
            request=request.body or b"",
            response=reply.body,
            predictions=list(zip(predictions.labels, predictions.confidences, strict=True)),
            flags=predictions.flags.total,
            key_name=request.key.name if request.key else None,
            model_id=identity.model_id,
            subject=request.subject,
        )


def as_request_error(
    error: Exception, request: Request[Any], rows_at: Location | None = None
) -> RequestError:
    """The error itself if it is a RequestError; else it is logged, and the client gets InternalFailure."""
    if isinstance(error, RowsFailed) and rows_at is not None:
        return RowsFailed(error.rows, rows_at)
    if isinstance(error, RequestError):
        return error
    logger.error("Request %s failed", request.request_id, exc_info=error)
    return InternalFailure()
