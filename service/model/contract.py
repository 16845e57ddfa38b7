"""The contract of a model: the definition of a valid row and of the possible labels.

Training infers a contract from the table and writes it as ``contract.json``, which is published with the
model. The service makes its row types from it, and every transport validates with them, so valid rows are
defined here alone.

There are two kinds of bounds. A *limit* (``minimum``, ``maximum``, a ``closed`` category) is set by a person
and enforced. An *observed range*, or the categories of an open feature, is what the training table contains:
a value outside it is accepted and flagged (reference_profile.py).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    create_model,
    model_validator,
)

from service.model.label import Label, TargetType
from service.model.text import WHITESPACE

FeatureType = Literal["float", "integer", "boolean", "category"]
Value = float | int | bool | str | None
Values = tuple[Value, ...]
"""The values of one row, in contract order."""

LARGEST_EXACT_INTEGER = 2**53
"""Features are converted to 64-bit floats, which would silently round a larger integer."""

LARGEST_NUMBER = 1e30
"""Estimators square and scale numbers, some in 32 bits; a larger number would overflow."""

MAX_TEXT_LENGTH = 10_000
"""Characters of a value of an open category; it bounds the length of a valid row."""

Matrix = NDArray[np.float64] | NDArray[np.object_]
"""Rows as the estimator takes them, ``(n_rows, n_features)`` in contract order: floats with NaN for missing
values if every feature is numeric or boolean, else objects with None for missing values."""


class Row(BaseModel):
    """Base of the row types, which have a field for each feature and forbid others."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def features(self) -> Values:
        """The row's values in contract order."""
        return tuple(self.__dict__.values())


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Feature(_Part):
    """A column of the table, as the service accepts it."""

    name: str = Field(min_length=1)
    type: FeatureType
    nullable: bool = False
    """Whether the value may be missing: ``null``, or left out."""
    description: str | None = None
    unit: str | None = None
    minimum: float | None = None
    """Enforced: a smaller value is invalid."""
    maximum: float | None = None
    """Enforced: a larger value is invalid."""
    observed_minimum: float | None = None
    observed_maximum: float | None = None
    categories: tuple[str, ...] = ()
    """The values in the training table, sorted; only for a category."""
    closed: bool = False
    """Whether a value outside ``categories`` is invalid rather than flagged."""
    withheld: bool = False
    """Whether the column looks like an identifier. Then the contract has none of its values: no categories,
    no observed range, and an invented example. No value is flagged."""
    example: Value = None
    """A typical value, for documentation."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        bounds = (self.minimum, self.maximum, self.observed_minimum, self.observed_maximum)
        if not self.is_number and any(bound is not None for bound in bounds):
            raise ValueError(f"feature {self.name!r} is a {self.type}: it cannot have a minimum or maximum")
        if self.type != "category" and (self.categories or self.closed):
            raise ValueError(f"feature {self.name!r} is a {self.type}: it cannot have categories")
        if self.closed and not self.categories:
            raise ValueError(f"feature {self.name!r} is closed but has no categories")
        observed = (self.categories, self.observed_minimum, self.observed_maximum)
        if self.withheld and observed != ((), None, None):
            raise ValueError(f"feature {self.name!r} is withheld but has observed values")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"feature {self.name!r} has a minimum above its maximum")
        return self

    @property
    def is_number(self) -> bool:
        """Whether the feature is a float or an integer."""
        return self.type in ("float", "integer")

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest number that a row may have."""
        largest = LARGEST_NUMBER if self.type == "float" else LARGEST_EXACT_INTEGER
        return (
            -largest if self.minimum is None else max(self.minimum, -largest),
            largest if self.maximum is None else min(self.maximum, largest),
        )

    @property
    def max_text_length(self) -> int:
        """Largest number of characters of a category's value."""
        longest = max(map(len, self.categories), default=0)
        return longest if self.closed else max(longest, MAX_TEXT_LENGTH)

    def row_field(self) -> tuple[Any, Any]:
        """The annotation and the field of this feature in a row type."""
        about = ", ".join(filter(None, (self.description, self.unit and f"in {self.unit}")))
        annotation = self._annotation()
        return annotation | None if self.nullable else annotation, Field(
            default=None if self.nullable else ...,
            alias=self.name,
            title=self.name,
            description=about or None,
            examples=None if self.open_example is None else [self.open_example],
            json_schema_extra=self._schema_notes(),
        )

    def _annotation(self) -> Any:
        if self.type == "boolean":
            return Annotated[bool, Strict()]
        if self.type == "category":
            return self._text_annotation()
        minimum, maximum = self.limits
        limits = Field(ge=minimum, le=maximum)
        if self.type == "float":
            return Annotated[float, Strict(), limits]
        return Annotated[int, Strict(), limits, BeforeValidator(_whole_float_to_int)]

    def _text_annotation(self) -> Any:
        # Spaces around a text are no part of it, in training and here; an empty text is a missing value.
        text: Any
        if self.closed:
            text = Annotated[Literal[self.categories], BeforeValidator(_trimmed)]
        else:
            limits = Field(min_length=1, max_length=self.max_text_length)
            text = Annotated[str, Strict(), StringConstraints(strip_whitespace=True), limits]
        return Annotated[text | None, BeforeValidator(_empty_to_none)] if self.nullable else text

    def _schema_notes(self) -> dict[str, Any]:
        notes: dict[str, Any] = {}
        if self.unit:
            notes["x-unit"] = self.unit
        if self.observed_minimum is not None:
            notes["x-observed-range"] = [self.observed_minimum, self.observed_maximum]
        return notes

    @property
    def open_example(self) -> Value:
        """The example, if it may be shown without a key: values of open categories may not."""
        is_observed = self.type == "category" and not self.closed and not self.withheld
        return None if is_observed else self.example


