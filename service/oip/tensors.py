"""One input tensor: what it says it is, and its values, which must be that.

A tensor says its shape before its values come, so nothing is made of a shape: its size is held against what
is there. Values become Python's own, flat in row-major order: floats, ints, bools, texts; None for null.
"""

from collections.abc import Sequence
from itertools import chain
from struct import Struct
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np

from service.contract import Value
from service.errors import TensorInvalid
from service.oip.datatypes import Datatype, Kind

Values = list[Value]

_LENGTH = Struct("<I")
_DOUBLE = Struct("<d")

_NULL = type(None)
_ONLY_FLOATS = {float}
_TYPES: dict[Kind, tuple[set[type], str]] = {
    "float": ({float, int, _NULL}, "numbers"),
    "integer": ({int, _NULL}, "integers"),
    "boolean": ({bool, _NULL}, "true or false"),
    "text": ({str, _NULL}, "strings"),
}
"""Of the values of each kind in JSON, and in words."""


class Head(NamedTuple):
    """What a tensor says it is."""

    name: str
    datatype: Datatype
    shape: Sequence[int]
    rows: int
    size: int
    """How many values it has: the product of its shape."""
    is_double: bool
    """Whether it is one FP64, as most tensors are by far."""

    def refuse(self, reason: str) -> NoReturn:
        """Raise TensorInvalid."""
        raise TensorInvalid(self.name, reason)

    def refuse_size(self, there: int) -> NoReturn:
        """Raise TensorInvalid for another number of values than the shape has."""
        self.refuse(f"has {there} values, but shape {list(self.shape)} has {self.size}")

    def refuse_overflow(self) -> NoReturn:
        """Raise TensorInvalid for a value beyond the datatype."""
        self.refuse(f"has a value that overflows {self.datatype.name}")


def from_json(head: Head, data: object) -> Values:
    """The values of JSON data, flat or nested as the shape is; raises TensorInvalid."""
    if not isinstance(data, list):
        head.refuse("has no list as its data")
    if head.is_double and len(data) == 1 and type(data[0]) is float:
        return data
    if data and isinstance(data[0], list):
        data = _flattened(head, data)
    if len(data) != head.size:
        head.refuse_size(len(data))
    kind = head.datatype.kind
    types = set(map(type, data))
    allowed, words = _TYPES[kind]
    if not types <= allowed:
        head.refuse(f"has datatype {head.datatype.name}, so its data must be {words}")
    if kind == "integer":
        _check_range(head, data)
    elif kind == "float" and not (types == _ONLY_FLOATS and head.datatype.name == "FP64"):
        data = _as_floats(head, data)
    return cast(Values, data)


def from_raw(head: Head, raw: bytes | memoryview) -> Values:
    """The values of raw bytes; raises TensorInvalid."""
    datatype = head.datatype
    if datatype.dtype is None:
        return _texts(head, bytes(raw))
    if len(raw) != head.size * datatype.size_bytes:
        expected = f"{head.size} values of datatype {datatype.name} take {head.size * datatype.size_bytes}"
        head.refuse(f"has {len(raw)} bytes, but {expected}")
    if head.is_double:
        return [*_DOUBLE.unpack(raw)]
    values = np.frombuffer(raw, datatype.dtype)
    if datatype.kind == "boolean" and values.view(np.uint8).max() > 1:
        head.refuse("has datatype BOOL, so its bytes must be 0 or 1")
    return cast(Values, values.tolist())


def from_typed(head: Head, contents: Sequence[Any]) -> Values:
    """The values of a gRPC message's typed contents; raises TensorInvalid."""
    if len(contents) != head.size:
        head.refuse_size(len(contents))
    if head.datatype.kind == "text":
        return [_text(head, value, place) for place, value in enumerate(contents)]
    values = list(contents)
    if head.datatype.kind == "integer":
        _check_range(head, values)
    return values


def _flattened(head: Head, data: list[Any]) -> list[Any]:
    for length in head.shape[1:]:
        for part in data:
            if not isinstance(part, list) or len(part) != length:
                head.refuse(f"has data that are not nested as shape {list(head.shape)} is")
        data = [*chain.from_iterable(data)]
    return data


def _check_range(head: Head, values: list[Any]) -> None:
    there = [value for value in values if value is not None]
    if there and (min(there) < head.datatype.lowest or max(there) > head.datatype.highest):
        head.refuse_overflow()


def _as_floats(head: Head, values: list[Any]) -> list[Any]:
    """As floats of the datatype, None as NaN: that is what a missing value is in floats."""
    try:
        wide = np.array(values, dtype=np.float64)
    except OverflowError:
        head.refuse_overflow()
    with np.errstate(over="ignore"):
        floats = wide.astype(head.datatype.dtype)
    if (np.isinf(floats) & ~np.isinf(wide)).any():
        head.refuse_overflow()
    return cast(list[Any], floats.tolist())


def _texts(head: Head, raw: bytes) -> Values:
    if head.size * _LENGTH.size > len(raw):
        head.refuse(f"has {len(raw)} bytes, too few for {head.size} values of datatype BYTES")
    texts: Values = []
    at = 0
    for place in range(head.size):
        start = at + _LENGTH.size
        if start > len(raw):
            head.refuse(f"ends within its value {place}")
        at = start + _LENGTH.unpack_from(raw, start - _LENGTH.size)[0]
        if at > len(raw):
            head.refuse(f"ends within its value {place}")
        texts.append(_text(head, raw[start:at], place))
    if at != len(raw):
        head.refuse(f"has {len(raw) - at} bytes after its {head.size} values")
    return texts


def _text(head: Head, value: bytes, place: int) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        head.refuse(f"has a value {place} that is not UTF-8")
