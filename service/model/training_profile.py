"""The training profile: the distribution of the training table, and the quality on held-out rows.

Publishing writes it as ``profile.json``. Monitoring compares what the service receives with it. The counts
are exact: of every row of the table, or of every row whose prediction is out of sample. The file has no value
of a withheld column.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

PROFILE_FILE = "profile.json"
SAMPLE_FILE = "sample.json"
"""Rows of the training table; a model has them only if it was trained with ``--keep-sample``."""

CONFIDENCE_EDGES = tuple(step / 20 for step in range(1, 20))
"""Bounds of the bins of confidences, as those of a number (``NumberProfile.edges``)."""

QualityMetric = Literal["accuracy", "f1_macro", "log_loss", "brier", "calibration_error"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Rows = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _ascend(numbers: Sequence[float], *, strictly: bool) -> bool:
    return all(low < high or (low == high and not strictly) for low, high in pairwise(numbers))


class NumberProfile(_Part):
    """A column of numbers; a boolean is 0 or 1, a date its days since 1970-01-01."""

    kind: Literal["number"] = "number"
    name: str
    edges: tuple[float, ...]
    """Ascending. Bin k has the values above edge k-1 up to edge k; the last bin those above the last edge.
    They are quantiles of the table, or the middles between its values if it has few. The first edge is just
    below the minimum and the last one is the maximum: the first and the last bin are empty in the table, and
    have the values beyond it. A boolean has one edge, 0.5."""
    counts: tuple[Rows, ...]
    """Rows in each bin, one more than edges."""
    means: tuple[float, ...]
    """The mean value in each bin; an edge of it if it is empty."""
    missing: Rows = 0
    mean: float
    standard_deviation: float = Field(ge=0)
    quantiles: tuple[float, ...]
    """At 0, 1, ..., 100 %: the first is the minimum, the last the maximum."""
    is_time: bool = False
    """Whether it is a date. Time goes on, so its values are not compared, only how many are missing."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not len(self.counts) == len(self.means) == len(self.edges) + 1:
            raise ValueError(f"column {self.name!r} has {len(self.edges)} edges and {len(self.counts)} bins")
        if not _ascend(self.edges, strictly=True):
            raise ValueError(f"the edges of column {self.name!r} do not ascend")
        if len(self.quantiles) != 101 or not _ascend(self.quantiles, strictly=False):
            raise ValueError(f"the quantiles of column {self.name!r} are not 101 ascending numbers")
        return self

    @property
    def rows(self) -> int:
        """All rows, with those where it is missing."""
        return sum(self.counts) + self.missing


class CategoryProfile(_Part):
    """A column of categories. A withheld column has no categories: only its missing values are counted."""

    kind: Literal["category"] = "category"
    name: str
    categories: tuple[str, ...]
    """The most frequent ones, sorted."""
    counts: tuple[Rows, ...]
    """Rows of each."""
    rest: Rows = 0
    """Rows of the table's other categories, which the contract lists."""
    missing: Rows = 0
    is_withheld: bool = False
    """Whether the contract withholds its values. A withheld column of numbers is profiled so, too."""
    withheld_rows: Rows = 0
    """Rows with a value, of a withheld column."""
    seen_once: Rows | None = None
    """Categories that a single row of the table has, those of the rest too. None: not counted."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.counts) != len(self.categories):
            raise ValueError(f"column {self.name!r} has {len(self.categories)} categories and other counts")
        if self.is_withheld and (self.categories or self.rest):
            raise ValueError(f"column {self.name!r} is withheld but has categories")
        if self.withheld_rows and not self.is_withheld:
            raise ValueError(f"column {self.name!r} has withheld rows but is not withheld")
        return self

    @property
    def rows(self) -> int:
        """All rows, with those where it is missing."""
        return sum(self.counts) + self.rest + self.missing + self.withheld_rows


ColumnProfile = Annotated[NumberProfile | CategoryProfile, Field(discriminator="kind")]


class Figure(_Part):
    """A quality figure of held-out rows, with its 95 % interval."""

    value: float
    low: float
    high: float


class PredictionProfile(_Part):
    """Predictions of rows that the model was not fitted to: out of fold, and of the test split."""

    counts: tuple[Rows, ...]
    """Rows predicted as each class, in the contract's order of classes."""
    confidence_counts: tuple[Rows, ...]
    """Rows in each bin of confidence; the bounds are 0.05, 0.10, ..., 0.95."""
    confidence_means: tuple[Share, ...]
    """The mean confidence in each bin; its middle if it is empty."""
    calibration_edges: tuple[float, ...]
    """Bounds of the bins of the calibration map, as those of a number."""
    calibration: tuple[Share, ...]
    """The share of right predictions among rows of each of these bins, made non-decreasing."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not len(self.confidence_counts) == len(self.confidence_means) == len(CONFIDENCE_EDGES) + 1:
            raise ValueError("the confidences have another number of bins")
        if sum(self.confidence_counts) != self.rows:
            raise ValueError("the confidences are of another number of rows than the labels")
        if len(self.calibration) != len(self.calibration_edges) + 1:
            raise ValueError("the calibration map has another number of bins than bounds")
        if not _ascend(self.calibration_edges, strictly=True):
            raise ValueError("the bounds of the calibration map do not ascend")
        if not _ascend(self.calibration, strictly=False):
            raise ValueError("the calibration map does not ascend")
        return self

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.counts)


class TrainingProfile(_Part):
    """The reference of monitoring."""

    format_version: Literal[1] = 1
    rows: int = Field(ge=1)
    """Of the training table, with the test split."""
    columns: tuple[ColumnProfile, ...]
    """The features in contract order."""
    predictions: PredictionProfile
    test_rows: int = Field(ge=1)
    """Of the test split, on which the quality was measured."""
    quality: Mapping[QualityMetric, Figure]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for column in self.columns:
            if column.rows != self.rows:
                raise ValueError(f"column {column.name!r} counts {column.rows} rows of {self.rows}")
        for name, figure in self.quality.items():
            if not figure.low <= figure.value <= figure.high:
                raise ValueError(f"the figure of {name} is outside of its interval")
        return self


class TrainingSample(_Part):
    """Rows of the training table, without the columns that the contract withholds."""

    format_version: Literal[1] = 1
    rows: tuple[dict[str, float | int | bool | str | None], ...] = Field(min_length=1)
    """Values as a client sends them, by the name of the feature."""
