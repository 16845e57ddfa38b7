"""The Open Inference Protocol's routes over HTTP.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from collections.abc import Awaitable, Callable, Generator, Mapping
from functools import cached_property, partial

from pydantic import BaseModel

from service.errors import RequestError
from service.http.http_request import JSON, Exchange, Reply
from service.inference.dataplane import Asked, Door
from service.inference.engine import Predictions
from service.native.messages import Messages
from service.oip import json_body
from service.oip.inputs import Inputs
from service.oip.message_types import Liveness, ModelReadiness, Readiness, ServerMetadata
from service.oip.outputs import Outputs
from service.oip.served_model import BINARY_EXTENSION, SERVER_NAME, SERVER_VERSION, ServedModel
from service.system.steps import finish_in_turns
from service.worker import Worker

BINARY = b"application/octet-stream"
_MEDIA_TYPES = (JSON, BINARY, b"")
"""tritonclient says none, or what its HTTP library says of any bytes."""
_HEADER = json_body.HEADER.lower().encode()


class V2Form:
    """The messages of the infer route."""

    def __init__(self, worker: Worker, messages: Messages) -> None:
        self._worker = worker
        self._limit_bytes = min(worker.settings.body_limit_bytes, messages.longest_batch_bytes)
        self._inputs = Inputs(messages.contract, messages.max_batch_rows)
        self._outputs = Outputs(messages.contract)

    @cached_property
    def model(self) -> ServedModel:
        """The model as clients know it; it is there once the worker has started."""
        return ServedModel(self._worker.model)

    def check(self, exchange: Exchange) -> None:
        """Raise ModelUnknown unless the path names the model that is served."""
        parameters = exchange.match.parameters
        self.model.check(parameters["model"], parameters.get("version", ""))

    async def receive(self, exchange: Exchange) -> bytes:
        """The body, whole; raises RequestError, or ClientGone."""
        self.check(exchange)
        return await exchange.read_body(self._limit_bytes, _MEDIA_TYPES)

    async def read(self, exchange: Exchange) -> Asked[Reply]:
        """Read the body; raises RequestError, or ClientGone."""
        content = await self.receive(exchange) if exchange.body is None else exchange.body
        end = json_body.json_length(exchange.headers.get(_HEADER), content)
        members = json_body.parse(content, end, self._inputs)
        if isinstance(members, Generator):
            members = await finish_in_turns(members)
        id_ = json_body.id_of(members)
        exchange.identify(id_)
        raw = memoryview(content)[end:]
        request = await finish_in_turns(json_body.read(members, raw, self._inputs, self._outputs))
        answer = partial(self._answer, request, id_ or exchange.request_id)
        return Asked(request.rows, answer, ("rows",), request.timeout_s)

    def refusal(self, exchange: Exchange, error: RequestError) -> Reply:
        """What answers a request that raised the error."""
        return exchange.refusal(error)

    def _answer(self, request: json_body.InferRequest, id_: str, predictions: Predictions) -> Reply:
        content, end = json_body.write(request, predictions, id_, self.model, self._outputs)
        if end is None:
            return Reply(200, content)
        return Reply(200, content, BINARY, [(_HEADER, b"%d" % end)])


class V2Routes:
    """All routes below /v2."""

    def __init__(self, worker: Worker, messages: Messages, door: Door) -> None:
        self._worker = worker
        self._door = door
        self._form = V2Form(worker, messages)
        self.handlers: Mapping[str, Callable[[Exchange], Awaitable[Reply]]] = {
            "v2": self._server,
            "v2_live": self._live,
            "v2_ready": self._ready,
            "v2_model": self._model,
            "v2_model_ready": self._model_ready,
            "v2_infer": self._infer,
        }
        """By the names that the table of routes has for them."""

    async def _infer(self, exchange: Exchange) -> Reply:
        return await self._door.predict(exchange, self._form)

    async def _server(self, _: Exchange) -> Reply:
        return _json(ServerMetadata(name=SERVER_NAME, version=SERVER_VERSION, extensions=[BINARY_EXTENSION]))

    async def _live(self, _: Exchange) -> Reply:
        return _json(Liveness(live=True))

    async def _ready(self, _: Exchange) -> Reply:
        ready = self._worker.ready
        return _json(Readiness(ready=ready), 200 if ready else 503)

    async def _model(self, exchange: Exchange) -> Reply:
        self._form.check(exchange)
        return _json(self._form.model.metadata)

    async def _model_ready(self, exchange: Exchange) -> Reply:
        self._form.check(exchange)
        ready = self._worker.ready
        return _json(ModelReadiness(name=self._form.model.name, ready=ready), 200 if ready else 503)


def _json(content: BaseModel, status: int = 200) -> Reply:
    return Reply(status, content.model_dump_json().encode())
