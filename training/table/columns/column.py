"""A column's type, and its values as an estimator takes them.

Values have the same form as in the service: numbers and booleans are 64-bit floats with NaN for a missing
one, dates are days since 1970-01-01, categories are ``str`` objects with None.
"""

from typing import NamedTuple

import pandas as pd

from service.model.contract import FeatureType
from training.column_errors import OddText


class Column(NamedTuple):
    """A column's type, and its values: float64 with NaN, or objects with None for a category."""

    type: FeatureType
    values: pd.Series


class ReadColumn(NamedTuple):
    """A column as it was read."""

    column: Column
    notes: tuple[str, ...] = ()
    """What was not read as it stands, as sentences."""
    unit: str | None = None
    """The sign beside the numbers, such as ``%``."""
    missing_texts: tuple[OddText, ...] = ()
    """Texts of a category that were read as missing."""
