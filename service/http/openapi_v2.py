"""The Open Inference Protocol's routes in the OpenAPI document."""

from functools import partial

from service.errors import AuditUnavailable, InferenceInvalid, ModelUnknown
from service.http.operations import BYTES, PREDICTION_REFUSALS, Document, Operation, Schemas, parameter
from service.http.v2 import BINARY
from service.oip.body import HEADER
from service.oip.messages import (
    ErrorMessage,
    InferenceRequest,
    InferenceResponse,
    Liveness,
    ModelMetadata,
    ModelReadiness,
    Readiness,
    ServerMetadata,
)
from service.routes import Route

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
_VERSION: Document = {"type": "string", "minLength": 1}
_JSON_LENGTH = parameter(
    HEADER, "header", {"type": "integer", "minimum": 0}, "Where the JSON ends, if raw tensors are behind it."
)


def operations(schemas: Schemas, infer_type: type[InferenceRequest]) -> dict[str, Operation]:
    """The operations of a model that takes requests of that type, by the handlers of their routes."""
    wrong = schemas.given(ErrorMessage)
    ready, model_ready = schemas.given(Readiness), schemas.given(ModelReadiness)
    get = partial(Operation, _TAG, key_refusal=wrong)
    return {
        "v2": get(schemas.given(ServerMetadata)),
        "v2_live": get(schemas.given(Liveness)),
        "v2_ready": get(ready, refusals={AuditUnavailable: ready}),
        "v2_model": get(schemas.given(ModelMetadata), refusals={ModelUnknown: wrong}),
        "v2_model_ready": get(model_ready, refusals={ModelUnknown: wrong, AuditUnavailable: model_ready}),
        "v2_infer": get(
            {**schemas.given(InferenceResponse), **_BYTES},
            body={**schemas.taken(infer_type), **_BYTES},
            refusals=dict.fromkeys((InferenceInvalid, ModelUnknown, *PREDICTION_REFUSALS), wrong),
            parameters=[_JSON_LENGTH],
        ),
    }


def path_parameters(route: Route, model: str) -> list[Document]:
    """What stands in a route's path in place of the braces, of a model of that name."""
    schemas: Document = {"model": {"type": "string", "enum": [model]}, "version": _VERSION}
    return [
        parameter(name, "path", schema) for name, schema in schemas.items() if f"{{{name}}}" in route.path
    ]
