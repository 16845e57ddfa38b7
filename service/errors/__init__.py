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
    |   +-- KeysUnusable
    |   +-- KeyMisuse
    +-- ClientGone                      nobody is left to be answered
    +-- RequestError                    one request is refused, or fails
        +-- BodyMalformed           400
        +-- HeaderInvalid           400
        +-- QueryInvalid            400
        +-- KeyInvalid              401
        +-- ScopeMissing            403
        +-- RouteUnknown            404
        +-- MethodNotAllowed        405
        +-- BodyTooLarge            413
        +-- TooManyRows             413
        +-- MediaTypeUnsupported    415
        +-- RowsInvalid             422
        +-- Overloaded              429
        +-- RowsFailed              500
        +-- InternalFailure         500
        +-- AuditUnavailable        503
        +-- DeadlineExceeded        504

Each is made from facts and words its own message. A RequestError's ``kind`` is the stable name by which
a program tells them apart, whatever the transport; ``status`` is the HTTP status.
"""

from service.errors.base import TabentoError
from service.errors.request import (
    AuditUnavailable,
    BodyMalformed,
    BodyTooLarge,
    ClientGone,
    DeadlineExceeded,
    Finding,
    HeaderInvalid,
    InternalFailure,
    KeyInvalid,
    Location,
    MediaTypeUnsupported,
    MethodNotAllowed,
    Overloaded,
    QueryInvalid,
    RequestError,
    RouteUnknown,
    RowsFailed,
    RowsInvalid,
    ScopeMissing,
    TooManyRows,
)
from service.errors.start import (
    AnchorUnusable,
    AuditMisuse,
    AuditUnusable,
    CompiledFormRefused,
    KeyMisuse,
    KeysUnusable,
    ModelNotPublished,
    ModelUnusable,
    SettingInvalid,
    StartError,
)

__all__ = [
    "AnchorUnusable",
    "AuditMisuse",
    "AuditUnavailable",
    "AuditUnusable",
    "BodyMalformed",
    "BodyTooLarge",
    "ClientGone",
    "CompiledFormRefused",
    "DeadlineExceeded",
    "Finding",
    "HeaderInvalid",
    "InternalFailure",
    "KeyInvalid",
    "KeyMisuse",
    "KeysUnusable",
    "Location",
    "MediaTypeUnsupported",
    "MethodNotAllowed",
    "ModelNotPublished",
    "ModelUnusable",
    "Overloaded",
    "QueryInvalid",
    "RequestError",
    "RouteUnknown",
    "RowsFailed",
    "RowsInvalid",
    "ScopeMissing",
    "SettingInvalid",
    "StartError",
    "TabentoError",
    "TooManyRows",
]
