"""The routes of the Open Inference Protocol over HTTP.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from collections.abc import Mapping
from functools import partial

from pydantic import BaseModel

from service.http.http_request import JSON, Handler, HttpRequest, Reply
from service.inference.dataplane import DataPlane, ParsedRequest
from service.inference.engine import Predictions
from service.inference.readiness import WorkerReadiness
from service.native.messages import Messages
from service.oip import json_body
from service.oip.inputs import Inputs
from service.oip.message_types import Liveness, ModelReadiness, Readiness, ServerMetadata
from service.oip.outputs import Outputs
from service.oip.served_model import BINARY_EXTENSION, SERVER_NAME, SERVER_VERSION, ServedModel
from service.system.steps import finish_in_steps

BINARY = b"application/octet-stream"
_MEDIA_TYPES = (JSON, BINARY, b"")
"""tritonclient sends no media type, or its HTTP library's default for bytes."""
_HEADER = json_body.HEADER.lower().encode()


class V2Codec:
    """The messages of the infer route, as JSON or with binary tensor data."""

    def __init__(self, messages: Messages, model: ServedModel, body_limit_bytes: int) -> None:
        self._model = model
        self._limit_bytes = min(body_limit_bytes, messages.longest_batch_bytes)
        self._inputs = Inputs(messages.contract, messages.max_batch_rows)
        self._outputs = Outputs(messages.contract)

    async def receive(self, request: HttpRequest) -> bytes:
        """The complete body; raises RequestError, or ClientGone."""
        check_model(self._model, request)
        return await request.read_body(self._limit_bytes, _MEDIA_TYPES)

    async def read(self, request: HttpRequest) -> ParsedRequest[Reply]:
        """Read the body; raises RequestError, or ClientGone."""
        content = await self.receive(request) if request.body is None else request.body
        end = json_body.json_length(request.headers.get(_HEADER), content)
        members = await finish_in_steps(json_body.parse(content, end, self._inputs))
        id_ = json_body.id_of(members)
        request.identify(id_)
        raw = memoryview(content)[end:]
        infer = await finish_in_steps(json_body.read(members, raw, self._inputs, self._outputs))
        answer = partial(self._answer, request, infer, id_ or request.request_id)
        version = request.match.parameters.get("version", "")
        return ParsedRequest(infer.rows, answer, ("rows",), infer.timeout_s, version)

    def _answer(
        self, request: HttpRequest, infer: json_body.InferRequest, id_: str, predictions: Predictions
    ) -> Reply:
        content, end = json_body.write(
            infer, predictions, id_, self._model.name, request.model, self._outputs
        )
        if end is None:
            return Reply(200, content)
        return Reply(200, content, BINARY, [(_HEADER, b"%d" % end)])


class V2Routes:
    """The handlers of all routes below /v2."""

    def __init__(
        self,
        dataplane: DataPlane,
        messages: Messages,
        model: ServedModel,
        readiness: WorkerReadiness,
        body_limit_bytes: int,
    ) -> None:
        self._served = model
        self._readiness = readiness
        codec = V2Codec(messages, model, body_limit_bytes)
        self.handlers: Mapping[str, Handler] = {
            "v2": self._server,
            "v2_live": self._live,
            "v2_ready": self._ready,
            "v2_model": self._model,
            "v2_model_ready": self._model_ready,
            "v2_infer": partial(dataplane.predict, codec=codec),
        }
        """The handlers by their names in the table of routes."""

    async def _server(self, _: HttpRequest) -> Reply:
        return _json(ServerMetadata(name=SERVER_NAME, version=SERVER_VERSION, extensions=[BINARY_EXTENSION]))

    async def _live(self, _: HttpRequest) -> Reply:
        return _json(Liveness(live=True))

    async def _ready(self, _: HttpRequest) -> Reply:
        ready = self._readiness.is_ready
        return _json(Readiness(ready=ready), 200 if ready else 503)

    async def _model(self, request: HttpRequest) -> Reply:
        check_model(self._served, request)
        return _json(self._served.metadata)

    async def _model_ready(self, request: HttpRequest) -> Reply:
        check_model(self._served, request)
        ready = self._readiness.is_ready
        return _json(ModelReadiness(name=self._served.name, ready=ready), 200 if ready else 503)


def check_model(model: ServedModel, request: HttpRequest) -> None:
    """Raise ModelUnknown unless the path names the served model."""
    parameters = request.match.parameters
    model.check(parameters["model"], parameters.get("version", ""))


def _json(content: BaseModel, status: int = 200) -> Reply:
    return Reply(status, content.model_dump_json().encode())
