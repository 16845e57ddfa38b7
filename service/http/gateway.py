"""The gateway: pure ASGI round BentoML's application, and the only thing that a request meets.

Each request is looked up in the table of routes (routes.py): what is not in it is 404 or 405 and reaches
neither BentoML nor Starlette. Where API keys are on, the route's scope is checked before anything of the
request is read. Then the route's handler makes the reply, and the request is counted under the route's label.
BentoML's application behind the gateway gets its lifespan and no request: its handlers take NaN and unknown
fields, answer a broken contract with 400, have no place where an answer waits until it is recorded, and take
twenty times as long as the rest.

A prediction goes through the door (door.py), which gives its answer back once its record is committed.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.authorization import admit, may_predict
from service.errors import ClientGone, MethodNotAllowed, RequestError, RouteUnknown
from service.http.connection.fast_connection import ADMISSION, HOLDS_KEY
from service.http.connection.uvicorn_cycle import NOTE
from service.http.http_request import Exchange, Reply
from service.http.native_codec import NativeForm
from service.http.page_rate import PageRate
from service.http.pages import Pages
from service.http.v2 import V2Routes
from service.inference.dataplane import CLIENT_CLOSED_REQUEST, Door, foreseen
from service.native.messages import Messages
from service.routes import Match
from service.worker import Worker

Handler = Callable[[Exchange], Awaitable[Reply]]

_UNRATED = frozenset(
    {"predict", "predict_batch", "v2_infer", "history", "live", "ready", "health", "v2_live", "v2_ready"}
)
"""Handlers that have limits of their own, or tell whether the service is alive."""


class Gateway:
    """The first of the service to see a request, the last to see its answer."""

    def __init__(
        self, app: ASGIApp, worker: Worker, messages: Messages, schema: Callable[[], Mapping[str, object]]
    ) -> None:
        """Take BentoML's application, and the function that describes its API to BentoML's clients."""
        self._app = app
        self._worker = worker
        self._door = Door(worker)
        self._pages = PageRate()
        self._row = NativeForm(worker, messages, messages.parse_row)
        self._batch = NativeForm(worker, messages, messages.parse_batch, rows_at=("instances",))
        self.handlers: Mapping[str, Handler] = {
            "predict": self._predict,
            "predict_batch": self._predict_batch,
            **Pages(worker, messages, schema).handlers,
            **V2Routes(worker, messages, self._door).handlers,
        }
        """By the names that the table of routes has for them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass on the lifespan."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, self._showing_worker(scope["state"], send))
        else:
            await send({"type": "websocket.close"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        worker = self._worker
        if worker.drain.has_begun:
            send = _closing(send)
        exchange = Exchange(scope, receive, send)
        if worker.tracing is not None:
            exchange.trace = worker.tracing.begin(
                exchange.method, exchange.path, exchange.headers, exchange.request_id
            )
        try:
            await exchange.send(await self._reply(exchange))
        except ClientGone:
            exchange.status = CLIENT_CLOSED_REQUEST
        finally:
            self.note(exchange)

    def note(self, exchange: Exchange) -> None:
        """Count a request that is over."""
        self._door.note(exchange)

    async def _reply(self, exchange: Exchange) -> Reply:
        match = exchange.match
        try:
            if self._worker.keyring is not None:
                exchange.key = admit(self._worker.keyring, match.scope, exchange.headers)
            if match.route is None or match.route.handler not in _UNRATED:
                await self._pages.turn()
            if match.route is None:
                raise _not_served(match, exchange)
            return await self.handlers[match.route.handler](exchange)
        except ClientGone:
            raise
        except Exception as error:
            return exchange.refusal(foreseen(error, exchange))

    async def _predict(self, exchange: Exchange) -> Reply:
        return await self._door.predict(exchange, self._row)

    async def _predict_batch(self, exchange: Exchange) -> Reply:
        return await self._door.predict(exchange, self._batch)

    def _showing_worker(self, state: MutableMapping[str, object], send: Send) -> Send:
        """Once the worker has started, show the connections what of it they use."""

        async def send_on(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                state[ADMISSION] = self._worker.engine.admission
                state[NOTE] = self.note
                if self._worker.keyring is not None:
                    state[HOLDS_KEY] = partial(may_predict, self._worker.keyring)
            await send(message)

        return send_on


def _not_served(match: Match, exchange: Exchange) -> RequestError:
    return MethodNotAllowed(exchange.method, match.allowed) if match.allowed else RouteUnknown(exchange.path)


def _closing(send: Send) -> Send:
    """Have the answer ask for its connection to be closed: the next request would find nobody."""

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_on
