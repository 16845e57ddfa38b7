"""The HTTP parser, httptools: its errors as RequestError, and how to ignore the offer of an upgrade."""

import logging
from collections.abc import Sequence

import httptools

from service.errors import InternalFailure, RequestError, RequestMalformed

logger = logging.getLogger(__name__)

_FRAMING = (b"content-length", b"transfer-encoding")


def new_parser(protocol: object) -> httptools.HttpRequestParser:
    """A parser that calls the protocol's callbacks, configured as in uvicorn."""
    parser = httptools.HttpRequestParser(protocol)
    # A client may send another request before it has read that the connection will be closed.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def head_without_upgrade(
    parser: httptools.HttpRequestParser, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """A request head with the same framing as the one just parsed, but without the offer of an upgrade.

    After the offer of an upgrade, llhttp treats all that follows as another protocol, even if the headers
    declare a body. Only the headers that frame the body are kept, unchanged: llhttp has validated them.
    """
    lines = [parser.get_method() + b" / HTTP/" + parser.get_http_version().encode()]
    for name, value in headers:
        if name in _FRAMING:
            lines.append(name + b": " + value)
        elif name == b"connection":
            tokens = [token for token in value.split(b",") if token.strip().lower() != b"upgrade"]
            lines.append(name + b": " + b",".join(tokens))
    return b"\r\n".join([*lines, b"", b""])


def as_request_error(error: httptools.HttpParserError) -> RequestError:
    """The RequestError that a callback raised, or RequestMalformed; any other error is logged."""
    cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
    if isinstance(cause, RequestError):
        return cause
    if cause is None or isinstance(cause, httptools.HttpParserError | UnicodeError):
        return RequestMalformed(str(cause or error))
    logger.error("Parsing a request failed", exc_info=cause)
    return InternalFailure()
