"""One input tensor: its description (name, datatype, shape), and its values, which must match it.

A tensor states its shape before its values, so no memory is allocated from a shape: its size is compared with
the number of values. Values become Python objects, flat in row-major order: floats, ints, bools, texts; None
for null. The values of a large tensor are kept in an array and converted a few at a time.
"""

from collections.abc import Sequence
from itertools import chain
from struct import Struct
from typing import Any, NamedTuple, NoReturn, cast, overload

import numpy as np
from numpy.typing import NDArray

from service.errors import TensorInvalid
from service.model.contract import Value
from service.system.steps import Steps
from service.wire.datatypes import Datatype, Kind

Values = Sequence[Value]

_LARGE = 16 * 1024
"""A tensor with more values keeps them in an array; also the number of values that one step converts."""

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
"""The types of each kind's values in JSON, and their names in messages."""


class ArrayValues(Sequence[Value]):
    """Values in an array, which become Python objects when they are read."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    @overload
    def __getitem__(self, index: int) -> Value: ...
    @overload
    def __getitem__(self, index: slice) -> list[Value]: ...
    def __getitem__(self, index: int | slice) -> Value | list[Value]:
        if isinstance(index, slice):
            return cast("list[Value]", self._array[index].tolist())
        return cast("Value", self._array.item(index))


class JsonPieces(NamedTuple):
    """The data of a large tensor in JSON, as pieces of its values."""

    pieces: Sequence[list[Any]]
    inner: int | None
    """Length of the inner lists; None if the data are flat."""


class Head(NamedTuple):
    """The description of a tensor."""

    name: str
    datatype: Datatype
    shape: Sequence[int]
    rows: int
    size: int
    """The number of values: the product of its shape."""
    is_double: bool
    """Whether it is a single FP64, as most tensors are."""

    def refuse(self, reason: str) -> NoReturn:
        """Raise TensorInvalid."""
        raise TensorInvalid(self.name, reason)

    def refuse_size(self, count: int) -> NoReturn:
        """Raise TensorInvalid for a number of values that differs from the shape's."""
        self.refuse(f"has {count} values, but shape {list(self.shape)} has {self.size}")

    def refuse_nesting(self) -> NoReturn:
        """Raise TensorInvalid for data whose nesting differs from the shape."""
        self.refuse(f"has data that are not nested as shape {list(self.shape)} is")

    def refuse_overflow(self) -> NoReturn:
        """Raise TensorInvalid for a value outside the range of the datatype."""
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
    return _checked(head, data)


def from_json_pieces(head: Head, data: JsonPieces) -> Steps[Values]:
    """The values of JSON data in pieces; raises TensorInvalid."""
    count = sum(map(len, data.pieces))
    if data.inner is not None and [data.inner] != list(head.shape[1:]):
        head.refuse_nesting()
    if count != head.size:
        head.refuse_size(count)
    arrays = []
    for piece in data.pieces:
        values = _checked(head, piece)
        has_null = head.datatype.kind != "float" and None in values
        arrays.append(np.array(values, dtype=object if has_null else head.datatype.dtype or object))
        yield
    return ArrayValues(np.concatenate(arrays))


def _checked(head: Head, data: list[Any]) -> Values:
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
    return ArrayValues(values) if head.size > _LARGE else cast(Values, values.tolist())


def from_typed(head: Head, contents: Sequence[Any]) -> Steps[Values]:
    """The values of a gRPC message's typed contents; raises TensorInvalid."""
    if len(contents) != head.size:
        head.refuse_size(len(contents))
    if head.datatype.kind == "text":
        return [_text(head, value, place) for place, value in enumerate(contents)]
    arrays = []
    for start in range(0, head.size, _LARGE):
        values = list(contents[start : start + _LARGE])
        if head.datatype.kind == "integer":
            _check_range(head, values)
        if head.size <= _LARGE:
            return values
        arrays.append(np.array(values, dtype=head.datatype.dtype))
        yield
    return ArrayValues(np.concatenate(arrays))


def _flattened(head: Head, data: list[Any]) -> list[Any]:
    for length in head.shape[1:]:
        for part in data:
            if not isinstance(part, list) or len(part) != length:
                head.refuse_nesting()
        data = [*chain.from_iterable(data)]
    return data


def _check_range(head: Head, values: list[Any]) -> None:
    present = [value for value in values if value is not None]
    if present and (min(present) < head.datatype.lowest or max(present) > head.datatype.highest):
        head.refuse_overflow()


def _as_floats(head: Head, values: list[Any]) -> list[Any]:
    """The values as floats of the datatype; None becomes NaN, which stands for a missing value."""
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
    texts: list[Value] = []
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
