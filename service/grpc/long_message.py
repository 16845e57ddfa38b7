"""A long ModelInferRequest, split into its parts before it is parsed.

protobuf parses a message in one call, which takes a second and 1.2 GB for 32 MB of empty messages. So a long
message is split along the lengths in it. The tensors are then parsed one by one, and long tensors only after
their values are counted. See https://protobuf.dev/programming-guides/encoding for the format.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from service.errors import InferenceInvalid

SHORT_BYTES = 64 * 1024
"""The maximum length of a message that is parsed in one call, which takes a few milliseconds at most."""

_INPUTS, _RAW = 5, 7
"""Fields of a request."""
_CONTENTS = 5
"""Field of a tensor."""
_BYTES, _FP32, _FP64 = 8, 6, 7
"""Fields of contents; the fields with lower numbers contain varints."""

_REST_BYTES = 16 * 1024
"""The maximum length of a request without its inputs, and of a tensor without its contents."""
_NO_MESSAGE = "it is not a ModelInferRequest"


class Field(NamedTuple):
    """A field of a message: its number and the place of its value."""

    number: int
    wire: int
    tag: int
    start: int
    end: int


class LongMessage(NamedTuple):
    """The parts of a request."""

    rest: bytes
    """The fields other than inputs and raw contents, as a ModelInferRequest."""
    tensors: list[memoryview]
    raws: list[memoryview]


def take_apart(message: bytes, most_tensors: int) -> LongMessage:
    """The parts of a request with at most so many tensors; raises InferenceInvalid."""
    view = memoryview(message)
    parts = LongMessage(b"", [], [])
    rest: list[memoryview] = []
    rest_bytes = 0
    for field in _fields(view):
        if field.number == _INPUTS and field.wire == 2:
            parts.tensors.append(view[field.start : field.end])
        elif field.number == _RAW and field.wire == 2:
            parts.raws.append(view[field.start : field.end])
        else:
            rest.append(view[field.tag : field.end])
            rest_bytes += field.end - field.tag
        if max(len(parts.tensors), len(parts.raws)) > most_tensors:
            raise InferenceInvalid(f"it has more than {most_tensors} inputs")
        if rest_bytes > _REST_BYTES:
            raise InferenceInvalid(f"it has over {_REST_BYTES} bytes beside its inputs")
    return parts._replace(rest=b"".join(rest))


def check_tensor(tensor: memoryview, most_values: int, most_fields: int) -> None:
    """Raise InferenceInvalid if a long tensor has other long fields, or too many values."""
    rest_bytes = values = fields = 0
    for field in _fields(tensor):
        if field.number != _CONTENTS or field.wire != 2:
            rest_bytes += field.end - field.tag
            if rest_bytes > _REST_BYTES:
                raise InferenceInvalid(f"an input has over {_REST_BYTES} bytes beside its contents")
            continue
        contents = tensor[field.start : field.end]
        for value in _fields(contents):
            fields += 1
            values += _count(contents, value)
            if fields > most_fields:
                raise InferenceInvalid("an input has values that are not packed")
            if values > most_values:
                raise InferenceInvalid(f"an input has more than {most_values} values")


def _count(contents: memoryview, field: Field) -> int:
    if field.wire != 2 or field.number >= _BYTES:
        return 1
    length = field.end - field.start
    if field.number in (_FP32, _FP64):
        return length // (4 if field.number == _FP32 else 8)
    # The last byte of each varint is below 128.
    return int(np.count_nonzero(np.frombuffer(contents[field.start : field.end], np.int8) >= 0))


def _fields(message: memoryview) -> Iterator[Field]:
    at, end = 0, len(message)
    while at < end:
        tag = at
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 2:
            length, at = _varint(message, at)
            stop = at + length
        elif wire == 0:
            _, stop = _varint(message, at)
        elif wire in (1, 5):
            stop = at + (8 if wire == 1 else 4)
        else:  # Groups, which the protocol does not have.
            raise InferenceInvalid(_NO_MESSAGE)
        if stop > end:
            raise InferenceInvalid(_NO_MESSAGE)
        yield Field(key >> 3, wire, tag, at, stop)
        at = stop


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise InferenceInvalid(_NO_MESSAGE)
