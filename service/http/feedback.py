"""The handler of ``POST /feedback``: outcomes of predictions, as JSON or CSV, become records of the log.

    body -> slot -> read and validate -> for each chunk: look up -> commit -> answer

A request of 10,000 outcomes takes turns with predictions: it is read in steps, and each chunk of it is looked
up by the history process and committed before the next. Feedback has an admission of its own, so a flood of
it takes no slot of a prediction. If the log fails or the deadline passes between two chunks, the answer is
an error, and the client sends everything again: outcomes that are recorded already change nothing.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic

from service.audit.outcome.outcome_batch import (
    CHUNK_OUTCOMES,
    Accepted,
    Origin,
    OutcomeBatch,
    Pending,
    outcome_record,
)
from service.audit.outcome.sent_outcome import LabelRule
from service.audit.query.history_pages import HistoryPages
from service.audit.query.history_process import PageFailed, ProcessEnded
from service.audit.write.audit_log import AuditLog
from service.errors import (
    AuditFull,
    AuditUnavailable,
    ClientGone,
    DeadlineExceeded,
    OutcomesInvalid,
    OutcomesUnavailable,
)
from service.http.http_request import JSON, HttpRequest, Reply
from service.inference.admission import REJECTIONS_PER_S, Admission
from service.inference.dataplane import DataPlane, as_request_error
from service.model.contract import Target
from service.native.outcome_bodies import read_csv, read_json
from service.system.steps import finish_in_steps
from service.telemetry.metrics import Metrics

CSV = b"text/csv"
MAX_SHORT_REQUESTS = 64
"""Feedback requests of up to 16 KiB in progress or queued in a worker."""
_SHORT_IN_PROGRESS = 8
"""How many of them are in progress at once; they share commits."""
BODY_LIMIT_BYTES = 16 * 1024**2
"""Of ten thousand outcomes with all members."""


class FeedbackRoute:
    """Records the outcomes that come to one worker."""

    def __init__(
        self,
        dataplane: DataPlane,
        audit: AuditLog,
        history: HistoryPages,
        metrics: Metrics,
        target: Target,
        *,
        body_limit_bytes: int,
        deadline_ms: int,
    ) -> None:
        """Take the parts of a worker that has started, and the target of the served model's contract."""
        self._dataplane = dataplane
        self._audit = audit
        self._history = history
        self._metrics = metrics
        self._rule = LabelRule(target.type, target.classes)
        self._limit_bytes = min(body_limit_bytes, BODY_LIMIT_BYTES)
        self._deadline_ms = deadline_ms
        self._admission = Admission(
            MAX_SHORT_REQUESTS,
            max_in_progress=lambda: _SHORT_IN_PROGRESS,
            max_wait_s=deadline_ms / 2e3,
            rejections_per_s=REJECTIONS_PER_S / 10,
            max_large_bytes=2 * self._limit_bytes,
        )

    async def feedback(self, request: HttpRequest) -> Reply:
        """The reply to a request with outcomes; raises ClientGone, or RequestError."""
        deadline = request.deadline(self._deadline_ms)
        body = await request.read_body(self._limit_bytes, (JSON, CSV))
        with await self._admission.slot(len(body), deadline):
            if self._audit.retention.is_full:
                raise AuditFull
            try:
                return await self._record(request, body, deadline)
            except ClientGone:
                raise
            except Exception as error:
                return await self._refuse(request, error, deadline)

    async def _refuse(self, request: HttpRequest, error: Exception, deadline: float) -> Reply:
        refusal = as_request_error(error, request)
        try:
            return await self._dataplane.refuse(request, refusal, deadline)
        except AuditUnavailable as failure:
            raise OutcomesUnavailable from failure

    async def _record(self, request: HttpRequest, body: bytes, deadline: float) -> Reply:
        batch = await self._read(request, body)
        pending = batch.take()
        for start in range(0, len(pending), CHUNK_OUTCOMES):
            if request.client_is_gone():
                raise ClientGone
            await self._record_chunk(request, batch, pending[start : start + CHUNK_OUTCOMES], deadline)
        answer = batch.answer(request.request_id)
        self._metrics.count_outcomes(batch.counts)
        if answer.refused and answer.refused == answer.outcomes:
            raise OutcomesInvalid(answer.outcomes, batch.check.findings)
        return Reply(200, answer.model_dump_json().encode())

    async def _read(self, request: HttpRequest, body: bytes) -> OutcomeBatch:
        is_csv = request.headers[b"content-type"].partition(b";")[0].strip().lower() == CSV
        return await finish_in_steps((read_csv if is_csv else read_json)(body, self._rule))

    async def _record_chunk(
        self, request: HttpRequest, batch: OutcomeBatch, pending: Sequence[Pending], deadline: float
    ) -> None:
        if monotonic() >= deadline:
            raise DeadlineExceeded
        try:
            found = await self._history.look_up([each.key for each in pending], deadline)
            accepted = batch.sort_out(pending, found)
            await self._commit(request, accepted, deadline)
        except (PageFailed, ProcessEnded, OSError, AuditUnavailable) as error:
            raise OutcomesUnavailable from error
        batch.recorded(accepted)

    async def _commit(self, request: HttpRequest, accepted: Sequence[Accepted], deadline: float) -> None:
        key_name = request.key.name if request.key else None
        origin = Origin(
            request.received_utc,
            request.transport,
            self._dataplane.models.current.champion.identity,
            request.client,
            key_name,
        )
        duration_ms = request.seconds * 1e3
        records = (outcome_record(each, origin, duration_ms) for each in accepted)
        await asyncio.gather(*(self._audit.append(record, deadline) for record in records))
