"""A body in the log: kept as it went over the wire, shown as the JSON that it nearly always is."""

import base64
import re
from math import isfinite
from typing import TYPE_CHECKING

from pydantic_core import from_json

if TYPE_CHECKING:
    from pydantic import JsonValue

KeptBody = str | bytes
"""As its column holds it: TEXT where it is valid UTF-8, so that SQL can look into it, else BLOB."""

_MAY_OVERFLOW = re.compile(r"[0-9]{200}|[eE]\+?[0-9]{3}")
"""What a text has in which a number is beyond 1.8e308, and hardly any other text."""

REFUSED_BODY_LIMIT_BYTES = 64 * 1024
"""How much is kept of the body of a request that was not answered: enough to see what was wrong with it,
too little to fill the disk with."""


def keep(body: bytes) -> KeptBody:
    """A body in the form of its column; nothing is lost."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def first_bytes(body: bytes, limit_bytes: int) -> bytes:
    """The beginning of a body, cut so that no UTF-8 character is split."""
    if len(body) <= limit_bytes:
        return body
    end = limit_bytes
    while end > limit_bytes - 3 and body[end] & 0b1100_0000 == 0b1000_0000:
        end -= 1
    return body[:end]


def show(body: KeptBody) -> "JsonValue":
    """A kept body as a JSON value: its own if it is JSON, else its text; no text is ``{"base64": ...}``."""
    if isinstance(body, bytes):
        return {"base64": base64.b64encode(body).decode()}
    try:
        value: JsonValue = from_json(body, allow_inf_nan=False)
    except ValueError:
        return body
    # 1e999 is JSON, but no number that could be written out again.
    return body if _MAY_OVERFLOW.search(body) and not _is_finite(value) else value


def body_bytes(body: KeptBody) -> bytes:
    """A kept body as it went over the wire."""
    # Of a value that was tampered with this is a TypeError, as of one that is shown.
    return body if isinstance(body, bytes) else str.encode(body)


def length_bytes(body: KeptBody) -> int:
    """The length of a kept body as it went over the wire."""
    return len(body_bytes(body))


def _is_finite(value: "JsonValue") -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or isfinite(value)
