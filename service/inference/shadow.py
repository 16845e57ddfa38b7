"""The shadow: the challenger predicts the rows of answered requests, and nobody waits for it.

    answer recorded -> queue -> portion -> the challenger's engine -> a record beside that of the answer

The queue is bounded in rows, bytes and time; what does not fit is dropped and counted. It is taken from in
portions of about a millisecond. After each, the event loop belongs to requests alone, so that the
challenger's calls and their records take at most ``LOOP_SHARE`` of its time. One portion is under way at
once: while the log is slow or fails, the queue overflows, and nothing else grows.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple

from service.audit.columns import SHADOWED
from service.audit.file.shadow_row import SHADOW_ROUTE, ChampionAnswer, ShadowRow, shadow_bodies
from service.audit.utc_text import utc_text
from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord
from service.errors import RequestError, RowsFailed
from service.inference.engine import Predictions
from service.inference.request import Request
from service.inference.served_models import LoadedModel, ServedModels, Serving
from service.model.contract import Values
from service.model.reference_profile import NO_FLAGS
from service.telemetry.metrics import Metrics

QUEUE_ROWS = 4_096
"""Rows that wait for the challenger. An empty queue takes a longer request."""
QUEUE_BYTES = 16 * 1024**2
"""Length of the bodies that the rows came in."""
MAX_AGE_S = 10.0
"""The longest time until a row is predicted."""
LOOP_SHARE = 0.05
"""The largest share of the event loop's time. The hand-over to the engine and the commit of the records take
about as much once more."""
_PORTION_S = 0.001
_PORTION_REQUESTS = 64
_COMMIT_RECORDS = 8
"""Of these, how many share a commit: answers wait for it."""
_GATHERING_S = 0.002
"""How long the first rows wait. Their answer leaves meanwhile, and others join them."""
_LOG_QUEUE = 2_000
"""Records that wait for the log above which none is added: relaxed mode would drop those of answers."""
_STOP_S = 1.0
"""How long a stop waits for the portion under way."""
_MICROSECOND = timedelta(microseconds=1)

logger = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    """An answered request."""

    request_id: str
    received_utc: datetime
    transport: str
    key_name: str | None
    subject: str | None
    rows: Sequence[Values]
    model_id: str
    answered: Predictions
    model_ms: float
    size: int
    queued: float


class _Predicted(NamedTuple):
    """What the challenger says, or why it says nothing."""

    predictions: Predictions | None
    seconds: float
    error: str = ""


class Shadow:
    """The shadow of one worker. It belongs to one event loop."""

    def __init__(self, models: ServedModels, audit: AuditLog, metrics: Metrics) -> None:
        self.serving: Serving | None = None
        """What is served, if there is a challenger in shadow."""
        self._audit = audit
        self._rows = metrics.models.shadow_rows
        self._queue: deque[_Waiting] = deque()
        self._queued_rows = self._queued_bytes = 0
        self._pump: asyncio.Task[None] | None = None
        models.on_swap(self._follow)

    def add(
        self, request: Request[Any], rows: Sequence[Values], answered: Predictions, model_s: float
    ) -> None:
        """Let the challenger predict the rows of a request that was answered; returns at once."""
        size = len(request.body or b"")
        is_full = self._queued_rows + len(rows) > QUEUE_ROWS or self._queued_bytes + size > QUEUE_BYTES
        if is_full and self._queue:
            self._count("dropped", len(rows))
            return
        key_name = request.key.name if request.key else None
        self._queue.append(
            _Waiting(
                request.request_id, request.received_utc, request.transport, key_name, request.subject,
                rows, request.model.model_id, answered, model_s * 1e3, size, monotonic(),
            )
        )  # fmt: skip
        self._queued_rows += len(rows)
        self._queued_bytes += size
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Finish the portion under way, within a second, and drop the rest."""
        self.serving = None
        self._drop_queue()
        if (pump := self._pump) is not None:
            await asyncio.wait([pump], timeout=_STOP_S)
            pump.cancel()

    def _follow(self, serving: Serving) -> None:
        """Serve another release: the rows of the one before are no longer its challenger's."""
        is_shadowed = serving.release.mode == "shadow" and serving.challenger is not None
        self.serving = serving if is_shadowed else None
        self._drop_queue()

    def _drop_queue(self) -> None:
        self._count("dropped", self._queued_rows)
        self._queue.clear()
        self._queued_rows = self._queued_bytes = 0

    async def _run(self) -> None:
        try:
            await asyncio.sleep(_GATHERING_S)
            while self._queue and self.serving is not None and self.serving.challenger is not None:
                busy_s = await self._portion(self.serving.release.release_id, self.serving.challenger)
                await asyncio.sleep(max(busy_s * (1 / LOOP_SHARE - 1), _GATHERING_S))
        except Exception:
            # Nobody waits for this task, and the next answer starts another.
            logger.exception("The shadow failed")
        finally:
            self._pump = None

    async def _portion(self, release_id: str, challenger: LoadedModel) -> float:
        """Predict and record some requests; returns for how long the event loop was busy with them."""
        if self._audit.queued > _LOG_QUEUE or not self._audit.writable:
            self._drop_old()
            return _PORTION_S
        taken, rows = self._take(challenger)
        # The engine's calls may run on the loop or in its thread, where they take time from the loop, too.
        busy_s = challenger.engine.expected_s(rows)
        predicted = await self._predict(challenger, taken)
        counts = Counter(dropped=rows)
        for first in range(0, len(predicted), _COMMIT_RECORDS):
            begun = monotonic()
            some = predicted[first : first + _COMMIT_RECORDS]
            posted = [self._post(_record(release_id, challenger, *pair)) for pair in some]
            busy_s += monotonic() - begun
            await _outcomes(posted)
            for (one, result), written in zip(some, posted, strict=True):
                if written is None or (isinstance(written, asyncio.Future) and written.exception() is None):
                    counts["failed" if result.predictions is None else "predicted"] += len(one.rows)
                    counts["dropped"] -= len(one.rows)
        for outcome, count in counts.items():
            self._count(outcome, count)
        return busy_s

    def _post(self, record: AuditRecord) -> asyncio.Future[None] | RequestError | None:
        try:
            return self._audit.post(record, monotonic() + MAX_AGE_S)
        except RequestError as error:  # The log cannot be written.
            return error

    def _take(self, challenger: LoadedModel) -> tuple[list[_Waiting], int]:
        """The next requests, as many as are predicted in a millisecond, and one at least.

        If the fixed cost of a call is more than half of that, the call may take twice the fixed cost.
        """
        self._drop_old()
        portion_s = max(_PORTION_S, 2 * challenger.engine.expected_s(0))
        taken: list[_Waiting] = []
        rows = 0
        while self._queue and len(taken) < _PORTION_REQUESTS:
            following = rows + len(self._queue[0].rows)
            if taken and challenger.engine.expected_s(following) > portion_s:
                break
            taken.append(self._next())
            rows = following
        return taken, rows

    def _drop_old(self) -> None:
        oldest = monotonic() - MAX_AGE_S
        while self._queue and self._queue[0].queued < oldest:
            self._count("dropped", len(self._next().rows))

    def _next(self) -> _Waiting:
        waiting = self._queue.popleft()
        self._queued_rows -= len(waiting.rows)
        self._queued_bytes -= waiting.size
        return waiting

    async def _predict(
        self, challenger: LoadedModel, taken: Sequence[_Waiting]
    ) -> list[tuple[_Waiting, _Predicted]]:
        """What the challenger says; of none of them if another release came meanwhile."""
        begun = monotonic()
        try:
            found = await challenger.engine.predict_all([one.rows for one in taken], begun + MAX_AGE_S)
        except RequestError as error:
            if len(taken) == 1 or not isinstance(error, RowsFailed):
                result = _Predicted(None, monotonic() - begun, str(error))
                return [(one, result) for one in taken]
        else:
            seconds = monotonic() - begun
            return [(one, _Predicted(each, seconds)) for one, each in zip(taken, found, strict=True)]
        # Each tells alone whether it fails.
        predicted: list[tuple[_Waiting, _Predicted]] = []
        for one in taken:
            if self.serving is None or self.serving.challenger is not challenger:
                break
            predicted += await self._predict(challenger, [one])
        return predicted

    def _count(self, outcome: str, rows: int) -> None:
        if rows:
            self._rows.labels(outcome).inc(rows)


