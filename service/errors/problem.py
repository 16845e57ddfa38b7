"""Errors as HTTP answers: RFC 9457 problem details, or ``error`` on routes of the Open Inference Protocol."""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import BaseModel, Field
from pydantic_core import to_json

from service.errors import MethodNotAllowed, RequestError
from service.errors.error_text import error_text
from service.routes import is_v2

MEDIA_TYPE = "application/problem+json"
_JSON = "application/json"


class ProblemFinding(BaseModel):
    """One thing wrong with a request."""

    loc: list[str | int] = Field(description="Path into the body or the query: names and indexes.")
    msg: str


class Problem(BaseModel):
    """Problem details, RFC 9457."""

    type: str = Field(description="Stable name of the kind of error, as a URN.")
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[ProblemFinding] | None = Field(default=None, description="The invalid values.")


def problem_json(error: RequestError, request_id: str) -> bytes:
    """Problem details of a request that raised the error."""
    body = {
        "type": f"urn:tabento:{error.kind}",
        "title": HTTPStatus(error.status).phrase,
        "status": int(error.status),
        "detail": error.detail,
        "request_id": request_id,
    }
    if error.findings:
        body["errors"] = [{"loc": finding.loc, "msg": finding.msg} for finding in error.findings]
    return to_json(body)


def refusal_body(error: RequestError, path: str, request_id: str) -> tuple[bytes, str]:
    """The body and the media type of the answer to a request of this path that raised the error."""
    if is_v2(path):
        return to_json({"error": error_text(error)}), _JSON
    return problem_json(error, request_id), MEDIA_TYPE


def refusal_headers(error: RequestError) -> Mapping[str, str]:
    """The headers that the answer has in addition to those of every answer."""
    headers: dict[str, str] = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allowed
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return headers
