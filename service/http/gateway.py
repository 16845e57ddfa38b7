"""The gateway: a pure ASGI application in front of BentoML's, which answers every request.

Each request is looked up in the table of routes (routes.py). A path or method that is not in it gets 404 or
405. Where API keys are required, the route's scope is checked before anything of the request is read. Then
the route's handler makes the reply, and the request is counted under the route's label.

BentoML's application gets its lifespan and no request: its handlers take NaN and unknown fields, answer a
broken contract with 400, cannot hold an answer until it is recorded, and take twenty times as long as the
rest.
"""

from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.authorization import may_predict
from service.errors import ClientGone, MethodNotAllowed, RequestError, RouteUnknown
from service.http.connection.fast_connection import ADMISSION, HOLDS_KEY
from service.http.connection.uvicorn_cycle import FINISH
from service.http.http_request import Handler, HttpRequest, Reply
from service.http.page_rate import PageRate
from service.inference.dataplane import CLIENT_CLOSED_REQUEST, DataPlane, as_request_error
from service.inference.readiness import WorkerReadiness
from service.routes import Match

_UNRATED = frozenset(
    {"predict", "predict_batch", "v2_infer", "history", "live", "ready", "health", "v2_live", "v2_ready"}
)
"""Handlers with limits of their own, and the probes."""


class Serving(NamedTuple):
    """What the gateway uses of a worker that has started."""

    dataplane: DataPlane
    readiness: WorkerReadiness
    handlers: Mapping[str, Handler]
    """By their names in the table of routes."""


class Gateway:
    """The ASGI application of one worker."""

    def __init__(self, app: ASGIApp, serving: Callable[[], Serving]) -> None:
        """Take BentoML's application, and a function that is called once the worker has started."""
        self._app = app
        self._make_serving = serving
        self._pages = PageRate()
        self._serving: Serving
        """From the start of the worker on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass on the lifespan."""
        if scope["type"] == "http":
            await self._serve(self._serving, scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, self._start_with(scope["state"], send))
        else:
            await send({"type": "websocket.close"})

    async def _serve(self, serving: Serving, scope: Scope, receive: Receive, send: Send) -> None:
        if serving.readiness.is_draining:
            send = _closing(send)
        request = HttpRequest(scope, receive, send)
        serving.dataplane.begin(request)
        try:
            await request.send(await self._reply(serving, request))
        except ClientGone:
            request.status = CLIENT_CLOSED_REQUEST
        finally:
            serving.dataplane.finish(request)

    async def _reply(self, serving: Serving, request: HttpRequest) -> Reply:
        match = request.match
        try:
            serving.dataplane.authorize(request, match.scope)
            if match.route is None or match.route.handler not in _UNRATED:
                await self._pages.turn()
            if match.route is None:
                raise _not_served(match, request)
            return await serving.handlers[match.route.handler](request)
        except ClientGone:
            raise
        except Exception as error:
            return request.refusal(as_request_error(error, request))

    def _start_with(self, state: MutableMapping[str, object], send: Send) -> Send:
        """Begin to serve once the worker has started, and give the connections what they use of it."""

        async def send_on(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._serving = self._make_serving()
                dataplane = self._serving.dataplane
                state[ADMISSION] = dataplane.admission
                state[FINISH] = dataplane.finish
                if dataplane.keyring is not None:
                    state[HOLDS_KEY] = partial(may_predict, dataplane.keyring)
            await send(message)

        return send_on


def _not_served(match: Match, request: HttpRequest) -> RequestError:
    return MethodNotAllowed(request.method, match.allowed) if match.allowed else RouteUnknown(request.path)


def _closing(send: Send) -> Send:
    """Have the answer close its connection, so that the next request goes to another worker."""

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_on
