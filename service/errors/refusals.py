"""What a request is refused for, or fails with; the same for every transport."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar, Literal, NamedTuple, Self

from service.errors.base import TabentoError

Location = tuple[str | int, ...]
Side = Literal["Input", "Output"]
"""What a tensor is to the model."""

GRPC_CODES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.METHOD_NOT_ALLOWED: "UNIMPLEMENTED",
    HTTPStatus.REQUEST_TIMEOUT: "DEADLINE_EXCEEDED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "INVALID_ARGUMENT",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "INVALID_ARGUMENT",
    HTTPStatus.UNPROCESSABLE_ENTITY: "INVALID_ARGUMENT",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "INVALID_ARGUMENT",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
    HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
}
"""The gRPC code of each HTTP status that an error has, https://grpc.io/docs/guides/status-codes/. What is too
large stays so however often it is sent, which RESOURCE_EXHAUSTED does not say."""

_NAME_LIMIT = 64
"""How much of a name that a client made up is said back to it."""


class Finding(NamedTuple):
    """One thing wrong with a body: where, as a path into it, and what."""

    loc: Location
    msg: str


def shortened(name: str) -> str:
    """A name in quotes as a message repeats it, however long it is."""
    return repr(name if len(name) <= _NAME_LIMIT else name[:_NAME_LIMIT] + "...")


class ClientGone(TabentoError):
    """The client closed the connection before it had sent its request, or before it was answered."""


class RequestError(TabentoError):
    """A request that is refused, or that failed."""

    status: ClassVar[HTTPStatus]
    kind: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None
    """When the same request may do better, where that is to be expected."""
    recorded: ClassVar[bool] = True
    """Whether the audit log has it once its body was read. What is shed is counted only, or a flood of
    requests would fill the disk."""

    def __init__(self, detail: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.findings = findings

    def without_frames(self) -> Self:
        """The error, without the frames that it passed.

        These hold the request's body, and one that keeps the error in a variable makes a cycle with it. Those
        are freed only when Python looks for cycles: refused bodies of 30 MB added up to gigabytes.
        """
        self.__traceback__ = self.__context__ = None
        return self

    @property
    def grpc_code(self) -> str:
        """Name of the gRPC status code."""
        return GRPC_CODES[self.status]


class BodyMalformed(RequestError):
    """The body is not JSON as RFC 8259 has it."""

    status, kind = HTTPStatus.BAD_REQUEST, "body-malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The body is not valid JSON: {reason}.")


class HeaderInvalid(RequestError):
    """A header has a value that cannot be used."""

    status, kind = HTTPStatus.BAD_REQUEST, "header-invalid"

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"The header {name} must be {expected}.")


class QueryInvalid(RequestError):
    """A query parameter has no value that fits it, or does not exist."""

    status, kind = HTTPStatus.BAD_REQUEST, "query-invalid"

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("The query cannot be used; see errors.", findings)


class InferenceInvalid(RequestError):
    """A message is no inference request of the Open Inference Protocol."""

    status, kind = HTTPStatus.BAD_REQUEST, "inference-invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The inference request cannot be used: {reason}.")


class TensorInvalid(RequestError):
    """A tensor is not of the model, or not what it says it is."""

    status, kind = HTTPStatus.BAD_REQUEST, "tensor-invalid"

    def __init__(self, name: str, reason: str, *, side: Side = "Input") -> None:
        super().__init__(f"{side} {shortened(name)} {reason}.")


class KeyInvalid(RequestError):
    """The request has no valid API key, and needs one."""

    status, kind = HTTPStatus.UNAUTHORIZED, "key-invalid"
    recorded = False

    def __init__(self) -> None:
        super().__init__("A valid API key is needed, as `Authorization: Bearer KEY` or `X-API-Key: KEY`.")


class ScopeMissing(RequestError):
    """The request's API key is not good for what it asks."""

    status, kind = HTTPStatus.FORBIDDEN, "scope-missing"
    recorded = False

    def __init__(self, name: str, scope: str) -> None:
        super().__init__(f"The API key {name!r} has no scope {scope!r}.")


class RouteUnknown(RequestError):
    """Nothing is served at that path."""

    status, kind = HTTPStatus.NOT_FOUND, "route-unknown"

    def __init__(self, path: str) -> None:
        super().__init__(f"Nothing is served at {path}; / lists what is.")


