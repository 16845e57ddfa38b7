"""httptools, which parses HTTP: what its errors mean, and how to read on where an upgrade is offered."""

import logging
from collections.abc import Sequence

import httptools

from service.errors import InternalFailure, RequestError, RequestMalformed

logger = logging.getLogger(__name__)

_FRAMING = (b"content-length", b"transfer-encoding")


def new_parser(protocol: object) -> httptools.HttpRequestParser:
    """A parser that tells the protocol what it finds, as uvicorn makes it."""
    parser = httptools.HttpRequestParser(protocol)
    # A request may have been sent before the answer to the one before it said that there is no other.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def head_without_upgrade(
    parser: httptools.HttpRequestParser, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """A head with the framing of the one that the parser has read, which offers no upgrade.

    llhttp takes all that follows the offer of an upgrade for another protocol, whatever the headers say of a
    body. Only what frames the body is kept, as it was sent: llhttp has found it to be valid.
    """
    lines = [parser.get_method() + b" / HTTP/" + parser.get_http_version().encode()]
    for name, value in headers:
        if name in _FRAMING:
            lines.append(name + b": " + value)
        elif name == b"connection":
            tokens = [token for token in value.split(b",") if token.strip().lower() != b"upgrade"]
            lines.append(name + b": " + b",".join(tokens))
    return b"\r\n".join([*lines, b"", b""])


def meaning_of(error: httptools.HttpParserError) -> RequestError:
    """What a client is told of an error: what a callback raised, or what is wrong with the request."""
    cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
    if isinstance(cause, RequestError):
        return cause
    if cause is None or isinstance(cause, httptools.HttpParserError | UnicodeError):
        return RequestMalformed(str(cause or error))
    logger.error("A request could not be read", exc_info=cause)
    return InternalFailure()
