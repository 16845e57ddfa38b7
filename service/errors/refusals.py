"""Why a request is rejected or fails, for every transport."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar, Literal, NamedTuple, Self

from service.errors.base import TabentoError

Location = tuple[str | int, ...]
Side = Literal["Input", "Output"]
"""Whether a tensor is an input or an output of the model."""

GRPC_CODES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.METHOD_NOT_ALLOWED: "UNIMPLEMENTED",
    HTTPStatus.REQUEST_TIMEOUT: "DEADLINE_EXCEEDED",
    HTTPStatus.CONFLICT: "FAILED_PRECONDITION",
    HTTPStatus.GONE: "NOT_FOUND",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "INVALID_ARGUMENT",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "INVALID_ARGUMENT",
    HTTPStatus.UNPROCESSABLE_ENTITY: "INVALID_ARGUMENT",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "INVALID_ARGUMENT",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
    HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
}
"""The gRPC code of each HTTP status that an error has, https://grpc.io/docs/guides/status-codes/. Too
large a request is INVALID_ARGUMENT: clients may retry on RESOURCE_EXHAUSTED, and it would fail again."""

_NAME_LIMIT = 64
"""Characters of a client's name that a message repeats."""


class Finding(NamedTuple):
    """One invalid value: its path in the message, and what is wrong with it."""

    loc: Location
    msg: str


def shortened(name: str) -> str:
    """A client's name in quotes, cut to ``_NAME_LIMIT`` characters."""
    return repr(name if len(name) <= _NAME_LIMIT else name[:_NAME_LIMIT] + "...")


class ClientGone(TabentoError):
    """The client disconnected before it had sent the request, or before it was answered."""


class RequestError(TabentoError):
    """A request that is rejected, or that failed."""

    status: ClassVar[HTTPStatus]
    kind: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None
    """Seconds after which a retry may succeed, if that can be expected."""
    recorded: ClassVar[bool] = True
    """Whether the audit log records it once the body has been read. Shed load is only counted: otherwise a
    flood of requests would fill the disk."""

    def __init__(self, detail: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.findings = findings

    def without_frames(self) -> Self:
        """The error without its traceback.

        The traceback's frames hold the request's body. A frame with the error in a variable forms a reference
        cycle, which only the garbage collector frees: rejected bodies of 30 MB added up to gigabytes.
        """
        self.__traceback__ = self.__context__ = None
        return self

    @property
    def grpc_code(self) -> str:
        """Name of the gRPC status code."""
        return GRPC_CODES[self.status]


class BodyMalformed(RequestError):
    """The body is not valid JSON (RFC 8259)."""

    status, kind = HTTPStatus.BAD_REQUEST, "body-malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The body is not valid JSON: {reason}.")


class HeaderInvalid(RequestError):
    """A header has an invalid value."""

    status, kind = HTTPStatus.BAD_REQUEST, "header-invalid"

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"The header {name} must be {expected}.")


class QueryInvalid(RequestError):
    """A query parameter is unknown or has an invalid value."""

    status, kind = HTTPStatus.BAD_REQUEST, "query-invalid"

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("The query is invalid; see errors.", findings)


class InferenceInvalid(RequestError):
    """The message is not an inference request of the Open Inference Protocol."""

    status, kind = HTTPStatus.BAD_REQUEST, "inference-invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The inference request is invalid: {reason}.")


class TensorInvalid(RequestError):
    """A tensor is unknown to the model, or differs from its declaration."""

    status, kind = HTTPStatus.BAD_REQUEST, "tensor-invalid"

    def __init__(self, name: str, reason: str, *, side: Side = "Input") -> None:
        super().__init__(f"{side} {shortened(name)} {reason}.")


class RouteUnknown(RequestError):
    """The path is not a route."""

    status, kind = HTTPStatus.NOT_FOUND, "route-unknown"

    def __init__(self, path: str) -> None:
        super().__init__(f"There is no route {path}; / lists the routes.")


