"""The Open Inference Protocol's routes in the OpenAPI document."""

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
from service.oip.outputs import LABEL, PROBABILITIES
from service.oip.served_model import BINARY_EXTENSION, SERVER_NAME, SERVER_VERSION, metadata
from service.routes import Route
from service.wire import datatypes

GIVEN = (
    InferenceResponse,
    ServerMetadata,
    ModelMetadata,
    Liveness,
    Readiness,
    ModelReadiness,
    ErrorMessage,
)
"""The types of answers, which the schemas must have."""

_TAG = "Open Inference Protocol"
_BYTES = {BINARY.decode(): BYTES}
_PARAMETERS: Document = {
    "model": "Name of the model that is served.",
    "version": "Version of the model that is served; another is answered with 404.",
}
_JSON_LENGTH = parameter(
    HEADER, "header", {"type": "integer", "minimum": 0}, "Where the JSON ends, if raw tensors are behind it."
)
_DESCRIPTIONS = {
    "v2": "Name and version of the server, and the extensions of the protocol that it has.",
    "v2_live": "For a liveness probe: 200 as long as the process answers.",
    "v2_ready": "For a readiness probe: 503 while requests may not be sent.",
    "v2_model": "The tensors that the model takes and gives, their datatypes and shapes.",
    "v2_model_ready": "Whether the model is loaded and requests for it may be sent.",
    "v2_infer": "Takes rows as tensors: one for each feature, or one of all features where none is a text; "
    "answers with `label` and `probabilities`. Tensors may be raw bytes after the JSON (binary tensor data "
    "extension). The answer is sent once its audit record is committed.",
}
"""By the handlers of their routes."""


def operations(
    schemas: Schemas, infer_type: type[InferenceRequest], contract: Contract, model: str
) -> dict[str, Operation]:
    """The operations of a model of that name that takes requests of that type, by their routes' handlers."""

    def given(example: BaseModel) -> Content:
        content = example.model_dump(mode="json", exclude_none=True)
        return with_example(schemas.given(type(example)), content)

    ready, unready = (given(Readiness(ready=ready)) for ready in (True, False))
    model_ready, model_unready = (given(ModelReadiness(name=model, ready=ready)) for ready in (True, False))
    server = ServerMetadata(name=SERVER_NAME, version=SERVER_VERSION, extensions=[BINARY_EXTENSION])
    described = metadata(contract, model, examples.VERSION, "onnxruntime_onnx")
    about = {
        handler: partial(Operation, _TAG, error=schemas.given(ErrorMessage), description=description)
        for handler, description in _DESCRIPTIONS.items()
    }
    return {
        "v2": about["v2"](given(server)),
        "v2_live": about["v2_live"](given(Liveness(live=True))),
        "v2_ready": about["v2_ready"](ready, unready=unready),
        "v2_model": about["v2_model"](given(described), refusals=[ModelUnknown]),
        "v2_model_ready": about["v2_model_ready"](
            model_ready, refusals=[ModelUnknown], unready=model_unready
        ),
        "v2_infer": about["v2_infer"](
            {**given(_response(contract, model)), **_BYTES},
            body={**with_example(schemas.taken(infer_type), _request(contract, described)), **_BYTES},
            refusals=(InferenceInvalid, ModelUnknown, *PREDICTION_REFUSALS),
            parameters=[_JSON_LENGTH],
            answer_headers=[HEADER],
        ),
    }


def path_parameters(route: Route, model: str) -> list[Document]:
    """What stands in a route's path in place of the braces, of a model of that name."""
    schemas: Document = {
        "model": {"type": "string", "enum": [model]},
        "version": {"type": "string", "minLength": 1},
    }
    return [
        parameter(name, "path", schema, _PARAMETERS[name])
        for name, schema in schemas.items()
        if f"{{{name}}}" in route.path
    ]


def _request(contract: Contract, described: ModelMetadata) -> Document:
    """A request for one row, with a tensor for each feature."""
    types = {tensor.name: tensor.datatype for tensor in described.inputs}
    inputs = [
        {"name": name, "datatype": types[name], "shape": [1], "data": [_datum(value, types[name])]}
        for name, value in examples.row(contract).items()
    ]
    return {"inputs": inputs}


def _datum(value: Value, datatype: str) -> Value:
    # A boolean that may be missing is a number.
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
    )
