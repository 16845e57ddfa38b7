"""The gateway: pure ASGI round all that the service serves over HTTP.

It answers the prediction routes itself, from the types and through the engine of the ``@bentoml.api``
methods that declare them, because BentoML's own handling of them takes NaN and unknown fields, answers a
broken contract with 400, has no place where an answer can wait until it is recorded, and takes twenty
times as long as the rest. Everything else passes through, and gets a request id, a place in the metrics,
and problem details where BentoML or Starlette would answer in words of their own.

The way of a prediction: there must be room for it; its body is read, parsed and validated, goes through
the engine, is written as JSON, recorded, sent. Nothing of an answer leaves before its record is committed.
"""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.admission import Room
from service.audit.record import AuditRecord
from service.contract import Row
from service.engine import Predictions
from service.errors import (
    ClientGone,
    DeadlineExceeded,
    InternalFailure,
    KeyInvalid,
    Location,
    MethodNotAllowed,
    RequestError,
    RouteUnknown,
    RowsFailed,
    ScopeMissing,
)
from service.http.exchange import REQUEST_ID, Exchange, Reply
from service.http.paths import BATCH, PATHS, PREDICT
from service.http.problem import MEDIA_TYPE
from service.keys.access import admit
from service.messages import Messages
from service.metrics import OTHER
from service.worker import Worker

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("bentoml.access")
"""Under a name that BentoML has a handler and a level for."""

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that went away; it is counted, never sent."""

NO_PREDICTIONS = Predictions((), (), (), ())


class OutermostGateway:
    """Puts the gateway round BentoML's own layers, inside which BentoML puts a service's.

    Those take 0.3 ms a request, and a timer each that lives on for the whole of BentoML's timeout. The
    application comes by in the scope of its start-up, before there is any request.
    """

    def __init__(self, app: ASGIApp, worker: Worker, messages: Messages) -> None:
        self._app = app
        self._worker = worker
        self._messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass through."""
        if scope["type"] == "lifespan":
            application = scope["app"]
            application.middleware_stack = Gateway(application.middleware_stack, self._worker, self._messages)
        await self._app(scope, receive, send)


class _PredictionRoute(NamedTuple):
    parse: Callable[[bytes], Sequence[Row]]
    rows_at: Location | None
    """Where the rows stand in the body."""


class Gateway:
    """The first of the service to see a request, the last to see its answer."""

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
        if self._worker.drain.has_begun:
            send = _closing(send)
        exchange = Exchange(scope, receive, send)
        if self._worker.tracing is not None:
            exchange.trace = self._worker.tracing.begin(
                exchange.method, exchange.path, exchange.headers, exchange.request_id
            )
        try:
            if self._worker.keyring is not None:
                exchange.key = admit(self._worker.keyring, exchange.path, exchange.headers)
            route = self._routes.get(exchange.path)
            if route is not None and exchange.method == "POST":
                await self._predict(exchange, route)
            else:
                scope[REQUEST_ID] = exchange.request_id
                await self._pass_on(exchange, scope, receive, send)
        except (KeyInvalid, ScopeMissing) as error:
            await exchange.send(exchange.refusal(error))
        except ClientGone:
            exchange.status = CLIENT_CLOSED_REQUEST
        finally:
            self._note(exchange, exchange.status or CLIENT_CLOSED_REQUEST)

    def _note(self, exchange: Exchange, status: int) -> None:
        path, method, seconds = exchange.path, exchange.method, exchange.seconds
        exchange.trace.end(status)
        self._worker.count_request(path if path in PATHS else OTHER, method, status, seconds)
        if self._worker.settings.access_log:
            about = exchange.client, method, path, status, seconds * 1e3, exchange.request_id
            access_logger.info("%s %s %r %d %.3f ms %s", *about)

    async def _predict(self, exchange: Exchange, route: _PredictionRoute) -> None:
        try:
            with await self._worker.engine.admission.room() as room:
                reply = await self._recorded(exchange, route, room)
        except RequestError as error:
            reply = exchange.refusal(error)
        await exchange.send(reply)

    async def _recorded(self, exchange: Exchange, route: _PredictionRoute, room: Room) -> Reply:
        """The answer, once it is recorded; raises RequestError for one that is not to be recorded."""
        worker = self._worker
        predictions = NO_PREDICTIONS
        try:
            deadline = exchange.deadline(worker.settings.deadline_ms)
            rows = route.parse(await exchange.read_json(worker.settings.body_limit_bytes))
            room.take(len(rows))
            with exchange.trace.step("model"):
                predictions = await worker.engine.predict(rows, deadline, exchange.client_is_gone)
            reply = self._answer(exchange, predictions)
        except ClientGone:
            raise
        except Exception as error:
            refusal = _foreseen(error, exchange, route)
            if exchange.body is None or not refusal.recorded:
                raise refusal from None
            predictions, reply = NO_PREDICTIONS, exchange.refusal(refusal)
        with exchange.trace.step("audit commit"):
            await worker.audit.append(self._record(exchange, reply, predictions))
        return reply

    def _answer(self, exchange: Exchange, predictions: Predictions) -> Reply:
        body = self._messages.answer_json(
            predictions,
            self._worker.model.lineage,
            request_id=exchange.request_id,
            timestamp=exchange.received_utc,
            processing_time_ms=int(exchange.seconds * 1e6) / 1e3,
        )
        return Reply(200, body)

    def _record(self, exchange: Exchange, reply: Reply, predictions: Predictions) -> AuditRecord:
        lineage = self._worker.model.lineage
        return AuditRecord(
            request_id=exchange.request_id,
            received_utc=exchange.received_utc,
            transport="http",
            route=exchange.path,
            status=int(reply.status),
            duration_ms=exchange.seconds * 1e3,
            client=exchange.client,
            model_name=lineage.model_name,
            model_version=lineage.model_version,
            rows=len(predictions.labels),
            request=exchange.body or b"",
            response=reply.body,
            predictions=list(zip(predictions.labels, predictions.confidences, strict=True)),
            flags=len(predictions.flags),
            key_name=exchange.key.name if exchange.key else None,
        )

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


def _closing(send: Send) -> Send:
    """Have the answer ask for its connection to be closed: the next request would find nobody."""

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_on


def _foreseen(error: Exception, exchange: Exchange, route: _PredictionRoute | None = None) -> RequestError:
    """The error, if it was raised on purpose; else what is said of it, after it was logged."""
    if isinstance(error, RowsFailed) and route is not None:
        return RowsFailed(error.rows, route.rows_at)
    if isinstance(error, RequestError):
        return error
    logger.error("Request %s failed", exchange.request_id, exc_info=error)
    return InternalFailure()


def _plain_refusal(exchange: Exchange, start: Message) -> RequestError | None:
    """What an answer of BentoML or Starlette means that should be problem details; None for any other."""
    headers = dict(start["headers"])
    if headers.get(b"content-type", b"").startswith(MEDIA_TYPE.encode()):
        return None
    if start["status"] == RouteUnknown.status:
        return RouteUnknown(exchange.path)
    if start["status"] == MethodNotAllowed.status:
        return MethodNotAllowed(exchange.method, headers.get(b"allow", b"another").decode())
    if start["status"] == HTTPStatus.GATEWAY_TIMEOUT:
        return DeadlineExceeded()
    return None
