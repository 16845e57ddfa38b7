"""The Open Inference Protocol's routes in the OpenAPI document."""

from service.errors import AuditUnavailable, InferenceInvalid, ModelUnknown
from service.http import paths
from service.http.operations import BYTES, PREDICTION_REFUSALS, Document, Schemas, get, parameter, post
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
_JSON_LENGTH = parameter(
    HEADER, "header", {"type": "integer", "minimum": 0}, "Where the JSON ends, if raw tensors are behind it."
)


def operations(schemas: Schemas, infer_type: type[InferenceRequest], model: str) -> Document:
    """The operations, of a model of that name whose inference requests are of that type."""
    ready = schemas.given(Readiness)
    of_model = [parameter("model", "path", {"type": "string", "enum": [model]})]
    of_version = [*of_model, parameter("version", "path", {"type": "string", "minLength": 1})]
    return {
        paths.V2: get("The server's metadata", schemas.given(ServerMetadata), tag=_TAG),
        paths.V2_LIVE: get("Whether the process lives", schemas.given(Liveness), tag=_TAG),
        paths.V2_READY: get("Whether requests may be sent", ready, {AuditUnavailable: ready}, tag=_TAG),
        **_of_model(schemas, infer_type, paths.V2_MODEL, of_model),
        **_of_model(schemas, infer_type, paths.V2_MODEL + paths.V2_VERSION, of_version),
    }


def _of_model(
    schemas: Schemas, infer_type: type[InferenceRequest], at: str, parameters: list[Document]
) -> Document:
    wrong, ready = schemas.given(ErrorMessage), schemas.given(ModelReadiness)
    refusals = dict.fromkeys((InferenceInvalid, ModelUnknown, *PREDICTION_REFUSALS), wrong)
    metadata = get(
        "The model's metadata", schemas.given(ModelMetadata), {ModelUnknown: wrong}, parameters, tag=_TAG
    )
    readiness = get(
        "Whether requests for the model may be sent",
        ready,
        {ModelUnknown: wrong, AuditUnavailable: ready},
        parameters,
        tag=_TAG,
    )
    infer = post(
        "Predict rows that are tensors",
        {**schemas.taken(infer_type), **_BYTES},
        {**schemas.given(InferenceResponse), **_BYTES},
        refusals,
        [*parameters, _JSON_LENGTH],
        tag=_TAG,
    )
    each = {paths.V2_MODEL: metadata, paths.V2_MODEL_READY: readiness, paths.V2_INFER: infer}
    return {path.replace(paths.V2_MODEL, at): operation for path, operation in each.items()}
