"""The routes of the Open Inference Protocol in the OpenAPI document."""

from functools import partial

from pydantic import BaseModel

from service.errors import InferenceInvalid, ModelUnknown
from service.http.openapi import examples
from service.http.openapi.operations import (
    BYTES,
    PREDICTION_REFUSALS,
    Content,
    Document,
    Operation,
    Schemas,
    parameter,
    with_example,
)
from service.http.v2 import BINARY
from service.model.contract import Contract, Value
from service.oip.json_body import HEADER
from service.oip.message_types import (
    ErrorMessage,
    InferenceRequest,
    InferenceResponse,
    Liveness,
    ModelMetadata,
    ModelReadiness,
    OutputTensor,
    Readiness,
    ServerMetadata,
)
from service.oip.outputs import LABEL, MODEL_ID, PROBABILITIES
from service.oip.served_model import BINARY_EXTENSION, SERVER_NAME, SERVER_VERSION, metadata
from service.routes import Route
from service.wire import datatypes

RESPONSE_TYPES = (
    InferenceResponse,
    ServerMetadata,
    ModelMetadata,
    Liveness,
    Readiness,
    ModelReadiness,
    ErrorMessage,
)
"""The types of response bodies."""

_TAG = "Open Inference Protocol"
_BYTES = {BINARY.decode(): BYTES}
_PARAMETERS: Document = {
    "model": "Name of the served model.",
    "version": "Version of the served model; any other gets 404.",
}
_JSON_LENGTH = parameter(
    HEADER, "header", {"type": "integer", "minimum": 0}, "Bytes of the JSON, if raw tensors follow it."
)
_DESCRIPTIONS = {
    "v2": "Name and version of the server, and the protocol extensions that it supports.",
    "v2_live": "Returns 200 while the process responds.",
    "v2_ready": "Returns 503 while the server is not ready for requests; otherwise 200.",
    "v2_model": "The input and output tensors of the model, with datatypes and shapes.",
    "v2_model_ready": "Returns 503 while the model is not ready for requests; otherwise 200.",
    "v2_infer": "Takes rows as tensors: one per feature, or, if no feature is a text, one of all features. "
    "Returns `label` and `probabilities`. Tensors may be raw bytes after the JSON (binary tensor data "
    "extension). The answer is sent after its audit record is committed.",
}
"""The descriptions of operations, by their routes' handlers."""


def operations(
    schemas: Schemas, infer_type: type[InferenceRequest], contract: Contract, model: str
) -> dict[str, Operation]:
    """The operations for a model of this name with this type of requests, by their routes' handlers."""

    def response(example: BaseModel) -> Content:
        content = example.model_dump(mode="json", exclude_none=True)
        return with_example(schemas.response(type(example)), content)

    ready, unready = (response(Readiness(ready=ready)) for ready in (True, False))
    model_ready, model_unready = (
        response(ModelReadiness(name=model, ready=ready)) for ready in (True, False)
    )
    server = ServerMetadata(name=SERVER_NAME, version=SERVER_VERSION, extensions=[BINARY_EXTENSION])
    model_metadata = metadata(contract, model, examples.VERSION, "onnxruntime_onnx")
    about = {
        handler: partial(Operation, _TAG, error=schemas.response(ErrorMessage), description=description)
        for handler, description in _DESCRIPTIONS.items()
    }
    return {
        "v2": about["v2"](response(server)),
        "v2_live": about["v2_live"](response(Liveness(live=True))),
        "v2_ready": about["v2_ready"](ready, unready=unready),
        "v2_model": about["v2_model"](response(model_metadata), refusals=[ModelUnknown]),
        "v2_model_ready": about["v2_model_ready"](
            model_ready, refusals=[ModelUnknown], unready=model_unready
        ),
        "v2_infer": about["v2_infer"](
            {**response(_response(contract, model)), **_BYTES},
            body={**with_example(schemas.request(infer_type), _request(contract, model_metadata)), **_BYTES},
            refusals=(InferenceInvalid, ModelUnknown, *PREDICTION_REFUSALS),
            parameters=[_JSON_LENGTH],
            answer_headers=[HEADER],
        ),
    }


def path_parameters(route: Route, model: str) -> list[Document]:
    """The path parameters of a route, for a model of this name."""
    schemas: Document = {
        "model": {"type": "string", "enum": [model]},
        "version": {"type": "string", "minLength": 1},
    }
    return [
        parameter(name, "path", schema, _PARAMETERS[name])
        for name, schema in schemas.items()
        if f"{{{name}}}" in route.path
    ]


def _request(contract: Contract, model_metadata: ModelMetadata) -> Document:
    """A request for one row, with a tensor for each feature."""
    types = {tensor.name: tensor.datatype for tensor in model_metadata.inputs}
    inputs = [
        {"name": name, "datatype": types[name], "shape": [1], "data": [_datum(value, types[name])]}
        for name, value in examples.row(contract).items()
    ]
    return {"inputs": inputs}


def _datum(value: Value, datatype: str) -> Value:
    # A nullable boolean is sent as FP64, because NaN stands for a missing value.
    return float(value) if isinstance(value, bool) and datatype == datatypes.FP64.name else value


def _response(contract: Contract, model: str) -> InferenceResponse:
    probabilities, labels = examples.probabilities(contract), [examples.label(contract)]
    shape = [1, len(probabilities)]
    return InferenceResponse(
        model_name=model,
        model_version=examples.VERSION,
        id=examples.REQUEST_ID,
        outputs=[
            OutputTensor(name=LABEL, datatype=datatypes.BYTES.name, shape=[1], data=labels),
            OutputTensor(name=PROBABILITIES, datatype=datatypes.FP64.name, shape=shape, data=probabilities),
        ],
        parameters={MODEL_ID: examples.MODEL_ID},
    )