async def _outcomes(posted: Sequence[asyncio.Future[None] | RequestError | None]) -> None:
    if waiting := [each for each in posted if isinstance(each, asyncio.Future)]:
        try:
            await asyncio.wait(waiting)
        finally:
            for each in waiting:
                each.cancel()  # Those that a stop does not wait for.


def _record(
    release_id: str, challenger: LoadedModel, waiting: _Waiting, predicted: _Predicted
) -> AuditRecord:
    identity, answered, predictions = challenger.identity, waiting.answered, predicted.predictions
    champion = ChampionAnswer(
        utc_text(waiting.received_utc),
        waiting.model_id,
        answered.labels,
        answered.confidences,
        waiting.model_ms,
    )
    row = ShadowRow(release_id, champion, identity.model_id, error=predicted.error)
    if predictions is not None:
        row = row._replace(
            predictions=predictions.labels, probabilities=predictions.probabilities, error=None
        )
    request, response = shadow_bodies(row)
    return AuditRecord(
        request_id=waiting.request_id,
        # After that of the prediction, also if the clock is set back in between.
        received_utc=max(datetime.now(UTC), waiting.received_utc + _MICROSECOND),
        transport=waiting.transport,
        route=SHADOW_ROUTE,
        status=int(SHADOWED),
        duration_ms=predicted.seconds * 1e3,
        client=None,
        model_name=identity.model_name,
        model_version=identity.model_version,
        rows=len(waiting.rows),
        request=request,
        response=response,
        flags=(predictions.flags if predictions is not None else NO_FLAGS).total,
        key_name=waiting.key_name,
        model_id=identity.model_id,
        subject=waiting.subject,
    )
