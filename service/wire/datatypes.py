"""The datatypes of the protocol: the kinds of values, their ranges, and their layout in raw bytes."""

from typing import Literal, NamedTuple

import numpy as np

Kind = Literal["float", "integer", "boolean", "text"]


class Datatype(NamedTuple):
    """One datatype."""

    name: str
    kind: Kind
    size_bytes: int
    """Of a value in raw bytes; for text, of the length before it."""
    dtype: "np.dtype[np.generic] | None"
    """Little-endian; None for text."""
    lowest: int = 0
    highest: int = 0
    """Of an integer."""


def _number(name: str, kind: Kind, code: str) -> Datatype:
    dtype = np.dtype(code)
    if kind != "integer":
        return Datatype(name, kind, dtype.itemsize, dtype)
    limits = np.iinfo(dtype)
    return Datatype(name, kind, dtype.itemsize, dtype, int(limits.min), int(limits.max))


BYTES = Datatype("BYTES", "text", 4, None)
FP64 = _number("FP64", "float", "<f8")
DATATYPES = {
    datatype.name: datatype
    for datatype in (
        BYTES,
        FP64,
        _number("FP32", "float", "<f4"),
        _number("FP16", "float", "<f2"),
        _number("INT8", "integer", "<i1"),
        _number("INT16", "integer", "<i2"),
        _number("INT32", "integer", "<i4"),
        _number("INT64", "integer", "<i8"),
        _number("UINT8", "integer", "<u1"),
        _number("UINT16", "integer", "<u2"),
        _number("UINT32", "integer", "<u4"),
        _number("UINT64", "integer", "<u8"),
        _number("BOOL", "boolean", "|b1"),
    )
}
"""By their names."""
