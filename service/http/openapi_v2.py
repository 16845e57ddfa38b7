"""The Open Inference Protocol's routes in the OpenAPI document."""

from service.contract import Contract
from service.errors import (
    AuditUnavailable,
    BodyTooLarge,
    DeadlineExceeded,
    InferenceInvalid,
    InternalFailure,
    MediaTypeUnsupported,
    ModelUnknown,
    Overloaded,
    RowsInvalid,
)
from service.http import paths
from service.http.operations import BYTES, Document, Schemas, get, parameter, post
from service.oip.body import HEADER
from service.oip.messages import (
    ErrorMessage,
    InferenceResponse,
    Liveness,
    ModelMetadata,
    ModelReadiness,
    Readiness,
    ServerMetadata,
    request_type,
)

_INFERENCE_REFUSALS = (
    InferenceInvalid,
    ModelUnknown,
    BodyTooLarge,
    MediaTypeUnsupported,
    RowsInvalid,
    Overloaded,
    InternalFailure,
    AuditUnavailable,
    DeadlineExceeded,
)
_TAG = "Open Inference Protocol"
_BINARY = "application/octet-stream"
_JSON_LENGTH = parameter(
    HEADER,
    "header",
    {"type": "integer", "minimum": 0},
    "Where the JSON ends, if raw tensors are behind it.",
)


class Types:
    """The types of one contract's messages, and the operations that are made of them."""

    def __init__(self, contract: Contract) -> None:
        self._request = request_type(contract)
        self.taken = (self._request,)
        self.given = (
            ErrorMessage,
            InferenceResponse,
            Liveness,
            ModelMetadata,
            ModelReadiness,
            Readiness,
            ServerMetadata,
        )

    def paths(self, schemas: Schemas, model: str) -> Document:
        """The operations, of a model of that name."""
        ready = schemas.given(Readiness)
        of_model = [parameter("model", "path", {"type": "string", "enum": [model]})]
        of_version = [*of_model, parameter("version", "path", {"type": "string", "minLength": 1})]
        return {
            paths.V2: get("The server's metadata", schemas.given(ServerMetadata), tag=_TAG),
            paths.V2_LIVE: get("Whether the process lives", schemas.given(Liveness), tag=_TAG),
            paths.V2_READY: get("Whether requests may be sent", ready, {AuditUnavailable: ready}, tag=_TAG),
            **self._model_paths(schemas, "", of_model),
            **self._model_paths(schemas, paths.V2_VERSION, of_version),
        }

    def _model_paths(self, schemas: Schemas, version: str, parameters: list[Document]) -> Document:
        def versioned(path: str) -> str:
            return path.replace(paths.V2_MODEL, paths.V2_MODEL + version)

        wrong, ready = schemas.given(ErrorMessage), schemas.given(ModelReadiness)
        return {
            versioned(paths.V2_MODEL): get(
                "The model's metadata",
                schemas.given(ModelMetadata),
                {ModelUnknown: wrong},
                parameters,
                tag=_TAG,
            ),
            versioned(paths.V2_MODEL_READY): get(
                "Whether requests for the model may be sent",
                ready,
                {ModelUnknown: wrong, AuditUnavailable: ready},
                parameters,
                tag=_TAG,
            ),
            versioned(paths.V2_INFER): post(
                "Predict rows that are tensors",
                {**schemas.taken(self._request), _BINARY: BYTES},
                {**schemas.given(InferenceResponse), _BINARY: BYTES},
                dict.fromkeys(_INFERENCE_REFUSALS, wrong),
                [*parameters, _JSON_LENGTH],
                tag=_TAG,
            ),
        }
