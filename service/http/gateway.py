"""The gateway: a pure ASGI application in front of BentoML's, which answers every request.

Each request is looked up in the table of routes (routes.py). A path or method that is not in it gets 404 or
405. If API keys are required, the route's scope is checked before the body is parsed. Then the route's
handler makes the reply, and the request is counted under the route's label.

BentoML's application gets the lifespan and no requests. Its handlers accept NaN and unknown fields, answer
400 to a row that breaks the contract, cannot delay an answer until it is recorded, and take twenty times as
long as the rest of a request.
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
from service.http.page_rate import page_rate
from service.inference.dataplane import CLIENT_CLOSED_REQUEST, DataPlane, as_request_error
from service.inference.readiness import WorkerReadiness
from service.routes import Match

_NOT_RATE_LIMITED = frozenset(
    {
        "predict",
        "predict_batch",
        "v2_infer",
        "feedback",
        "history",
        "receipt",
        "live",
        "ready",
        "health",
        "v2_live",
        "v2_ready",
    }
)
"""Handlers that have other limits, and the probes."""


class Serving(NamedTuple):
    """What the gateway uses of a worker that has started."""

    dataplane: DataPlane
    readiness: WorkerReadiness
    handlers: Mapping[str, Handler]
    """The handlers by their names in the table of routes."""


class Gateway:
    """The ASGI application of one worker."""

    def __init__(self, app: ASGIApp, serving: Callable[[], Serving]) -> None:
        """Take BentoML's application, and a function that is called after the worker has started."""
        self._app = app
        self._make_serving = serving
        self._pages = page_rate()
        self._serving: Serving
        """Set when the worker has started."""

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
            send = _with_connection_close(send)
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
            if match.route is None or match.route.handler not in _NOT_RATE_LIMITED:
                await self._pages.wait()
            if match.route is None:
                raise _routing_error(match, request)
            return await serving.handlers[match.route.handler](request)
        except ClientGone:
            raise
        except Exception as error:
            return request.refusal(as_request_error(error, request))

    def _start_with(self, state: MutableMapping[str, object], send: Send) -> Send:
        """Begin to serve after the worker has started, and pass its parts to the connections."""

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


def _routing_error(match: Match, request: HttpRequest) -> RequestError:
    return MethodNotAllowed(request.method, match.allowed) if match.allowed else RouteUnknown(request.path)


def _with_connection_close(send: Send) -> Send:
    """Close the connection after the answer, so that the next request goes to another worker."""

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_on