class Target(_Part):
    """The predicted column."""

    name: str = Field(min_length=1)
    type: TargetType
    classes: tuple[Label, ...] = Field(min_length=2)
    """The classes in the order of the probabilities."""
    description: str | None = None


class Contract(_Part):
    """The features and the target of a model."""

    format_version: Literal[1] = 1
    features: tuple[Feature, ...] = Field(min_length=1)
    target: Target

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"duplicate features: {', '.join(twice)}")
        return self

    @cached_property
    def is_numeric(self) -> bool:
        """Whether no feature is a category, so that rows fit into a matrix of floats."""
        return all(feature.type != "category" for feature in self.features)

    @cached_property
    def row_type(self) -> type[Row]:
        """The pydantic type of one row."""
        # A column may have any name ("class", "a b"), a Python attribute may not, so the names are aliases.
        fields = {f"feature_{i}": feature.row_field() for i, feature in enumerate(self.features)}
        row_type: type[Row] = create_model("Row", __base__=Row, **fields)  # type: ignore[call-overload]
        return row_type

    @property
    def label_type(self) -> type[Label]:
        """The Python type of a predicted label."""
        return {"text": str, "integer": int, "boolean": bool}[self.target.type]

    def matrix(self, rows: Sequence[Row]) -> Matrix:
        """Validated rows as the estimator takes them."""
        return self.matrix_of([row.features for row in rows])

    def matrix_of(self, values: Sequence[Values]) -> Matrix:
        """The values of validated rows, each in contract order, as the estimator takes them."""
        if self.is_numeric:
            return np.array(values, dtype=np.float64)
        return np.array(values, dtype=np.object_)


def _trimmed(value: object) -> object:
    return value.strip(WHITESPACE) if isinstance(value, str) else value


def _empty_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip(WHITESPACE) else value


def _whole_float_to_int(value: object) -> object:
    # Many clients send 3 as 3.0, for example from a dataframe column with missing values.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
