"""Everything that can go wrong on purpose, and what is said of it.

    TabentoError
    +-- StartError                      the service cannot start; the message names the remedy
    |   +-- SettingInvalid
    |   +-- ModelNotPublished
    |   +-- ModelUnusable
    |   |   +-- CompiledFormRefused
    |   +-- AuditUnusable
    |   +-- AnchorUnusable
    |   +-- AuditMisuse
    |   +-- AuditNotErased
    |   +-- KeysUnusable
    |   +-- KeyMisuse
    |   +-- GrpcUnusable
    |   +-- HttpUnusable
    +-- ClientGone                      nobody is left to be answered
    +-- RequestError                    one request is refused, or fails
        +-- RequestMalformed        400 INVALID_ARGUMENT
        +-- BodyMalformed           400 INVALID_ARGUMENT
        +-- HeaderInvalid           400 INVALID_ARGUMENT
        +-- QueryInvalid            400 INVALID_ARGUMENT
        +-- InferenceInvalid        400 INVALID_ARGUMENT
        +-- TensorInvalid           400 INVALID_ARGUMENT
        +-- KeyInvalid              401 UNAUTHENTICATED
        +-- ScopeMissing            403 PERMISSION_DENIED
        +-- RouteUnknown            404 NOT_FOUND
        +-- ModelUnknown            404 NOT_FOUND
        +-- MethodNotAllowed        405 UNIMPLEMENTED
        +-- RequestTimeout          408 DEADLINE_EXCEEDED
        +-- BodyTooLarge            413 INVALID_ARGUMENT
        +-- TooManyRows             413 INVALID_ARGUMENT
        +-- MediaTypeUnsupported    415 INVALID_ARGUMENT
        +-- RowsInvalid             422 INVALID_ARGUMENT
        +-- Overloaded              429 RESOURCE_EXHAUSTED
        +-- HeadersTooLarge         431 INVALID_ARGUMENT
        +-- RowsFailed              500 INTERNAL
        +-- InternalFailure         500 INTERNAL
        +-- AuditUnavailable        503 UNAVAILABLE
        +-- DeadlineExceeded        504 DEADLINE_EXCEEDED

Each is made from facts and words its own message. A RequestError's ``kind`` is the stable name by which
a program tells them apart, whatever the transport; ``status`` is the HTTP status, ``grpc_code`` the
gRPC code.
"""

from service.errors.base import TabentoError
from service.errors.refusals import (
    UNANSWERED,
    AuditUnavailable,
    BodyMalformed,
    BodyTooLarge,
    ClientGone,
    DeadlineExceeded,
    Finding,
    HeaderInvalid,
    InferenceInvalid,
    InternalFailure,
    KeyInvalid,
    Location,
    MediaTypeUnsupported,
    MethodNotAllowed,
    ModelUnknown,
    Overloaded,
    QueryInvalid,
    RequestError,
    RouteUnknown,
    RowsFailed,
    RowsInvalid,
    ScopeMissing,
    Side,
    TensorInvalid,
    TooManyRows,
    shortened,
)
from service.errors.startup import (
    AnchorUnusable,
    AuditMisuse,
    AuditNotErased,
    AuditUnusable,
    CompiledFormRefused,
    GrpcUnusable,
    HttpUnusable,
    KeyMisuse,
    KeysUnusable,
    ModelNotPublished,
    ModelUnusable,
    SettingInvalid,
    StartError,
)
from service.errors.transport import HeadersTooLarge, RequestMalformed, RequestTimeout

__all__ = [
    "UNANSWERED",
    "AnchorUnusable",
    "AuditMisuse",
    "AuditNotErased",
    "AuditUnavailable",
    "AuditUnusable",
    "BodyMalformed",
    "BodyTooLarge",
    "ClientGone",
    "CompiledFormRefused",
    "DeadlineExceeded",
    "Finding",
    "GrpcUnusable",
    "HeaderInvalid",
    "HeadersTooLarge",
    "HttpUnusable",
    "InferenceInvalid",
    "InternalFailure",
    "KeyInvalid",
    "KeyMisuse",
    "KeysUnusable",
    "Location",
    "MediaTypeUnsupported",
    "MethodNotAllowed",
    "ModelNotPublished",
    "ModelUnknown",
    "ModelUnusable",
    "Overloaded",
    "QueryInvalid",
    "RequestError",
    "RequestMalformed",
    "RequestTimeout",
    "RouteUnknown",
    "RowsFailed",
    "RowsInvalid",
    "ScopeMissing",
    "SettingInvalid",
    "Side",
    "StartError",
    "TabentoError",
    "TensorInvalid",
    "TooManyRows",
    "shortened",
]
