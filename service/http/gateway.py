"""The gateway: pure ASGI round all that the service serves over HTTP.

It answers the prediction routes itself, from the types and through the engine of the ``@bentoml.api``
methods that declare them, because BentoML's own handling of them takes NaN and unknown fields, answers a
broken contract with 400, has no place where an answer can wait until it is recorded, and takes twenty
times as long as the rest. Everything else passes through, and gets a request id, a place in the metrics,
and problem details where BentoML or Starlette would answer in words of their own.

A prediction goes through the door (door.py), which gives its answer back once its record is committed.
"""

from collections.abc import MutableMapping
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.door import CLIENT_CLOSED_REQUEST, Door, foreseen
from service.errors import (
    ClientGone,
    DeadlineExceeded,
    KeyInvalid,
    MethodNotAllowed,
    RequestError,
    RouteUnknown,
    ScopeMissing,
)
from service.http.connection import ADMISSION
from service.http.exchange import REQUEST_ID, Exchange
from service.http.native import NativeForm
from service.http.page_rate import PageRate
from service.http.paths import BATCH, PREDICT, is_v2
from service.http.problem import MEDIA_TYPE
from service.http.v2 import V2Routes
from service.keys.access import admit, scope_of
from service.messages import Messages
from service.worker import Worker


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
            pages = PageRate(application.middleware_stack)
            application.middleware_stack = Gateway(pages, self._worker, self._messages)
            send = self._showing_admission(scope["state"], send)
        await self._app(scope, receive, send)

    def _showing_admission(self, state: MutableMapping[str, object], send: Send) -> Send:
        """Once the worker has started, show the connections where they apply for room."""

        async def send_on(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                state[ADMISSION] = self._worker.engine.admission
            await send(message)

        return send_on


class Gateway:
    """The first of the service to see a request, the last to see its answer."""

    def __init__(self, app: ASGIApp, worker: Worker, messages: Messages) -> None:
        self._app = app
        self._worker = worker
        self._door = Door(worker)
        self._forms = {
            PREDICT: NativeForm(worker, messages, messages.parse_row),
            BATCH: NativeForm(worker, messages, messages.parse_batch, rows_at=("instances",)),
        }
        self._v2 = V2Routes(worker, messages, self._door)

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
                exchange.key = admit(self._worker.keyring, scope_of(exchange.route), exchange.headers)
            form = self._forms.get(exchange.path)
            if form is not None and exchange.method == "POST":
                await exchange.send(await self._door.predict(exchange, form))
            elif is_v2(exchange.path):
                await exchange.send(await self._v2.answer(exchange))
            else:
                scope[REQUEST_ID] = exchange.request_id
                await self._pass_on(exchange, scope, receive, send)
        except (KeyInvalid, ScopeMissing) as error:
            await exchange.send(exchange.refusal(error))
        except ClientGone:
            exchange.status = CLIENT_CLOSED_REQUEST
        finally:
            self._door.note(exchange)

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
            refusal = foreseen(error, exchange)
            if exchange.status is None:
                await exchange.send(exchange.refusal(refusal))


def _closing(send: Send) -> Send:
    """Have the answer ask for its connection to be closed: the next request would find nobody."""

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_on


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