class ModelUnknown(RequestError):
    """The requested model, or the requested version of it, is not served."""

    status, kind = HTTPStatus.NOT_FOUND, "model-unknown"

    def __init__(self, name: str, version: str, served: str, served_version: str) -> None:
        requested = shortened(name) + (f", version {shortened(version)}," if version else "")
        super().__init__(
            f"Model {requested} is not served; the served model is {served!r}, version {served_version!r}."
        )


class MethodNotAllowed(RequestError):
    """The route does not allow the method."""

    status, kind = HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"The method {method} is not allowed; allowed: {allowed}.")
        self.allowed = allowed


class BodyTooLarge(RequestError):
    """The body is larger than the limit."""

    status, kind = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than the limit of {limit_bytes} bytes.")


class TooManyRows(RequestError):
    """The batch has more rows than a request may have."""

    status, kind = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-rows"

    def __init__(self, max_rows: int) -> None:
        super().__init__(f"A request may have at most {max_rows} rows; split it into several requests.")


class MediaTypeUnsupported(RequestError):
    """The route does not accept the body's media type."""

    status, kind = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type-unsupported"

    def __init__(self, sent: str, expected: str = "application/json") -> None:
        super().__init__(f"The body must be {expected}, not {sent or 'of an undeclared type'}.")


class RowsInvalid(RequestError):
    """The body is valid JSON, but its rows break the contract."""

    status, kind = HTTPStatus.UNPROCESSABLE_ENTITY, "rows-invalid"

    def __init__(self, findings: Sequence[Finding], *, more: bool = False) -> None:
        """Take the findings; ``more`` states that there may be others, because reading stopped."""
        listed = len(findings)
        values = "1 value breaks" if listed == 1 else f"{listed} values break"
        if more:
            values, which = f"At least {values}", "are listed" if listed > 1 else "is listed"
            values += f" the contract (the first {listed} {which})"
        else:
            values += " the contract"
        super().__init__(f"{values}; see /model/info for the contract.", findings)


class Overloaded(RequestError):
    """The limit of requests in progress or queued is reached, or the request waited too long in the queue."""

    status, kind = HTTPStatus.TOO_MANY_REQUESTS, "overloaded"
    retry_after_s = 1
    recorded = False

    def __init__(self) -> None:
        super().__init__("The service is overloaded; try again later.")


class RowsFailed(RequestError):
    """The model failed on some of the request's rows."""

    status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, "rows-failed"

    def __init__(self, rows: Sequence[int], prefix: Location | None = None) -> None:
        """Take the rows' indexes, and the path to their list in the message, if there is one."""
        findings = (
            [] if prefix is None else [Finding((*prefix, row), "The model failed on it") for row in rows]
        )
        number = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
        super().__init__(f"The model failed on {number}.", findings)
        self.rows = rows


class InternalFailure(RequestError):
    """An unexpected error; the service's log has it with the request's id."""

    status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, "internal-failure"

    def __init__(self) -> None:
        super().__init__("An internal error occurred; the service's log has the details.")


class AuditUnavailable(RequestError):
    """The audit log cannot be written, so no prediction is returned.

    If the writer process ended while it had the record, the log may contain the record nevertheless.
    """

    status, kind = HTTPStatus.SERVICE_UNAVAILABLE, "audit-unavailable"
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("The audit log cannot be written at present, so no prediction is returned.")

    @classmethod
    def with_cause(cls, reason: Exception) -> Self:
        """The error with its cause set, for an error that is passed on rather than raised."""
        unavailable = cls()
        unavailable.__cause__ = reason
        return unavailable


class DeadlineExceeded(RequestError):
    """The request's deadline passed before it was answered.

    If only the commit was missing, the record is written nevertheless.
    """

    status, kind = HTTPStatus.GATEWAY_TIMEOUT, "deadline-exceeded"
    recorded = False

    def __init__(self) -> None:
        super().__init__("The request's deadline passed before it was answered.")


FAILURE_STATUSES = frozenset(
    error.status for error in (Overloaded, RowsFailed, InternalFailure, AuditUnavailable, DeadlineExceeded)
)
"""The statuses of a valid request that got no prediction."""
