"""The field of a number in a row type."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict


def number_annotation(minimum: float, maximum: float, *, is_whole: bool) -> Any:
    """The annotation of a number from ``minimum`` to ``maximum``."""
    limits = Field(ge=minimum, le=maximum)
    if is_whole:
        return Annotated[int, Strict(), limits, BeforeValidator(_whole_float_to_int)]
    return Annotated[float, Strict(), limits]


def _whole_float_to_int(value: object) -> object:
    # Many clients send 3 as 3.0, for example from a dataframe column with missing values.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
