"""The errors that the service raises on purpose, with the HTTP status and the gRPC code of each.

In come the facts of a failure; out go a message and, for a request, its answer in either transport.

    TabentoError
    +-- StartError                      the service cannot start; the message names the remedy
    |   +-- SettingInvalid
    |   +-- ModelNotPublished
    |   +-- ModelUnusable
    |   |   +-- CompiledFormRefused
    |   +-- AuditUnusable
    |   |   +-- LedgerContradicts
    |   +-- AnchorUnusable
    |   +-- AuditMisuse
    |   +-- AuditNotErased
    |   +-- AuditHeld
    |   +-- SubjectKeyUnusable
    |   +-- SigningKeyUnusable
    |   +-- CheckpointRefused
    |   +-- ReplayFailed
    |   +-- MonitoringUnusable
    |   +-- MonitoringNotWritable
    |   +-- ReportUnwritable
    |   +-- KeysUnusable
    |   +-- KeyMisuse
    |   +-- ReleaseUnusable
    |   +-- ReleaseChanged
    |   +-- ReleaseMisuse
    |   +-- ModelDoesNotFit
    |   +-- GrpcUnusable
    |   +-- HttpUnusable
    +-- ClientGone                      the client disconnected; no answer is sent
    +-- RequestError                    one request is rejected, or fails
        +-- RequestMalformed        400 INVALID_ARGUMENT
        +-- BodyMalformed           400 INVALID_ARGUMENT
        +-- HeaderInvalid           400 INVALID_ARGUMENT
        +-- QueryInvalid            400 INVALID_ARGUMENT
        +-- InferenceInvalid        400 INVALID_ARGUMENT
        +-- CsvMalformed            400 INVALID_ARGUMENT
        +-- TensorInvalid           400 INVALID_ARGUMENT
        +-- KeyInvalid              401 UNAUTHENTICATED
        |   +-- KeyExpired          401 UNAUTHENTICATED
        +-- ScopeMissing            403 PERMISSION_DENIED
        +-- RouteUnknown            404 NOT_FOUND
        +-- ModelUnknown            404 NOT_FOUND
        +-- PredictionUnknown       404 NOT_FOUND
        +-- AssessmentMissing       404 NOT_FOUND
        +-- MethodNotAllowed        405 UNIMPLEMENTED
        +-- RequestTimeout          408 DEADLINE_EXCEEDED
        +-- ReceiptPending          409 FAILED_PRECONDITION
        +-- PredictionPruned        410 NOT_FOUND
        +-- BodyTooLarge            413 INVALID_ARGUMENT
        +-- TooManyRows             413 INVALID_ARGUMENT
        +-- TooManyOutcomes         413 INVALID_ARGUMENT
        +-- MediaTypeUnsupported    415 INVALID_ARGUMENT
        +-- RowsInvalid             422 INVALID_ARGUMENT
        +-- ReceiptTooLarge         422 INVALID_ARGUMENT
        +-- OutcomesInvalid         422 INVALID_ARGUMENT
        +-- Overloaded              429 RESOURCE_EXHAUSTED
        +-- HeadersTooLarge         431 INVALID_ARGUMENT
        +-- RowsFailed              500 INTERNAL
        +-- InternalFailure         500 INTERNAL
        +-- AuditUnavailable        503 UNAVAILABLE
        +-- OutcomesUnavailable     503 UNAVAILABLE
        +-- AuditFull               503 UNAVAILABLE
        +-- DeadlineExceeded        504 DEADLINE_EXCEEDED

Each error takes facts and formats its own message. ``kind`` is the stable name of a RequestError, the same
for every transport, and clients may match on it.
"""

from service.errors.base import TabentoError
from service.errors.feedback_refusals import (
    CsvMalformed,
    OutcomesInvalid,
    OutcomesUnavailable,
    TooManyOutcomes,
)
from service.errors.full_log import AuditFull
from service.errors.key_refusals import KeyExpired, KeyInvalid, ScopeMissing
from service.errors.monitoring_refusals import AssessmentMissing
from service.errors.receipt_refusals import (
    PredictionPruned,
    PredictionUnknown,
    ReceiptPending,
    ReceiptTooLarge,
)
from service.errors.refusals import (
    FAILURE_STATUSES,
    AuditUnavailable,
    BodyMalformed,
    BodyTooLarge,
    ClientGone,
    DeadlineExceeded,
    Finding,
    HeaderInvalid,
    InferenceInvalid,
    InternalFailure,
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
    Side,
    TensorInvalid,
    TooManyRows,
    shortened,
)
from service.errors.release_refusals import (
    ModelDoesNotFit,
    ReleaseChanged,
    ReleaseMisuse,
    ReleaseUnusable,
)
from service.errors.startup import (
    AnchorUnusable,
    AuditHeld,
    AuditMisuse,
    AuditNotErased,
    AuditUnusable,
    CheckpointRefused,
    CompiledFormRefused,
    GrpcUnusable,
    HttpUnusable,
    KeyMisuse,
    KeysUnusable,
    LedgerContradicts,
    ModelNotPublished,
    ModelUnusable,
    MonitoringNotWritable,
    MonitoringUnusable,
    ReplayFailed,
    ReportUnwritable,
    SettingInvalid,
    SigningKeyUnusable,
    StartError,
    SubjectKeyUnusable,
)
from service.errors.transport import HeadersTooLarge, RequestMalformed, RequestTimeout

__all__ = [
    "FAILURE_STATUSES",
    "AnchorUnusable",
    "AssessmentMissing",
    "AuditFull",
    "AuditHeld",
    "AuditMisuse",
    "AuditNotErased",
    "AuditUnavailable",
    "AuditUnusable",
    "BodyMalformed",
    "BodyTooLarge",
    "CheckpointRefused",
    "ClientGone",
    "CompiledFormRefused",
    "CsvMalformed",
    "DeadlineExceeded",
    "Finding",
    "GrpcUnusable",
    "HeaderInvalid",
    "HeadersTooLarge",
    "HttpUnusable",
    "InferenceInvalid",
    "InternalFailure",
    "KeyExpired",
    "KeyInvalid",
    "KeyMisuse",
    "KeysUnusable",
    "LedgerContradicts",
    "Location",
    "MediaTypeUnsupported",
    "MethodNotAllowed",
    "ModelDoesNotFit",
    "ModelNotPublished",
    "ModelUnknown",
    "ModelUnusable",
    "MonitoringNotWritable",
    "MonitoringUnusable",
    "OutcomesInvalid",
    "OutcomesUnavailable",
    "Overloaded",
    "PredictionPruned",
    "PredictionUnknown",
    "QueryInvalid",
    "ReceiptPending",
    "ReceiptTooLarge",
    "ReleaseChanged",
    "ReleaseMisuse",
    "ReleaseUnusable",
    "ReplayFailed",
    "ReportUnwritable",
    "RequestError",
    "RequestMalformed",
    "RequestTimeout",
    "RouteUnknown",
    "RowsFailed",
    "RowsInvalid",
    "ScopeMissing",
    "SettingInvalid",
    "Side",
    "SigningKeyUnusable",
    "StartError",
    "SubjectKeyUnusable",
    "TabentoError",
    "TensorInvalid",
    "TooManyOutcomes",
    "TooManyRows",
    "shortened",
]
