"""The compiled form serves only where it was proven to be scikit-learn's equal."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import onnx
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from service.model.compiled import CompiledForm
from service.model.contract import Contract
from tests.support.row_flags import flagged
from tests.support.tables import WriteCsv
from training.candidates.built_in import CANDIDATES, Candidate
from training.compile.compilation import BATCHES, RANDOM_ROWS, compare, compile_champion
from training.compile.conversion import to_onnx
from training.compile.random_rows import random_rows
from training.table.dataset import Dataset, load_dataset

LOGISTIC_REGRESSION, NEIGHBOURS, FOREST, BOOSTING = CANDIDATES
ALWAYS_COMPILED = (LOGISTIC_REGRESSION, FOREST, BOOSTING)

each_compiled = pytest.mark.parametrize("candidate", ALWAYS_COMPILED, ids=lambda candidate: candidate.name)


def fitted(candidate: Candidate, dataset: Dataset) -> Pipeline:
    train = dataset.split(0.2, 42).train
    return candidate.pipeline(dataset.contract, 42).fit(train.matrix, train.labels)


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Categories alone, with gaps and rare values, and two classes."""
    random = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("codes") / "codes.csv"
    lines = ["code,colour,bought"]
    for _ in range(400):
        code, colour = int(random.zipf(1.3)) % 90, random.choice(["red", "blue", ""])
        bought = (code % 3 == 0) != (random.random() < 0.2)
        lines.append(f"code {code},{colour},{str(bought).lower()}")
    path.write_text("\n".join(lines))
    return load_dataset(path, "bought")


