"""The door: the way of a prediction, the same for every transport.

There must be room for it; its message is read and becomes validated rows; they go through the engine; the
answer is put into words, recorded, and only then given back to be sent. A transport brings its calls
(call.py) and, for each of its message formats, a ``Form``: how rows are read from a message, and how an
answer or a refusal is worded in it.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from service.audit.write.record import AuditRecord
from service.errors import ClientGone, InternalFailure, Location, RequestError, RowsFailed
from service.inference.admission import Room
from service.inference.engine import Predictions
from service.inference.request import Call
from service.model.contract import Values
from service.model.reference_profile import NO_FLAGS
from service.worker import Worker

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("bentoml.access")
"""Under a name that BentoML has a handler and a level for."""

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that went away; it is counted, never sent."""

NO_PREDICTIONS = Predictions((), (), (), NO_FLAGS)


class Recorded(Protocol):
    """A reply as far as it is recorded."""

    @property
    def status(self) -> int:
        """The HTTP status, whatever the transport."""
        ...

    @property
    def body(self) -> bytes:
        """What the client gets to read."""
        ...


CallT = TypeVar("CallT", bound=Call)
CallT_contra = TypeVar("CallT_contra", bound=Call, contravariant=True)
ReplyT = TypeVar("ReplyT", bound=Recorded)


class Asked(NamedTuple, Generic[ReplyT]):
    """What a message asks for."""

    rows: Sequence[Values]
    """The values of validated rows."""
    answer: Callable[[Predictions], ReplyT]
    """Puts the predictions into the words of the message's format."""
    rows_at: Location | None = None
    """Where the rows stand in the message."""
    timeout_s: float = float("inf")
    """Time that the message itself gives the request."""


class Form(Protocol[CallT_contra, ReplyT]):
    """A format of messages."""

    async def receive(self, call: CallT_contra, /) -> bytes:
        """The call's body, whole; raises RequestError, or ClientGone."""
        ...

    async def read(self, call: CallT_contra, /) -> Asked[ReplyT]:
        """Read the call's message; raises RequestError, or ClientGone."""
        ...

    def refusal(self, call: CallT_contra, error: RequestError, /) -> ReplyT:
        """What answers a call that raised the error."""
        ...


class Door:
    """The way of a prediction through one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def predict(self, call: CallT, form: Form[CallT, ReplyT]) -> ReplyT:
        """The reply to a call, to be sent; raises ClientGone."""
        try:
            deadline = call.deadline(self._worker.settings.deadline_ms)
            room = call.room
            if room is None:
                # A client that sends slowly holds no room meanwhile, and which lane it is for depends on the
                # length.
                body = await form.receive(call)
                room = await self._worker.engine.admission.room(len(body), deadline)
                if room.waited_s and call.client_is_gone():
                    room.leave()
                    raise ClientGone
            with room:
                return await self._recorded(call, form, room, deadline)
        except RequestError as error:
            return form.refusal(call, error.without_frames())

    def note(self, call: Call) -> None:
        """Count a call that is over, and log it where that is asked for."""
        status, seconds = call.status or CLIENT_CLOSED_REQUEST, call.seconds
        call.trace.end(status)
        self._worker.count_request(call.route, call.method, status, seconds)
        if self._worker.settings.access_log:
            about = call.client, call.method, call.path, status, seconds * 1e3, call.request_id
            access_logger.info("%s %s %r %d %.3f ms %s", *about)

    async def _recorded(self, call: CallT, form: Form[CallT, ReplyT], room: Room, deadline: float) -> ReplyT:
        """The reply, once it is recorded; raises RequestError for one that is not to be recorded."""
        worker = self._worker
        predictions = NO_PREDICTIONS
        rows_at: Location | None = None
        try:
            rows, answer, rows_at, timeout_s = await form.read(call)
            if len(rows) > 1:
                await worker.engine.admission.widen(room, len(rows), len(call.body or b""), deadline)
            deadline = min(deadline, call.started + timeout_s)
            with call.trace.step("model"):
                predictions = await worker.engine.predict(rows, deadline, call.client_is_gone)
            reply = answer(predictions)
        except ClientGone:
            raise
        except Exception as error:
            refusal = foreseen(error, call, rows_at)
            if call.body is None or not refusal.recorded:
                raise refusal from None
            predictions, reply = NO_PREDICTIONS, form.refusal(call, refusal.without_frames())
        with call.trace.step("audit commit"):
            await worker.audit.append(self._record(call, reply, predictions), deadline)
        return reply

    def _record(self, call: Call, reply: Recorded, predictions: Predictions) -> AuditRecord:
        lineage = self._worker.model.lineage
        return AuditRecord(
            request_id=call.request_id,
            received_utc=call.received_utc,
            transport=call.transport,
            route=call.path,
            status=int(reply.status),
            duration_ms=call.seconds * 1e3,
            client=call.client,
            model_name=lineage.model_name,
            model_version=lineage.model_version,
            rows=len(predictions.labels),
            request=call.body or b"",
            response=reply.body,
            predictions=list(zip(predictions.labels, predictions.confidences, strict=True)),
            flags=predictions.flags.total,
            key_name=call.key.name if call.key else None,
        )


def foreseen(error: Exception, call: Call, rows_at: Location | None = None) -> RequestError:
    """The error, if it was raised on purpose; else what is said of it, after it was logged."""
    if isinstance(error, RowsFailed) and rows_at is not None:
        return RowsFailed(error.rows, rows_at)
    if isinstance(error, RequestError):
        return error
    logger.error("Request %s failed", call.request_id, exc_info=error)
    return InternalFailure()
