"""The messages and methods of the Open Inference Protocol over gRPC, for the load and the bare server.

They are the service's own classes, so that a bare server does the same work with them.
"""

from typing import Any

from service.wire.protocol import INFER, SERVICE, make_protocol

_MESSAGES = make_protocol().messages

# The classes are made at run time, so no type declares their attributes.
ModelInferRequest: Any = _MESSAGES["ModelInferRequest"]
ModelInferResponse: Any = _MESSAGES["ModelInferResponse"]
ModelMetadataRequest: Any = _MESSAGES["ModelMetadataRequest"]
ModelMetadataResponse: Any = _MESSAGES["ModelMetadataResponse"]

MODEL_METADATA = f"/{SERVICE}/ModelMetadata"

__all__ = [
    "INFER",
    "MODEL_METADATA",
    "SERVICE",
    "ModelInferRequest",
    "ModelInferResponse",
    "ModelMetadataRequest",
    "ModelMetadataResponse",
]