@pytest.fixture(scope="module")
def days_only(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A day and its time in one column without gaps, and nothing else."""
    path = tmp_path_factory.mktemp("days") / "days.csv"
    start = datetime(2024, 2, 1, tzinfo=UTC)
    times = [start + timedelta(hours=7 * row) for row in range(120)]
    path.write_text("\n".join(["at,night", *(f"{at.isoformat()},{at.hour < 6}" for at in times)]))
    return load_dataset(path, "night")


@each_compiled
@pytest.mark.parametrize(
    "name", ["iris_dataset", "mixed_dataset", "two_classes", "visits_dataset", "days_only"]
)
def test_it_is_equal_to_the_last_digits_on_the_table_and_random_rows(
    candidate: Candidate, name: str, request: pytest.FixtureRequest
) -> None:
    dataset: Dataset = request.getfixturevalue(name)
    table = dataset.frame.to_numpy()
    verdict, accepted = compile_champion(fitted(candidate, dataset), dataset.contract, table, 42)
    assert (verdict.accepted, verdict.reason, verdict.labels_equal) == (True, None, True)
    assert verdict.rows == len(table) + RANDOM_ROWS
    assert verdict.largest_difference is not None
    assert verdict.largest_difference <= (0 if candidate is FOREST else 1e-14)
    assert verdict.row_independent
    assert verdict.compiler is not None
    assert verdict.compiler.startswith("ONNX Runtime 1.")
    assert accepted is not None


@each_compiled
def test_a_row_gets_the_same_bits_alone_and_in_a_batch_of_any_size(
    candidate: Candidate, mixed_dataset: Dataset
) -> None:
    contract = mixed_dataset.contract
    compiled = CompiledForm(to_onnx(fitted(candidate, mixed_dataset), contract))
    rows = random_rows(contract, mixed_dataset.frame.to_numpy(), 1000, 1)
    together = compiled.predict_proba(rows)
    for size in (*BATCHES, 7, 255, 256, 257):
        parts = [compiled.predict_proba(rows[start : start + size]) for start in range(0, 300, size)]
        answers = np.concatenate(parts)
        np.testing.assert_array_equal(answers, together[: len(answers)])
    shuffled = np.random.default_rng(2).permutation(len(rows))
    np.testing.assert_array_equal(compiled.predict_proba(rows[shuffled]), together[shuffled])


def test_a_row_with_dates_gets_the_same_bits_alone_and_in_a_batch(visits_dataset: Dataset) -> None:
    contract = visits_dataset.contract
    compiled = CompiledForm(to_onnx(fitted(BOOSTING, visits_dataset), contract))
    rows = random_rows(contract, visits_dataset.frame.to_numpy(), 600, 1)
    together = compiled.predict_proba(rows)
    for size in BATCHES:
        parts = [compiled.predict_proba(rows[start : start + size]) for start in range(0, 200, size)]
        answers = np.concatenate(parts)
        np.testing.assert_array_equal(answers, together[: len(answers)])


def test_dates_that_a_pipeline_takes_as_plain_numbers_are_not_compiled(days_only: Dataset) -> None:
    train = days_only.split(0.2, 42).train
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.matrix, train.labels)
    verdict, _ = compile_champion(pipeline, days_only.contract, train.matrix, 42)
    assert (verdict.accepted, verdict.reason) == (
        False,
        "a category or a date as a number cannot be compiled",
    )


def test_a_form_of_an_earlier_version_without_dates_in_its_layout_still_loads(iris_dataset: Dataset) -> None:
    model = onnx.load_from_string(to_onnx(fitted(LOGISTIC_REGRESSION, iris_dataset), iris_dataset.contract))
    (entry,) = model.metadata_props
    layout = json.loads(entry.value)
    assert layout.pop("dates") == []
    entry.value = json.dumps(layout)
    matrix = iris_dataset.frame.to_numpy()
    old, new = (
        CompiledForm(model.SerializeToString()),
        CompiledForm(to_onnx(fitted(LOGISTIC_REGRESSION, iris_dataset), iris_dataset.contract)),
    )
    np.testing.assert_array_equal(old.predict_proba(matrix), new.predict_proba(matrix))


def test_two_classes_that_are_level_get_the_label_that_scikit_learn_gives(write_csv: WriteCsv) -> None:
    # Every value has as many rows of one class as of the other, and trees that see all of them.
    rows = [[x, label] for x in range(10) for label in ("no", "yes") for _ in range(5)]
    dataset = load_dataset(write_csv(["x", "label"], rows), "label")
    even = Candidate("forest", "forest", 0, RandomForestClassifier, {"n_estimators": 2, "bootstrap": False})
    matrix = dataset.frame.to_numpy()
    pipeline = even.pipeline(dataset.contract, 42).fit(matrix, dataset.labels)
    compiled = CompiledForm(to_onnx(pipeline, dataset.contract))
    expected = pipeline.predict_proba(matrix)
    assert (expected == 0.5).all()
    np.testing.assert_array_equal(compiled.predict_proba(matrix), expected)


def test_trees_that_are_nothing_but_a_root_are_compiled(iris_dataset: Dataset) -> None:
    stumps = Candidate("stumps", "stumps", 0, RandomForestClassifier, {"min_samples_leaf": 100})
    verdict, _ = compile_champion(
        fitted(stumps, iris_dataset), iris_dataset.contract, iris_dataset.frame.to_numpy(), 42
    )
    assert verdict.accepted
    assert verdict.largest_difference == 0


def test_neighbours_are_compiled_where_no_ties_tell_them_apart(iris_dataset: Dataset) -> None:
    verdict, _ = compile_champion(
        fitted(NEIGHBOURS, iris_dataset), iris_dataset.contract, iris_dataset.frame.to_numpy(), 42
    )
    assert verdict.accepted


def test_a_form_that_gives_different_labels_is_not_accepted(iris_dataset: Dataset) -> None:
    pipeline = fitted(FOREST, iris_dataset)
    another = CompiledForm(to_onnx(fitted(LOGISTIC_REGRESSION, iris_dataset), iris_dataset.contract))
    verdict = compare(pipeline, another, iris_dataset.frame.to_numpy())
    assert (verdict.accepted, verdict.labels_equal) == (False, False)
    assert verdict.reason is not None
    assert verdict.reason.endswith("of 150 rows got a different label")


def test_a_form_whose_probabilities_differ_is_not_accepted(iris_dataset: Dataset) -> None:
    pipeline = fitted(LOGISTIC_REGRESSION, iris_dataset)
    compiled = CompiledForm(to_onnx(pipeline, iris_dataset.contract))
    pipeline.named_steps["classify"].coef_ *= 1 + 1e-5
    verdict = compare(pipeline, compiled, iris_dataset.frame.to_numpy())
    assert (verdict.accepted, verdict.labels_equal) == (False, True)
    assert verdict.largest_difference is not None
    assert 1e-6 < verdict.largest_difference < 1e-4
    assert verdict.reason is not None
    assert verdict.reason.startswith("a probability differs by")


def test_a_step_that_cannot_be_compiled_is_a_verdict_and_no_failure(iris_dataset: Dataset) -> None:
    train = iris_dataset.split(0.2, 42).train
    for pipeline, reason in (
        (make_pipeline(StandardScaler(), DummyClassifier()), "a DummyClassifier cannot be compiled"),
        (make_pipeline(MinMaxScaler(), LogisticRegression()), r"MinMaxScaler() cannot be compiled"),
    ):
        pipeline.fit(train.matrix, train.labels)
        verdict, accepted = compile_champion(pipeline, iris_dataset.contract, train.matrix, 42)
        assert (verdict.accepted, verdict.reason, verdict.rows, accepted) == (False, reason, 0, None)


def test_an_estimator_that_fails_is_a_verdict_and_no_failure(iris_dataset: Dataset) -> None:
    pipeline = fitted(LOGISTIC_REGRESSION, iris_dataset)
    del pipeline.named_steps["classify"].coef_
    verdict, _ = compile_champion(pipeline, iris_dataset.contract, iris_dataset.frame.to_numpy(), 42)
    assert not verdict.accepted
    assert verdict.reason is not None
    assert "coef_" in verdict.reason


def test_rows_that_scikit_learn_refuses_are_left_out(write_csv: WriteCsv) -> None:
    # Scaled, the largest numbers that the contract takes are beyond the 32 bits of a forest.
    rows = [[n * 1e-12, "ab"[n % 2]] for n in range(60)]
    dataset = load_dataset(write_csv(["tiny", "label"], rows), "label")
    verdict, _ = compile_champion(fitted(FOREST, dataset), dataset.contract, dataset.frame.to_numpy(), 42)
    assert verdict.accepted
    assert RANDOM_ROWS * 0.99 < verdict.rows < RANDOM_ROWS + 60


class TestRandomRows:
    def test_they_have_all_that_the_contract_lets_through(self, mixed_dataset: Dataset) -> None:
        contract, table = mixed_dataset.contract, mixed_dataset.frame.to_numpy()
        rows = random_rows(contract, table, 3000, 42)
        assert rows.shape == (3000, len(contract.features))
        for place, feature in enumerate(contract.features):
            values = rows[:, place].tolist()
            assert (None in values) == feature.nullable
            if feature.type == "category":
                known, unknown = set(feature.categories), set(values) - {None}
                assert known < unknown
            elif feature.is_number:
                assert set(values) & set(table[:, place].tolist())
        assert len(flagged(contract, rows).counts) == 10

    def test_they_keep_to_limits_and_to_closed_categories(self, mixed_dataset: Dataset) -> None:
        limits: dict[str, dict[str, float]] = {
            "income": {"minimum": 3.0, "maximum": 30.0},
            "rooms": {"minimum": 2, "maximum": 4},
        }
        features = [
            {**feature.model_dump(), "closed": feature.type == "category", **limits.get(feature.name, {})}
            for feature in mixed_dataset.contract.features
        ]
        contract = Contract.model_validate({**mixed_dataset.contract.model_dump(), "features": features})
        rows = random_rows(contract, mixed_dataset.frame.to_numpy(), 2000, 42)
        assert {row[7] for row in rows} == {"basic", "plus"}
        assert {row[5] for row in rows} == {2, 3, 4}
        assert (min(row[4] for row in rows), max(row[4] for row in rows)) == (3.0, 30.0)

    def test_dates_are_what_the_service_accepts(self, visits_dataset: Dataset) -> None:
        contract, table = visits_dataset.contract, visits_dataset.frame.to_numpy()
        rows = random_rows(contract, table, 3000, 42)
        booked, arrived = ([row[place] for row in rows] for place in (0, 1))
        assert all(days == int(days) for days in booked)
        assert set(booked) & set(table[:, 0])
        assert any(days is not None and days % 1 for days in arrived)
        counts = flagged(contract, rows).counts
        reasons = {kind.reason for kind in counts if kind.feature == "arrived"}
        assert reasons == {"below_observed_minimum", "above_observed_maximum"}

    def test_one_seed_gives_one_set_of_rows(self, iris_dataset: Dataset) -> None:
        table = iris_dataset.frame.to_numpy()
        one, same, other = (random_rows(iris_dataset.contract, table, 50, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)
