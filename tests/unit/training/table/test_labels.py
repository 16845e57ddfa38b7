from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from training.column_errors import LabelInvalid, LabelsInexact, LabelsMissing
from training.table.dataset import load_dataset
from training.table.options import TableOptions

ROWS: list[Sequence[object]] = [[x / 2, "a" if x % 2 else "b"] for x in range(30)]


def write(path: Path, rows: Sequence[Sequence[object]], header: list[str]) -> Path:
    pd.DataFrame(rows, columns=header).to_csv(path, index=False)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.mark.parametrize("form", ["{}", "{}.0"])
def test_labels_that_floats_would_round(path: Path, form: str) -> None:
    rows = [[form.format(2**53 + 1 + 2 * (n % 2)), row[1]] for n, row in enumerate(ROWS)]
    with pytest.raises(LabelsInexact, match="--as category 'y'"):
        load_dataset(write(path, rows, ["y", "letter"]), "y")
    texts = load_dataset(write(path, rows, ["y", "letter"]), "y", TableOptions(kinds={"y": "category"}))
    assert texts.contract.target.classes == (form.format(2**53 + 1), form.format(2**53 + 3))


def test_a_label_that_numpy_would_cut(path: Path) -> None:
    labels = pa.array(["a", "a\0"] * 15)
    pa.parquet.write_table(pa.table({"x": range(30), "y": labels}), path)
    with pytest.raises(LabelInvalid, match=r"'a\\x00', which contains the character NUL"):
        load_dataset(path, "y")


def test_a_class_that_stands_for_a_missing_value(path: Path) -> None:
    rows = [[row[0], "None" if n % 3 else "Mild"] for n, row in enumerate(ROWS)]
    with pytest.raises(LabelsMissing, match=r"'None' \(20 rows: 2, 3, 5, \.\.\.\).*none-but-empty"):
        load_dataset(write(path, rows, ["x", "y"]), "y")
    options = TableOptions(missing=("none-but-empty",))
    kept = load_dataset(write(path, rows, ["x", "y"]), "y", options)
    assert kept.contract.target.classes == ("Mild", "None")


def test_classes_that_differ_in_case_only(path: Path) -> None:
    rows = [[row[0], ("Yes", "yes ", "NO")[n % 3]] for n, row in enumerate(ROWS)]
    dataset = load_dataset(write(path, rows, ["x", "y"]), "y")
    assert dataset.contract.target.classes == ("NO", "Yes", "yes")
    assert dataset.notes[0] == "'y' has values that differ in case only: 'Yes', 'yes'"
