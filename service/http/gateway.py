"""The gateway: a pure ASGI middleware round all that the service serves over HTTP.

It answers the prediction routes itself, from the types and through the engine of the ``@bentoml.api``
methods that declare them, because BentoML's own handling of them takes NaN and unknown fields, answers a
broken contract with 400, and has no place where an answer can wait until it is recorded. Everything else
passes through, and gets a request id, a place in the metrics, and problem details where Starlette says
404 or 405 in plain text.

The way of a prediction: its body is read, parsed and validated, goes through the engine, is written as
JSON, recorded, sent. Nothing of an answer leaves before its record is committed.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.audit.record import AuditRecord
from service.contract import Row
from service.engine import Predictions
from service.errors import (
    InternalFailure,
    Location,
    MethodNotAllowed,
    RequestError,
    RouteUnknown,
    RowsFailed,
)
from service.http.exchange import ClientGone, Exchange, Reply
from service.http.paths import BATCH, PATHS, PREDICT
from service.http.problem import MEDIA_TYPE
from service.messages import Messages
from service.metrics import OTHER
from service.worker import Worker

logger = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that went away; it is counted, never sent."""
GATEWAY_TIMEOUT = 504
"""What BentoML's timeout, which cancels the gateway, answers in its place."""

NO_PREDICTIONS = Predictions([], [], [], [])


class _PredictionRoute(NamedTuple):
    parse: Callable[[bytes], Sequence[Row]]
    rows_at: Location | None
    """Where the rows stand in the body."""


class Gateway:
    """The outermost of the service's own ASGI layers."""

    def __init__(self, app: ASGIApp, worker: Worker, messages: Messages) -> None:
        self._app = app
        self._worker = worker
        self._messages = messages
        self._routes = {
            PREDICT: _PredictionRoute(messages.parse_row, rows_at=None),
            BATCH: _PredictionRoute(messages.parse_batch, rows_at=("instances",)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        try:
            if exchange.method == "POST" and exchange.path in self._routes:
                await self._predict(exchange)
            else:
                await self._pass_on(exchange, scope, receive, send)
        except ClientGone:
            exchange.status = CLIENT_CLOSED_REQUEST
        finally:
            self._worker.metrics.count_request(
                exchange.path if exchange.path in PATHS else OTHER,
                exchange.method,
                exchange.status or GATEWAY_TIMEOUT,
                exchange.seconds,
            )

    async def _predict(self, exchange: Exchange) -> None:
        route = self._routes[exchange.path]
        predictions = NO_PREDICTIONS
        try:
            body = await exchange.read_json(self._worker.settings.body_limit_bytes)
            rows = route.parse(body)
            predictions = await self._worker.engine.predict(rows)
            reply = self._answer(exchange, predictions)
        except ClientGone:
            raise
        except RowsFailed as error:
            reply = exchange.refusal(RowsFailed(error.rows, route.rows_at))
        except Exception as error:
            reply = exchange.refusal(_foreseen(error, exchange))
        if exchange.body is not None:
            try:
                await self._record(exchange, exchange.body, reply, predictions)
            except RequestError as error:
                reply = exchange.refusal(error)
        await exchange.send(reply)

    def _answer(self, exchange: Exchange, predictions: Predictions) -> Reply:
        answer = self._messages.answer(
            predictions,
            self._worker.model.lineage,
            request_id=exchange.request_id,
            timestamp=exchange.received_utc,
            processing_time_ms=round(exchange.seconds * 1e3, 3),
        )
        return Reply(200, self._messages.write(answer))

    async def _record(self, exchange: Exchange, body: bytes, reply: Reply, predictions: Predictions) -> None:
        worker = self._worker
        record = AuditRecord(
            request_id=exchange.request_id,
            received_utc=exchange.received_utc,
            transport="http",
            route=exchange.path,
            status=int(reply.status),
            duration_ms=exchange.seconds * 1e3,
            client=exchange.client,
            model_name=worker.model.lineage.model_name,
            model_version=worker.model.lineage.model_version,
            rows=len(predictions.labels),
            request=body,
            response=reply.body,
            predictions=list(zip(predictions.labels, predictions.confidences, strict=True)),
            flags=len(predictions.flags),
        )
        try:
            await worker.audit.append(record)
        finally:
            worker.count_records()

    async def _pass_on(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        replaced = False

        async def send_on(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                if refusal := _plain_refusal(exchange, message):
                    replaced = True
                    await exchange.send(exchange.refusal(refusal))
                    return
                exchange.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", exchange.request_id.encode())]
            if not replaced:
                await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception as error:
            refusal = _foreseen(error, exchange)
            if exchange.status is None:
                await exchange.send(exchange.refusal(refusal))


def _foreseen(error: Exception, exchange: Exchange) -> RequestError:
    """The error, if it was raised on purpose; else what is said of it, after it was logged."""
    if isinstance(error, RequestError):
        return error
    logger.error("Request %s failed", exchange.request_id, exc_info=error)
    return InternalFailure()


def _plain_refusal(exchange: Exchange, start: Message) -> RequestError | None:
    """What Starlette's own 404 and 405 mean; None where the answer is not one of them."""
    headers = dict(start["headers"])
    if headers.get(b"content-type", b"").startswith(MEDIA_TYPE.encode()):
        return None
    if start["status"] == RouteUnknown.status:
        return RouteUnknown(exchange.path)
    if start["status"] == MethodNotAllowed.status:
        return MethodNotAllowed(exchange.method, headers.get(b"allow", b"another").decode())
    return None
