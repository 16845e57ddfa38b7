"""Input tensors become rows of the contract.

There are two forms: one tensor for each feature under its name, of shape [n] or [n, 1]; or, if no feature is
a text, a single tensor of shape [n, features] in the contract's order. Categories and dates are texts. If a
feature may be missing, a missing value is NaN in floats, null in JSON, and an empty text unless that is a
known category. So the datatype of a number or boolean that may be missing is FP64 in the metadata.

Rows consist of Python objects and are validated like those of the native API.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple

from service.errors import InferenceInvalid, Location, TensorInvalid, TooManyRows, shortened
from service.inference.packed_rows import PackedRows
from service.inference.row_check import Findings, RowCheck
from service.model.contract import Contract, Feature, Value
from service.model.contract import Values as RowValues
from service.system.steps import Steps
from service.wire.datatypes import DATATYPES, FP64, Kind
from service.wire.tensors import Head, Values

MATRIX = "features"
"""The name of the single tensor with all features."""

Convert = Callable[[Values], Values] | None
"""The conversion from a tensor's values to a feature's; None if they are the same."""

_SIZES = 3
"""The lengths of a shape that are checked; a valid shape has at most two."""
_HEADS = 1_024
"""The number of checked tensor descriptions that are cached."""
_VALUES_A_STEP = 16 * 1024
"""The number of values that one step validates."""

_NUMERIC = "FP64, FP32, INT64, INT32"
_TAKES = {"float": _NUMERIC, "integer": _NUMERIC, "boolean": f"BOOL, {_NUMERIC}"}
"""The datatypes of each type; all others take BYTES."""
_TRUTH: dict[Value, Value] = {0: False, 1: True}


def tensor_names(contract: Contract) -> list[str]:
    """The names that an input can have."""
    return [*(feature.name for feature in contract.features), *([] if contract.has_texts else [MATRIX])]


class Got(NamedTuple):
    """A received tensor."""

    head: Head
    values: Values


_Column = tuple[Convert, Values, int, int]
"""The place of a feature's values: their conversion, the tensor's values, the index of the feature's first
value, and the number of values in a row. A plain tuple, because each request makes one for each feature."""


class Inputs:
    """Converts tensors to rows of one contract."""

    def __init__(self, contract: Contract, max_rows: int) -> None:
        self._contract = contract
        self._features = contract.features
        self._names = [feature.name for feature in contract.features]
        self._known = frozenset(self._names)
        self._tensors = frozenset(tensor_names(contract))
        self._takes_matrix = not contract.has_texts
        self.max_rows = max_rows
        self.most_tensors = len(self._tensors)
        self._converts = [_converts(feature) for feature in contract.features]
        # Clients repeat the same few tensors. The cache is typed, because 1.0 and true are not lengths.
        self._head = lru_cache(_HEADS, typed=True)(self._check)
        self._row_check = RowCheck(contract)

    def most_values(self, name: object) -> int:
        """The maximum number of a tensor's values; of any tensor if its name is not known yet."""
        is_one_feature = name in self._names or not self._takes_matrix
        return self.max_rows * (1 if is_one_feature else len(self._names))

    def head(self, name: object, datatype: object, shape: object, got: dict[str, Got]) -> Head:
        """The checked description of a tensor, without its values; raises TensorInvalid, TooManyRows."""
        sizes = shape[:_SIZES] if isinstance(shape, list) else (None,)
        try:
            head = self._head(name, datatype, *sizes)
        except TypeError:  # A value that cannot be a cache key is neither a string nor a number.
            head = self._check(name, datatype, *sizes)
        if head.name in got:
            head.refuse("is given twice")
        return head

    def _check(self, name: object, datatype: object, *shape: object) -> Head:
        if not isinstance(name, str):
            raise InferenceInvalid("an input has no name")
        known = DATATYPES.get(datatype) if isinstance(datatype, str) else None
        if known is None:
            given = shortened(datatype) if isinstance(datatype, str) and datatype else "none"
            raise TensorInvalid(name, f"has an unknown datatype: {given}")
        sizes = [size for size in shape if type(size) is int and size >= 0]
        if len(sizes) < len(shape):
            raise TensorInvalid(name, "has a shape that is not a list of lengths")
        if name not in self._tensors:
            raise TensorInvalid(name, "is not an input of the model; the model's metadata lists its inputs")
        width = sizes[1] if len(sizes) == 2 else 1
        if len(sizes) not in (1, 2) or (width != 1 and not self._is_matrix(name, width)):
            raise TensorInvalid(name, f"has shape {sizes}, but takes {self._shapes(name)}")
        rows = sizes[0]
        if rows == 0:
            raise TensorInvalid(name, "has no rows")
        if rows > self.max_rows:
            raise TooManyRows(self.max_rows)
        size = prod(sizes)
        return Head(name, known, tuple(sizes), rows, size, size == 1 and known is FP64)

    def rows(self, got: dict[str, Got]) -> Steps[Sequence[RowValues]]:
        """The validated rows of all received tensors; raises TensorInvalid, RowsInvalid."""
        columns = self._columns(got)
        rows, found = next(iter(got.values())).head.rows, Findings()
        if rows == 1:  # Most requests.
            values = {
                name: _take(0, 1, *column)[0] for name, column in zip(self._names, columns, strict=True)
            }
            row = self._row_check.row(values, (0,), found)
            if row is None:
                raise found.refusal(_place)
            return (row,)
        checked = PackedRows(self._contract)
        step = max(1, _VALUES_A_STEP // len(self._names))
        for start in range(0, rows, step):
            taken = [_take(start, min(start + step, rows), *column) for column in columns]
            values_of = [dict(zip(self._names, row, strict=True)) for row in zip(*taken, strict=True)]
            checked.add(self._row_check.rows(values_of, (), start, found))
            if not found.are_all:
                break
            if start + step < rows:
                yield
        if found:
            raise found.refusal(_place)
        return checked

    def _is_matrix(self, name: str, width: int) -> bool:
        return self._takes_matrix and name == MATRIX and width == len(self._names)

    def _shapes(self, name: str) -> str:
        own = "[n] or [n, 1]" if name in self._known else ""
        matrix = f"[n, {len(self._names)}]" if name == MATRIX and self._takes_matrix else ""
        return " or ".join(filter(None, (own, matrix)))

    def _columns(self, got: dict[str, Got]) -> list[_Column]:
        """A column for each feature; raises TensorInvalid."""
        width = len(self._names)
        matrix = got.get(MATRIX) if len(got) == 1 else None
        if matrix is not None and matrix.head.size == matrix.head.rows * width:
            head, values = matrix
            return [(self._convert(at, head, head), values, at, width) for at in range(width)]
        tensors = [got[name] if name in got else self._missing(name) for name in self._names]
        if len(got) > width:
            raise TensorInvalid(MATRIX, "has all features, so it must be the only input")
        first = tensors[0].head
        return [(self._convert(at, head, first), values, 0, 1) for at, (head, values) in enumerate(tensors)]

    def _convert(self, place: int, head: Head, first: Head) -> Convert:
        if head.rows != first.rows:
            raise TensorInvalid(head.name, f"has {head.rows} rows, but {first.name!r} has {first.rows}")
        converts, kind = self._converts[place], head.datatype.kind
        if kind not in converts:
            takes = _TAKES.get(self._features[place].type, "BYTES")
            raise TensorInvalid(head.name, f"has datatype {head.datatype.name}, but takes {takes}")
        return converts[kind]

    def _missing(self, name: str) -> Got:
        raise TensorInvalid(name, "is missing")


def _take(start: int, stop: int, convert: Convert, values: Values, first: int, width: int) -> Values:
    """The feature's values in the rows between two indexes."""
    taken = values[start * width + first : stop * width : width]
    return taken if convert is None else convert(taken)


def _converts(feature: Feature) -> dict[Kind, Convert]:
    """The conversion for each kind of datatype that the feature accepts."""
    missing = _nan_to_none if feature.nullable else None
    if feature.is_text:
        return {"text": None}
    if feature.type == "boolean":
        return {
            "boolean": None,
            "integer": _truths,
            "float": _truths if missing is None else lambda values: _truths(_nan_to_none(values)),
        }
    return {"float": missing, "integer": None}


def _nan_to_none(values: Values) -> Values:
    return [None if value != value else value for value in values]


def _truths(values: Values) -> Values:
    # A number other than 0 and 1 stays a number, which the contract rejects.
    return [_TRUTH.get(value, value) for value in values]


def _place(at: Location) -> Location:
    """The location with the tensor's name before the row."""
    row, name = at
    return name, row
