"""A body in the log: stored as the bytes that were sent, displayed as the JSON that it nearly always is."""

import base64
import re
from math import isfinite
from typing import TYPE_CHECKING

from pydantic_core import from_json

from service.audit.columns import BodyValue

if TYPE_CHECKING:
    from pydantic import JsonValue

_MAY_OVERFLOW = re.compile(r"[0-9]{200}|[eE]\+?[0-9]{3}")
"""Matches every text with a number beyond 1.8e308, and hardly any other text."""

REFUSED_BODY_LIMIT_BYTES = 64 * 1024
"""Length to which the body of a request that was not answered is cut: enough to see what was wrong with it,
too little to fill the disk."""


def to_column(body: bytes) -> BodyValue:
    """A body as the value of its column, without loss."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def first_bytes(body: bytes, limit_bytes: int) -> bytes:
    """The beginning of a body, cut between two UTF-8 characters."""
    if len(body) <= limit_bytes:
        return body
    end = limit_bytes
    while end > limit_bytes - 3 and body[end] & 0b1100_0000 == 0b1000_0000:
        end -= 1
    return body[:end]


def to_json_value(body: BodyValue) -> "JsonValue":
    """A body as a JSON value: its own if it is JSON, else its text; ``{"base64": ...}`` if it is not text."""
    if isinstance(body, bytes):
        return {"base64": base64.b64encode(body).decode()}
    try:
        value: JsonValue = from_json(body, allow_inf_nan=False)
    except ValueError:
        return body
    # 1e999 is JSON, but it becomes infinity, which cannot be written as JSON again.
    return body if _MAY_OVERFLOW.search(body) and not _is_finite(value) else value


def body_bytes(body: BodyValue) -> bytes:
    """The bytes of a body as they were sent; raises TypeError for a value that is neither text nor bytes."""
    return body if isinstance(body, bytes) else str.encode(body)


def length_bytes(body: BodyValue) -> int:
    """The length of a body as it was sent."""
    return len(body_bytes(body))


def _is_finite(value: "JsonValue") -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or isfinite(value)
