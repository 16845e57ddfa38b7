"""The checks of a table before anything is fitted to it, as pandera schemas.

Values that break a rule are rejected with their rows. Doubtful properties only become notes.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pandas as pd
import pandera.pandas as pa

from service.model.contract import LARGEST_NUMBER, Bound, Contract, Feature
from service.model.days import DateType, text_of_days
from training.table.columns.column import Column
from training.table.features import to_value
from training.table_errors import TableInvalid, Violation


def check_labels(labels: pd.Series, target: str, folds: int) -> None:
    """Raise TableInvalid unless every row has a label and every class has a row for each fold."""
    schema = pa.SeriesSchema(
        name=target,
        checks=[
            pa.Check(_has_two_classes, error="has only one class; there is nothing to tell apart"),
            pa.Check(
                lambda known: known.map(known.value_counts()) >= folds,
                error=f"is of a class with fewer than the {folds} rows that cross-validation needs",
            ),
        ],
    )
    _validate(schema, labels.rename(target))


def check_numbers(columns: Mapping[str, Column]) -> None:
    """Raise TableInvalid if a number is infinite, or larger than the service accepts."""
    largest = pa.Check(
        lambda numbers: numbers.abs() <= LARGEST_NUMBER, error=f"is infinite or beyond {LARGEST_NUMBER:g}"
    )
    numbers = {name: column.values for name, column in columns.items() if column.type == "float"}
    schema = pa.DataFrameSchema({name: pa.Column("float64", largest, nullable=True) for name in numbers})
    _validate(schema, pd.DataFrame(numbers))


def check_features(frame: pd.DataFrame, contract: Contract) -> None:
    """Raise TableInvalid unless the contract accepts every row of its own table."""
    schema = pa.DataFrameSchema(
        {feature.name: _column_schema(feature) for feature in contract.features}, strict=True
    )
    dates = {feature.name: feature.date_type for feature in contract.features if feature.date_type}
    _validate(schema, frame, dates, missing="is missing, though the override file says that it never is,")


def _has_two_classes(labels: pd.Series) -> bool:
    return labels.nunique() > 1


def _column_schema(feature: Feature) -> pa.Column:
    limits = []
    lowest, highest = feature.limits
    if feature.minimum is not None:
        limits.append(pa.Check.ge(lowest, error=f"is below its minimum of {_shown(feature.minimum)}"))
    if feature.maximum is not None:
        limits.append(pa.Check.le(highest, error=f"is above its maximum of {_shown(feature.maximum)}"))
    held = "object" if feature.type == "category" else "float64"
    return pa.Column(held, limits, nullable=feature.nullable)


def _shown(bound: Bound) -> str:
    return bound if isinstance(bound, str) else f"{bound:g}"


def _validate(
    schema: pa.DataFrameSchema | pa.SeriesSchema,
    values: pd.DataFrame | pd.Series,
    dates: Mapping[str, DateType] = MappingProxyType({}),
    missing: str = "is missing",
) -> None:
    try:
        schema.validate(values, lazy=True)  # type: ignore[arg-type]
    except pa.errors.SchemaErrors as error:
        raise TableInvalid(list(_violations(error.failure_cases, dates, missing))) from error


def _violations(failures: pd.DataFrame, dates: Mapping[str, DateType], missing: str) -> Iterator[Violation]:
    for (column, rule), cases in failures.groupby(["column", "check"], sort=False):
        # A check of a whole column has no index.
        placed = cases.dropna(subset="index").sort_values("index")
        rows = [int(row) + 1 for row in placed["index"]]
        if rule == "not_nullable":
            yield Violation(str(column), missing, [], rows)
            continue
        values = placed["failure_case"].tolist()
        date_type = dates.get(str(column))
        if date_type is not None:
            values = [text_of_days(days, date_type) for days in values]
        yield Violation(str(column), str(rule), values, rows)


def unusable_reason(column: Column) -> str | None:
    """The reason why nothing can be learned from a column, or None."""
    values = column.values
    if values.isna().all():
        return "has no values"
    if values.nunique(dropna=False) == 1:
        return f"has only one value, {to_value(values.iloc[0], column.type)!r}"
    return None


def doubts(columns: Mapping[str, Column], labels: pd.Series) -> Iterator[str]:
    """Notes on rows that are copies of others."""
    rows = pd.concat([*(column.values for column in columns.values()), labels], axis=1)
    copies = int(rows.duplicated().sum())
    if copies:
        which = "1 row is a copy of another" if copies == 1 else f"{copies} rows are copies of others"
        yield f"{which}; where copies fall on both sides of the split, the test flatters the model"
