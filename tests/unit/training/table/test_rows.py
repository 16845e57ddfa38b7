"""A training row, an estimator's row and a client's JSON row are one and the same row."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from service.model.contract import LARGEST_EXACT_INTEGER, Matrix, Row
from service.model.reference_profile import NO_FLAGS
from tests.support.row_flags import flagged
from training.column_errors import ColumnMixed, ColumnUnsupported
from training.publish.golden_rows import json_rows
from training.table.dataset import Dataset, load_dataset
from training.table.options import TableOptions
from training.table_errors import NoUsableFeature

COLUMNS = {
    "float": st.floats(-1e30, 1e30),
    "integer": st.integers(1 - LARGEST_EXACT_INTEGER, LARGEST_EXACT_INTEGER - 1),
    "boolean": st.booleans(),
    "date": st.dates(),
    "datetime": st.datetimes(),
    "text": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
}


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Tables of up to four columns of any type, with gaps, and a label that has rows enough."""
    n_rows = draw(st.integers(10, 16))
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4))
    columns = {
        f"{kind} {place}": pd.Series(
            draw(st.lists(st.none() | COLUMNS[kind], min_size=n_rows, max_size=n_rows)), dtype=object
        )
        for place, kind in enumerate(kinds)
    }
    labels = pd.Series(["yes" if row % 2 else "no" for row in range(n_rows)], dtype=object)
    return pd.DataFrame({**columns, "label": labels})


def load(frame: pd.DataFrame, *, as_parquet: bool) -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        if as_parquet:
            columns = {name: pa.array(column.tolist()) for name, column in frame.items()}
            pa.parquet.write_table(pa.table(columns), path)
        else:
            frame.to_csv(path, index=False, lineterminator="\r\n")
        try:
            # Many of these columns would look like identifiers.
            names = tuple(name for name in frame.columns if name != "label")
            return load_dataset(path, "label", TableOptions(keep=names))
        except (NoUsableFeature, ColumnMixed, ColumnUnsupported):
            assume(False)
            raise


def validated(dataset: Dataset) -> list[Row]:
    """The dataset's rows as the service makes them of JSON."""
    body = json.dumps(json_rows(dataset.contract, dataset.frame.to_numpy()))
    return TypeAdapter(list[dataset.contract.row_type]).validate_json(body)  # type: ignore[name-defined]


def comparable(matrix: Matrix) -> list[list[object]]:
    return [[None if value != value else value for value in row] for row in matrix.tolist()]


@given(frame=tables(), as_parquet=st.booleans())
def test_the_contract_takes_every_row_that_it_was_inferred_from(
    frame: pd.DataFrame, as_parquet: bool
) -> None:
    dataset = load(frame, as_parquet=as_parquet)
    matrix = dataset.contract.matrix(validated(dataset))
    assert comparable(matrix) == comparable(dataset.frame.to_numpy())
    assert flagged(dataset.contract, matrix) == NO_FLAGS


@given(frame=tables())
def test_the_example_of_a_feature_is_one_of_its_values_unless_they_are_withheld(frame: pd.DataFrame) -> None:
    dataset = load(frame, as_parquet=False)
    rows = json_rows(dataset.contract, dataset.frame.to_numpy())
    for feature in dataset.contract.features:
        is_one = feature.example in [row[feature.name] for row in rows]
        assert is_one or feature.withheld
        contract_row = {**rows[0], feature.name: feature.example}
        dataset.contract.row_type.model_validate(contract_row)


def test_a_mixed_row_has_jsons_own_types(mixed_dataset: Dataset) -> None:
    types = {
        feature.name: {
            type(row[feature.name])
            for row in json_rows(mixed_dataset.contract, mixed_dataset.frame.to_numpy())
        }
        for feature in mixed_dataset.contract.features
    }
    none = type(None)
    assert types == {
        "age": {float, none},
        "visits": {int, none},
        "member": {bool, none},
        "city": {str, none},
        "income": {float},
        "rooms": {int},
        "active": {bool},
        "plan": {str},
    }


def test_a_numeric_table_is_a_matrix_of_floats(iris_dataset: Dataset) -> None:
    assert iris_dataset.frame.to_numpy().dtype == np.float64
