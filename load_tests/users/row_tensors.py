"""Rows as a client sends them over gRPC: a tensor for each feature, with typed contents."""

from collections.abc import Iterator, Mapping, Sequence
from math import nan
from typing import Any

from load_tests.users.infer_messages import ModelInferRequest
from load_tests.users.user_rows import Row

_CONTENTS = {
    "FP64": "fp64_contents",
    "INT64": "int64_contents",
    "BOOL": "bool_contents",
    "BYTES": "bytes_contents",
}
"""The field of a tensor's values, by datatype."""


def as_tensors(rows: Sequence[Row], datatypes: Mapping[str, str]) -> Iterator[Any]:
    """The tensors, with the datatypes that the model's metadata states."""
    for name in rows[0]:
        datatype = datatypes[name]
        tensor = ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=[len(rows), 1])
        values = [_as_value(row[name], datatype) for row in rows]
        getattr(tensor.contents, _CONTENTS[datatype]).extend(values)
        yield tensor


def _as_value(value: Any, datatype: str) -> Any:
    """A value as the protocol sends it; a missing value is NaN, or an empty text."""
    if datatype == "BYTES":
        return str("" if value is None else value).encode()
    return nan if value is None else value
