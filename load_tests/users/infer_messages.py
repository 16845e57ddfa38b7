"""The messages and methods of the Open Inference Protocol over gRPC, for the load and for the bare server.

They are the service's own, so that a bare server that is measured beside it does the same to them.
"""

from typing import Any

from service.wire.protocol import INFER, SERVICE, make_protocol

_MESSAGES = make_protocol().messages

# Made while the program runs: what attributes they have no type tells.
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
