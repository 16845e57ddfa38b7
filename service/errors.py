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
    +-- RequestError                    one request is refused, or fails
        +-- BodyMalformed           400
        +-- QueryInvalid            400
        +-- RouteUnknown            404
        +-- MethodNotAllowed        405
        +-- BodyTooLarge            413
        +-- TooManyRows             413
        +-- MediaTypeUnsupported    415
        +-- RowsInvalid             422
        +-- RowsFailed              500
        +-- InternalFailure         500
        +-- AuditUnavailable        503

Each is made from facts and words its own message. A RequestError's ``kind`` is the stable name by which
a program tells them apart, whatever the transport; ``status`` is the HTTP status.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar, NamedTuple

Location = tuple[str | int, ...]


class Finding(NamedTuple):
    """One thing wrong with a body: where, as a path into it, and what."""

    loc: Location
    msg: str


class TabentoError(Exception):
    """Base of all the errors that are raised on purpose."""


class StartError(TabentoError):
    """The service cannot start as it is configured."""


class SettingInvalid(StartError):
    """An environment variable has a value that the service cannot work with."""

    def __init__(self, variable: str, value: object, reason: str) -> None:
        super().__init__(f"{variable}={value!s} cannot be used: {reason}")
        self.variable = variable


class ModelNotPublished(StartError):
    """The BentoML store holds no model of that name."""

    def __init__(self, tag: str) -> None:
        super().__init__(
            f"The BentoML store holds no model {tag!r}. Publish one with `python -m training`, "
            f"or serve another with `--arg model=NAME` (`bentoml models list` shows what is there)."
        )


class ModelUnusable(StartError):
    """A published model does not load, or is not what was published."""

    remedy: ClassVar[str] = "Train and publish it again with this environment."

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(f"Model {tag} cannot be served: {reason.rstrip('.')}. {self.remedy}")


class CompiledFormRefused(ModelUnusable):
    """Only the compiled form is to serve, and it was not accepted when the model was published."""

    remedy = "Set TABENTO_RUNTIME=auto to serve it with scikit-learn."

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(tag, f"TABENTO_RUNTIME=compiled, but its compiled form was not accepted: {reason}")


class AuditUnusable(StartError):
    """The audit log cannot be written or read."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The audit log {path} cannot be used: {reason}. Set TABENTO_AUDIT_DB to another.")


class AnchorUnusable(StartError):
    """The audit log cannot be compared with an anchor."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The anchor {path} cannot be used: {reason}.")


class AuditMisuse(StartError):
    """A command of the audit log was asked for what it cannot do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}.")


class RequestError(TabentoError):
    """A request that is refused, or that failed."""

    status: ClassVar[HTTPStatus]
    kind: ClassVar[str]

    def __init__(self, detail: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.findings = findings


class BodyMalformed(RequestError):
    """The body is not JSON as RFC 8259 has it."""

    status, kind = HTTPStatus.BAD_REQUEST, "body-malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The body is not valid JSON: {reason}.")


class QueryInvalid(RequestError):
    """A query parameter has no value that fits it, or does not exist."""

    status, kind = HTTPStatus.BAD_REQUEST, "query-invalid"

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("The query cannot be used; see errors.", findings)


class RouteUnknown(RequestError):
    """Nothing is served at that path."""

    status, kind = HTTPStatus.NOT_FOUND, "route-unknown"

    def __init__(self, path: str) -> None:
        super().__init__(f"Nothing is served at {path}; / lists what is.")


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

    def __init__(self, sent: str) -> None:
        super().__init__(f"The body must be application/json, not {sent or 'of no declared type'}.")


class RowsInvalid(RequestError):
    """The body is JSON, but breaks the contract."""

    status, kind = HTTPStatus.UNPROCESSABLE_ENTITY, "rows-invalid"

    def __init__(self, findings: Sequence[Finding], *, total: int | None = None) -> None:
        total = len(findings) if total is None else total
        more = f" (the first {len(findings)} are given)" if total > len(findings) else ""
        values = "1 value breaks" if total == 1 else f"{total} values break"
        super().__init__(f"{values} the contract{more}; /model/info has the contract.", findings)


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
    """The audit log cannot be written, so no answer may leave."""

    status, kind = HTTPStatus.SERVICE_UNAVAILABLE, "audit-unavailable"

    def __init__(self) -> None:
        super().__init__("The prediction cannot be recorded at present, so it is not given.")
