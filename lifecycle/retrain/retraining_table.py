"""The table of a retraining: the published table, then the labelled rows of the log; the newest are held out.

Rows are in the order of their time: those of the published table first, then those of the log. The newest
rows of the log are held out of the training, for the gate. Rows of one request stay together: they are not
independent, and so the gate would be too sure of itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from lifecycle.retrain.labelled_log import LabelledRow
from service.model.contract import Contract, Feature
from service.model.days import MICROSECONDS_A_DAY
from service.model.label import TargetType
from training.table.dataset import Dataset

_LABEL_TYPES: Mapping[TargetType, str] = {"text": "object", "integer": "int64", "boolean": "bool"}


@dataclass(frozen=True)
class HeldOut:
    """The rows that the gate judges by."""

    rows: Sequence[LabelledRow]
    """In the order of their time."""
    unusable: int
    """Rows at the end of the log that the present champion may have seen, which are trained on."""


@dataclass(frozen=True)
class RetrainingTable:
    """The rows of a training, and those that no model has seen."""

    frame: pd.DataFrame
    """The rows to train on, oldest first: the features, then the target."""
    logged: Sequence[LabelledRow]
    """The rows of the log among them."""
    held_out: HeldOut
    table_rows: int
    """The rows of the published table among them."""


def make_table(
    dataset: Dataset,
    rows: Sequence[LabelledRow],
    *,
    holdout: float,
    seen_upto_id: int,
    newest: int | None = None,
) -> RetrainingTable:
    """The table of a retraining.

    ``holdout`` is a share of the log's rows below 1, or so many of them. The present champion was trained on
    records up to ``seen_upto_id``. ``newest`` limits the rows to train on.
    """
    ordered = sorted(rows, key=lambda row: (row.received_s, row.record_id))
    start = _start_of_held_out(ordered, holdout)
    unseen = [row for row in ordered[start:] if row.record_id > seen_upto_id]
    seen = [row for row in ordered[start:] if row.record_id <= seen_upto_id]
    logged = [*ordered[:start], *seen]
    table = training_frame(dataset)
    kept = len(table) + len(logged) if newest is None else newest
    logged = logged[max(0, len(logged) - kept) :]
    table = table.tail(max(0, kept - len(logged)))
    frame = pd.concat([table, logged_frame(dataset.contract, logged)], ignore_index=True)
    return RetrainingTable(frame, logged, HeldOut(unseen, len(seen)), len(table))


def _start_of_held_out(rows: Sequence[LabelledRow], holdout: float) -> int:
    """Where the rows that are held out begin, which is where a request begins."""
    wanted = int(len(rows) * holdout) if holdout < 1 else int(holdout)
    start = max(0, len(rows) - wanted)
    while 0 < start < len(rows) and rows[start].record_id == rows[start - 1].record_id:
        start -= 1
    return start


def training_frame(dataset: Dataset) -> pd.DataFrame:
    """The rows of a table as they are written."""
    return _typed(dataset.contract, dataset.frame, dataset.labels.tolist())


def logged_frame(contract: Contract, rows: Sequence[LabelledRow]) -> pd.DataFrame:
    """The rows of a log as they are written."""
    values: list[Sequence[Any]] = [*zip(*(row.values for row in rows), strict=True)]
    values = values or [()] * len(contract.features)
    columns = {
        feature.name: np.array(column, dtype=object if feature.type == "category" else np.float64)
        for feature, column in zip(contract.features, values, strict=True)
    }
    return _typed(contract, pd.DataFrame(columns), [row.label for row in rows])


def _typed(contract: Contract, frame: pd.DataFrame, labels: list[Any]) -> pd.DataFrame:
    columns = {feature.name: _column(frame[feature.name], feature) for feature in contract.features}
    target = contract.target
    columns[target.name] = pd.Series(labels, dtype=_LABEL_TYPES[target.type])
    return pd.DataFrame(columns)


def _column(values: pd.Series, feature: Feature) -> pd.Series:
    """The values in a type that states what they are, so that they are read as the feature's type again."""
    values = values.reset_index(drop=True)
    if feature.type == "integer":
        return values.astype("float64").astype("Int64")
    if feature.type == "boolean":
        return values.astype("float64").astype("boolean")
    if feature.date_type is None:
        return values
    moments = np.rint(values.to_numpy(np.float64) * MICROSECONDS_A_DAY)
    return pd.Series(moments.astype("datetime64[us]"))


def write_table(contract: Contract, frame: pd.DataFrame, path: Path) -> None:
    """Write rows as a Parquet file, which only the user of this process may read; raises OSError."""
    types = {feature.name: _stored_type(feature) for feature in contract.features}
    arrays = {
        str(name): pa.Array.from_pandas(frame[name], type=types.get(str(name))) for name in frame.columns
    }
    path.touch(mode=0o600)
    pyarrow.parquet.write_table(pa.table(arrays), path)


def _stored_type(feature: Feature) -> pa.DataType:
    if feature.type == "float":
        return pa.float64()
    if feature.type == "integer":
        return pa.int64()
    if feature.type == "boolean":
        return pa.bool_()
    if feature.type == "category":
        return pa.string()
    return pa.date32() if feature.type == "date" else pa.timestamp("us")
