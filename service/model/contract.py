"""The contract of a model: what a valid row is, and what an answer can be.

Training infers a contract from the table and writes it as ``contract.json``; the file travels with the
model, and the service makes its types from it. Every transport validates against those types, so this
module is the only place that knows what a valid row is.

Two kinds of boundary are kept apart on purpose. A *limit* (``minimum``, ``maximum``, a ``closed``
category) is somebody's decision and is enforced. An *observed range* (or the categories of an open
feature) is only what the training table happened to hold: a value outside it is answered, and flagged
(observed.py).
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
    create_model,
    model_validator,
)

from service.model.label import Label, TargetType

FeatureType = Literal["float", "integer", "boolean", "category"]
Value = float | int | bool | str | None
Values = tuple[Value, ...]
"""The values of one row, in contract order."""

LARGEST_EXACT_INTEGER = 2**53
"""Features are computed on as 64-bit floats; an integer beyond this would be rounded in silence."""

LARGEST_NUMBER = 1e30
"""Estimators square and scale what they get, some in 32 bits; a larger number would overflow in them."""

MAX_TEXT_LENGTH = 10_000
"""Characters of a category that training need not have seen; the length of a valid row has an end by it."""

Matrix = NDArray[np.float64] | NDArray[np.object_]
"""Rows as the estimator takes them, ``(n_rows, n_features)`` in contract order: floats with NaN for a
missing value where every feature is numeric or boolean, else objects with None for a missing value."""


class Row(BaseModel):
    """Base of the row types: every feature under its own name, and nothing else."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def features(self) -> Values:
        """The row's values in contract order."""
        return tuple(self.__dict__.values())


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Feature(_Part):
    """One column of the table, as the service accepts it."""

    name: str = Field(min_length=1)
    type: FeatureType
    nullable: bool = False
    """Whether the value may be missing: sent as ``null``, or left out."""
    description: str | None = None
    unit: str | None = None
    minimum: float | None = None
    """Enforced: a smaller value is refused."""
    maximum: float | None = None
    """Enforced: a larger value is refused."""
    observed_minimum: float | None = None
    observed_maximum: float | None = None
    categories: tuple[str, ...] = ()
    """The values that training saw, sorted; for a category only."""
    closed: bool = False
    """Whether a value outside ``categories`` is refused rather than flagged."""
    withheld: bool = False
    """Whether the column looks like an identifier. Then none of its values is here: there are no categories
    and no observed range, the example is made up, and no value is flagged."""
    example: Value = None
    """A typical value, for documentation."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        bounds = (self.minimum, self.maximum, self.observed_minimum, self.observed_maximum)
        if not self.is_number and any(bound is not None for bound in bounds):
            raise ValueError(f"feature {self.name!r} is a {self.type}: it has no minimum or maximum")
        if self.type != "category" and (self.categories or self.closed):
            raise ValueError(f"feature {self.name!r} is a {self.type}: it has no categories")
        if self.closed and not self.categories:
            raise ValueError(f"feature {self.name!r} is closed but names no categories")
        observed = (self.categories, self.observed_minimum, self.observed_maximum)
        if self.withheld and observed != ((), None, None):
            raise ValueError(f"feature {self.name!r} is withheld, but has values that were observed")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"feature {self.name!r} has its minimum above its maximum")
        return self

    @property
    def is_number(self) -> bool:
        """Whether the feature has an order: a float or an integer."""
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
        """Characters that a category may have."""
        longest = max(map(len, self.categories), default=0)
        return longest if self.closed else max(longest, MAX_TEXT_LENGTH)

    def row_field(self) -> tuple[Any, Any]:
        """The (annotation, field) pair that stands for this feature in a row type."""
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
            if self.closed:
                return Literal[self.categories]
            return Annotated[str, Strict(), Field(max_length=self.max_text_length)]
        minimum, maximum = self.limits
        limits = Field(ge=minimum, le=maximum)
        if self.type == "float":
            return Annotated[float, Strict(), limits]
        return Annotated[int, Strict(), limits, BeforeValidator(_whole_float_to_int)]

    def _schema_notes(self) -> dict[str, Any]:
        notes: dict[str, Any] = {}
        if self.unit:
            notes["x-unit"] = self.unit
        if self.observed_minimum is not None:
            notes["x-observed-range"] = [self.observed_minimum, self.observed_maximum]
        return notes

    @property
    def open_example(self) -> Value:
        """The example, if anybody may see it: open categories are not part of the interface."""
        is_observed = self.type == "category" and not self.closed and not self.withheld
        return None if is_observed else self.example


class Target(_Part):
    """What is predicted."""

    name: str = Field(min_length=1)
    type: TargetType
    classes: tuple[Label, ...] = Field(min_length=2)
    """In the order of the probabilities of every answer."""
    description: str | None = None


class Contract(_Part):
    """Everything that a client, a row and an answer must agree on."""

    format_version: Literal[1] = 1
    features: tuple[Feature, ...] = Field(min_length=1)
    target: Target

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"features named twice: {', '.join(twice)}")
        return self

    @cached_property
    def is_numeric(self) -> bool:
        """Whether no feature is a category, so that rows fit a matrix of floats."""
        return all(feature.type != "category" for feature in self.features)

    @cached_property
    def row_type(self) -> type[Row]:
        """The pydantic type of one row."""
        # A column may be called anything ("class", "a b"), a Python attribute may not: hence aliases.
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


def _whole_float_to_int(value: object) -> object:
    # Many clients write 3 as 3.0 (a dataframe column with a gap in it, for one); it is the same number.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
