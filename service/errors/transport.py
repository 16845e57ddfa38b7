"""Errors of an HTTP connection, raised before the request is complete."""

from http import HTTPStatus
from typing import Literal

from service.errors.refusals import RequestError


class RequestMalformed(RequestError):
    """The request is not valid HTTP/1.1 (RFC 9112)."""

    status, kind = HTTPStatus.BAD_REQUEST, "request-malformed"
    recorded = False

    def __init__(self, reason: str) -> None:
        super().__init__(f"The request is not valid HTTP/1.1: {reason}.")


class RequestTimeout(RequestError):
    """The request's headers, or its body, did not arrive in time."""

    status, kind = HTTPStatus.REQUEST_TIMEOUT, "request-timeout"
    recorded = False

    def __init__(self, part: Literal["headers", "body"]) -> None:
        super().__init__(f"The request's {part} did not arrive in time.")


class HeadersTooLarge(RequestError):
    """The request line and headers, or the framing of a chunked body, exceed the limits."""

    status, kind = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large"
    recorded = False

    def __init__(self, limit_bytes: int, limit_lines: int) -> None:
        super().__init__(
            f"The request line and headers, or trailers, exceed {limit_bytes} bytes or {limit_lines} lines."
        )