class ModelUnknown(RequestError):
    """The model that is asked for is not the one that is served, or not in that version."""

    status, kind = HTTPStatus.NOT_FOUND, "model-unknown"

    def __init__(self, name: str, version: str, served: str, served_version: str) -> None:
        asked = f"{shortened(name)}, version {shortened(version)}," if version else shortened(name)
        super().__init__(f"Model {asked} is not served here, only {served!r} in version {served_version!r}.")


class MethodNotAllowed(RequestError):
    """The path is served, but not with that method."""

    status, kind = HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method} is not served here, only {allowed}.")
        self.allowed = allowed


class BodyTooLarge(RequestError):
    """The body is longer than the service reads."""

    status, kind = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is over the limit of {limit_bytes} bytes.")


class TooManyRows(RequestError):
    """A batch has more rows than one request may."""

    status, kind = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-rows"

    def __init__(self, max_rows: int) -> None:
        super().__init__(f"A request may have at most {max_rows} rows; send them in several.")


class MediaTypeUnsupported(RequestError):
    """The body is of a type that the route does not read."""

    status, kind = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type-unsupported"

    def __init__(self, sent: str, expected: str = "application/json") -> None:
        super().__init__(f"The body must be {expected}, not {sent or 'of no declared type'}.")


class RowsInvalid(RequestError):
    """The body is JSON, but breaks the contract."""

    status, kind = HTTPStatus.UNPROCESSABLE_ENTITY, "rows-invalid"

    def __init__(self, findings: Sequence[Finding], *, more: bool = False) -> None:
        """Take what is wrong, and whether there is more of it, or may be in what was not read any more."""
        listed = len(findings)
        values = "1 value breaks" if listed == 1 else f"{listed} values break"
        if more:
            values, which = f"At least {values}", "are given" if listed > 1 else "is given"
            values += f" the contract (the first {listed} {which})"
        else:
            values += " the contract"
        super().__init__(f"{values}; /model/info has the contract.", findings)


class Overloaded(RequestError):
    """As much is in hand as the service takes on, or it could not begin with the request in time."""

    status, kind = HTTPStatus.TOO_MANY_REQUESTS, "overloaded"
    retry_after_s = 1
    recorded = False

    def __init__(self) -> None:
        super().__init__("The service has more in hand than it can take on; try again later.")


class RowsFailed(RequestError):
    """The model failed on some of the request's rows."""

    status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, "rows-failed"

    def __init__(self, rows: Sequence[int], prefix: Location | None = None) -> None:
        """Take the rows' indexes, and the path to the list that they stand in, where there is one."""
        findings = (
            [] if prefix is None else [Finding((*prefix, row), "The model failed on it") for row in rows]
        )
        number = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
        super().__init__(f"The model failed on {number}.", findings)
        self.rows = rows


class InternalFailure(RequestError):
    """Something unforeseen; the log has it under the request's id."""

    status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, "internal-failure"

    def __init__(self) -> None:
        super().__init__("The request failed inside the service; its log has the reason.")


class AuditUnavailable(RequestError):
    """The audit log cannot be written, so no answer may leave.

    A record that was on its way when the process that writes was lost may be in the log all the same.
    """

    status, kind = HTTPStatus.SERVICE_UNAVAILABLE, "audit-unavailable"
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("The prediction cannot be recorded at present, so it is not given.")

    @classmethod
    def because(cls, reason: Exception) -> Self:
        """With the reason chained to it, for one that is handed over, not raised."""
        unavailable = cls()
        unavailable.__cause__ = reason
        return unavailable


class DeadlineExceeded(RequestError):
    """The time that the request had passed before it could be answered.

    Where the model had answered and only the commit was missing, the record is written all the same.
    """

    status, kind = HTTPStatus.GATEWAY_TIMEOUT, "deadline-exceeded"
    recorded = False

    def __init__(self) -> None:
        super().__init__("The request's deadline passed before it could be answered.")


UNANSWERED = frozenset(
    error.status for error in (Overloaded, RowsFailed, InternalFailure, AuditUnavailable, DeadlineExceeded)
)
"""The statuses of a good request that was given no prediction."""
