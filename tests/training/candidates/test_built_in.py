from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from service.model.contract import Matrix
from training.candidates.built_in import CANDIDATES, Candidate
from training.candidates.row_preparation import MAX_CATEGORIES
from training.publish.golden_rows import json_rows
from training.table.dataset import Dataset, load_dataset

each_candidate = pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)


def fitted(candidate: Candidate, dataset: Dataset) -> Pipeline:
    train = dataset.split(0.2, 42).train
    return candidate.pipeline(dataset.contract, 42).fit(train.matrix, train.labels)


def served(dataset: Dataset, matrix: Matrix) -> Matrix:
    """The rows of a matrix after their way through JSON and the contract."""
    rows = TypeAdapter(list[dataset.contract.row_type])  # type: ignore[name-defined]
    return dataset.contract.matrix(rows.validate_python(json_rows(dataset.contract, matrix)))


@each_candidate
def test_json_rows_dataframes_and_training_rows_get_the_same_probabilities(
    candidate: Candidate, mixed_dataset: Dataset
) -> None:
    pipeline = fitted(candidate, mixed_dataset)
    matrix = mixed_dataset.frame.to_numpy()
    expected = pipeline.predict_proba(matrix)
    np.testing.assert_array_equal(pipeline.predict_proba(served(mixed_dataset, matrix)), expected)
    np.testing.assert_array_equal(pipeline.predict_proba(mixed_dataset.rows), expected)
    as_pandas_reads = mixed_dataset.frame.astype({"city": "str", "plan": "str"}).to_numpy()
    np.testing.assert_array_equal(pipeline.predict_proba(as_pandas_reads), expected)


@each_candidate
def test_a_batch_gets_the_probabilities_that_its_rows_get_alone(
    candidate: Candidate, mixed_dataset: Dataset
) -> None:
    pipeline = fitted(candidate, mixed_dataset)
    matrix = mixed_dataset.frame.to_numpy()[:20]
    alone = [pipeline.predict_proba(matrix[row : row + 1])[0] for row in range(len(matrix))]
    np.testing.assert_allclose(pipeline.predict_proba(matrix), alone, atol=1e-12)


@each_candidate
def test_classes_are_those_of_the_contract_in_its_order(candidate: Candidate, mixed_dataset: Dataset) -> None:
    assert tuple(fitted(candidate, mixed_dataset).classes_.tolist()) == mixed_dataset.contract.target.classes


@each_candidate
def test_unknown_categories_and_gaps_everywhere_are_answered(
    candidate: Candidate, mixed_dataset: Dataset
) -> None:
    unlike = np.array(
        [
            [None, None, None, None, 20.0, 3, True, "basic"],
            [30.5, 2, False, "Atlantis", 20.0, 3, True, "unheard of"],
            [1e30, 10**6, True, "Oslo", -1e30, -(10**6), False, "plus"],
        ],
        dtype=object,
    )
    probabilities = fitted(candidate, mixed_dataset).predict_proba(unlike)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_iris_is_scaled_and_nothing_else(iris_dataset: Dataset) -> None:
    pipeline = fitted(CANDIDATES[0], iris_dataset)
    assert isinstance(pipeline.named_steps["prepare"], StandardScaler)


def test_a_category_of_many_values_becomes_a_bounded_number_of_columns(tmp_path: Path) -> None:
    codes = [f"code {n % 80}" for n in range(400)]
    frame = pd.DataFrame({"code": codes, "label": ["ab"[n % 3 == 0] for n in range(400)]})
    frame.to_csv(tmp_path / "codes.csv", index=False)
    dataset = load_dataset(tmp_path / "codes.csv", "label")
    assert len(dataset.contract.features[0].categories) == 80
    assert fitted(CANDIDATES[0], dataset)[-1].n_features_in_ == MAX_CATEGORIES


def test_a_gap_is_a_category_of_its_own(mixed_dataset: Dataset) -> None:
    pipeline = fitted(CANDIDATES[0], mixed_dataset)
    row = mixed_dataset.frame.to_numpy()[:1].copy()
    row[0, 3] = None
    missing = pipeline[:-1].transform(row)
    row[0, 3] = "Atlantis"
    assert not np.array_equal(pipeline[:-1].transform(row), missing)


def test_ranks_of_complexity_are_unequal() -> None:
    ranks = [candidate.complexity for candidate in CANDIDATES]
    assert ranks == sorted(set(ranks))
