"""What is published for monitoring is the training's own, and anything else is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import bentoml
import mlflow
import numpy as np
import pytest

from service.errors import ModelUnusable
from service.model.published import load_model
from service.model.stored_profile import DIGESTS_KEY, digest_of, read_profile, read_sample
from service.model.training_profile import (
    PROFILE_FILE,
    SAMPLE_FILE,
    NumberProfile,
    TrainingProfile,
)
from service.monitoring.layout import Layout
from tests.support.stores import stored_copy
from training.candidates.built_in import CANDIDATES
from training.progress import Progress
from training.publish.experiment import open_experiment
from training.publish.golden_rows import json_rows
from training.publish.reference.kept_rows import MOST_ROWS, keep_rows
from training.table.dataset import Dataset, Split, load_dataset
from training.table.options import TableOptions
from training.train import Settings, Training, train

pytestmark = pytest.mark.usefixtures("own_stores")

Change = Callable[[dict[str, object]], object]


def profile_of(training: Training) -> TrainingProfile:
    profile = load_model(training.tag).profile
    assert profile is not None
    return profile


def test_the_profile_counts_every_row_of_the_table(mixed_training: Training) -> None:
    profile, dataset = profile_of(mixed_training), mixed_training.dataset
    assert profile.rows == dataset.n_rows == 240
    assert [column.name for column in profile.columns] == list(dataset.frame.columns)
    for column in profile.columns:
        values = dataset.frame[column.name]
        assert column.missing == values.isna().sum()
        if isinstance(column, NumberProfile):
            known = values.dropna().to_numpy()
            bins = np.searchsorted(np.array(column.edges), known, side="left")
            assert column.counts == tuple(np.bincount(bins, minlength=len(column.counts)).tolist())
            assert (column.quantiles[0], column.quantiles[-1]) == (known.min(), known.max())
        else:
            expected = values.value_counts().sort_index()
            assert dict(zip(column.categories, column.counts, strict=True)) == expected.to_dict()
    assert Layout(profile).size > sum(len(column.counts) for column in profile.columns)


@pytest.mark.parametrize("name", ["iris_classifier", "mixed"])
def test_predictions_and_quality_are_those_that_training_logged(
    name: str, iris_training: Training, mixed_training: Training
) -> None:
    (training,) = (each for each in (iris_training, mixed_training) if each.settings.name == name)
    profile, metrics = profile_of(training), training.lineage.metrics
    # Every row is predicted out of sample: out of fold, or in the test split.
    assert profile.predictions.rows == profile.rows
    assert profile.test_rows == len(training.choice.champion.test.labels)
    for metric, logged in (
        ("accuracy", "test_accuracy"),
        ("f1_macro", "test_f1_macro"),
        ("log_loss", "test_log_loss"),
    ):
        assert profile.quality[metric].value == pytest.approx(metrics[logged])  # type: ignore[index]
    for figure in profile.quality.values():
        assert figure.low < figure.value <= figure.high
    own = training.choice.champion.out_of_fold
    assert len(own.labels) + profile.test_rows == profile.rows


def test_the_profile_is_an_artifact_of_the_champions_run(iris_training: Training, own_stores: Path) -> None:
    open_experiment(iris_training.settings.name, own_stores)
    logged = mlflow.artifacts.load_text(f"runs:/{iris_training.lineage.run_id}/{PROFILE_FILE}")
    assert TrainingProfile.model_validate_json(logged) == profile_of(iris_training)


def test_a_training_on_a_sample_of_the_rows_profiles_all_of_them(
    own_stores: Path, iris_dataset: Dataset, progress: Progress
) -> None:
    # As an excerpt of a large table: what is logged and compared is a part of the rows.
    places = np.arange(0, 150, 5)
    split = iris_dataset.split(0.2, 42)
    part = iris_dataset.frame.iloc[places].reset_index(drop=True)
    excerpt = Dataset(
        iris_dataset.table, iris_dataset.contract, part, iris_dataset.labels[places], (), iris_dataset.n_rows
    )
    training = train(excerpt, split, Settings("part", 0.2, 42, own_stores), progress, CANDIDATES[:1])
    profile = profile_of(training)
    assert profile.rows == 150
    for column, feature in zip(profile.columns, iris_dataset.contract.features, strict=True):
        assert isinstance(column, NumberProfile)
        assert column.mean == pytest.approx(iris_dataset.frame[feature.name].mean())


class TestSample:
    def test_a_model_has_no_row_of_the_table_unless_a_person_wants_it(self, mixed_training: Training) -> None:
        stored = bentoml.models.get(mixed_training.tag)
        assert read_sample(stored, mixed_training.dataset.contract) is None
        assert not Path(stored.path_of(SAMPLE_FILE)).exists()

    def test_a_kept_sample_has_rows_of_the_table(
        self, own_stores: Path, mixed_dataset: Dataset, progress: Progress
    ) -> None:
        settings = Settings("kept", 0.2, 42, own_stores, keeps_sample=True)
        training = train(mixed_dataset, mixed_dataset.split(0.2, 42), settings, progress, CANDIDATES[:1])
        sample = read_sample(bentoml.models.get(training.tag), mixed_dataset.contract)
        assert sample is not None
        assert sample.contract.features == mixed_dataset.contract.features
        assert len(sample.matrix) == mixed_dataset.n_rows

        def ordered(matrix: np.ndarray) -> list[str]:
            return sorted(json.dumps(row) for row in json_rows(mixed_dataset.contract, matrix))

        assert ordered(sample.matrix) == ordered(mixed_dataset.frame.to_numpy())

    def test_it_has_at_most_2000_rows_of_both_portions_the_same_for_one_seed(
        self, iris_dataset: Dataset
    ) -> None:
        split = iris_dataset.split(0.2, 42)
        places = np.arange(24_000) % 120
        large = Split(split.train.take(places), split.test)
        sample = keep_rows(iris_dataset.contract, large, 1)
        assert sample is not None
        assert len(sample.rows) == MOST_ROWS
        assert (
            sample == keep_rows(iris_dataset.contract, large, 1) != keep_rows(iris_dataset.contract, large, 2)
        )


class TestMangled:
    """A copy of a published model with another profile is not served."""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda profile: profile["columns"].pop(), "its columns are not the 8 features"),
            (lambda profile: profile["columns"].reverse(), "its columns are not the 8 features"),
            (
                lambda profile: profile["columns"][0].update(is_time=True),
                "'age' is not profiled as a float",
            ),
            (
                lambda profile: profile["columns"][3].update(categories=["A", "B", "C", "D"]),
                "'city' is not profiled as a category",
            ),
            (
                lambda profile: profile["predictions"].update(counts=[100, 140]),
                "its predictions are of 2 classes, not of 3",
            ),
            (lambda profile: profile["quality"].pop("brier"), "its quality lacks brier"),
            (lambda profile: profile["quality"]["f1_macro"].update(low=1.1), "f1_macro is outside of its"),
            (lambda profile: profile.update(rows=241), "counts 240 rows of 241"),
            (lambda profile: profile.update(format_version=2), "format_version"),
            (lambda profile: profile["columns"][0]["edges"].reverse(), "do not ascend"),
            (lambda profile: profile["predictions"]["calibration"].reverse(), "map does not ascend"),
            (lambda profile: profile["columns"][0].update(kind="text"), "cannot be read"),
        ],
    )
    def test_one_that_does_not_fit(self, change: Change, reason: str, mixed_training: Training) -> None:
        def mangle(folder: Path, metadata: dict[str, object]) -> None:
            profile = json.loads((folder / PROFILE_FILE).read_bytes())
            change(profile)
            content = json.dumps(profile).encode()
            (folder / PROFILE_FILE).write_bytes(content)
            metadata[DIGESTS_KEY] = {PROFILE_FILE: digest_of(content)}

        tag = stored_copy(mixed_training.tag, "mangled", mangle)
        with pytest.raises(ModelUnusable, match=f"{tag} cannot be served: {PROFILE_FILE} .*(?s:.*){reason}"):
            load_model(tag)

    def test_one_that_is_not_the_published_file(self, mixed_training: Training) -> None:
        def mangle(folder: Path, _: dict[str, object]) -> None:
            text = (folder / PROFILE_FILE).read_text()
            (folder / PROFILE_FILE).write_text(text.replace('"missing":0', '"missing": 0', 1))

        tag = stored_copy(mixed_training.tag, "changed", mangle)
        with pytest.raises(ModelUnusable, match=f"{PROFILE_FILE} is not the file that was published"):
            load_model(tag)

    def test_one_whose_digest_nobody_wrote_down(self, mixed_training: Training) -> None:
        tag = stored_copy(mixed_training.tag, "unnamed", lambda _, metadata: metadata.pop(DIGESTS_KEY))
        with pytest.raises(ModelUnusable, match=f"{PROFILE_FILE} is not the file that was published"):
            load_model(tag)

    def test_one_that_is_gone(self, mixed_training: Training) -> None:
        tag = stored_copy(mixed_training.tag, "gone", lambda folder, _: (folder / PROFILE_FILE).unlink())
        with pytest.raises(ModelUnusable, match=rf"No such file.*{PROFILE_FILE}"):
            load_model(tag)

    def test_a_sample_that_is_not_the_published_one_or_does_not_fit(self, mixed_training: Training) -> None:
        def add(rows: list[dict[str, object]]) -> str:
            def mangle(folder: Path, metadata: dict[str, object]) -> None:
                content = json.dumps({"rows": rows}).encode()
                (folder / SAMPLE_FILE).write_bytes(content)
                digests = metadata[DIGESTS_KEY]
                assert isinstance(digests, dict)
                metadata[DIGESTS_KEY] = {**digests, SAMPLE_FILE: digest_of(content)}

            return stored_copy(mixed_training.tag, "sampled", mangle)

        contract = mixed_training.dataset.contract
        (row,) = json_rows(contract, mixed_training.dataset.frame.to_numpy()[:1])
        tag = add([dict(row)])
        stored = bentoml.models.get(tag)
        assert read_sample(stored, contract) is not None
        tag = add([{**row, "plan": 7}])
        with pytest.raises(ModelUnusable, match=f"{SAMPLE_FILE} does not fit the contract"):
            read_sample(bentoml.models.get(tag), contract)
        Path(bentoml.models.get(tag).path_of(SAMPLE_FILE)).write_text("{}")
        with pytest.raises(ModelUnusable, match=f"{SAMPLE_FILE} is not the file that was published"):
            load_model(tag)


def test_a_model_that_was_published_without_a_profile_is_served(mixed_training: Training) -> None:
    def forget(folder: Path, metadata: dict[str, object]) -> None:
        (folder / PROFILE_FILE).unlink()
        del metadata[DIGESTS_KEY]

    model = load_model(stored_copy(mixed_training.tag, "older", forget))
    assert model.profile is None
    expected = load_model(mixed_training.tag).predict_proba(model.sample)
    np.testing.assert_array_equal(model.predict_proba(model.sample), expected)
    assert read_profile(bentoml.models.get(model.tag), model.contract) is None


def test_a_table_of_identifiers_alone_has_no_rows_to_keep(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    rows = [(f"BORROWER{n:03}{n * 7919 % 997}", n % 2) for n in range(40)]
    path.write_text("borrower,repaid\n" + "".join(f"{name},{label}\n" for name, label in rows))
    dataset = load_dataset(path, "repaid", TableOptions(keep=("borrower",)))
    assert [feature.withheld for feature in dataset.contract.features] == [True]
    assert keep_rows(dataset.contract, dataset.split(0.25, 42), 42) is None
