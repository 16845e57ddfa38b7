from pathlib import Path

import bentoml
import mlflow
import numpy as np
import pytest
from pydantic import TypeAdapter
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier

from service.model.contract import Contract
from service.model.published import Golden, Lineage, load_model, read_contract
from service.model.runtime import NOT_COMPILED, Compilation
from tests.support.row_flags import flagged
from training.candidates.built_in import CANDIDATES, Candidate
from training.compile.compilation import compile_champion
from training.progress import Progress
from training.publish.golden_rows import golden_rows, json_rows
from training.publish.publication import publish
from training.table.dataset import Dataset
from training.train import Settings, Training, train
from training.training_errors import PublicationFailed, TrackingFailed

pytestmark = pytest.mark.usefixtures("own_stores")

UNSTABLE = Candidate(
    "guesswork", "guesswork", 0, DummyClassifier, {"strategy": "stratified"}, takes_seed=False
)
UNTRUSTED = Candidate(
    "search_tree", "search tree", 0, KNeighborsClassifier, {"algorithm": "kd_tree"}, takes_seed=False
)


def versions(name: str) -> list[str]:
    return [str(model.tag) for model in bentoml.models.list() if model.tag.name == name]


def champion(name: str) -> str:
    return str(mlflow.MlflowClient().get_model_version_by_alias(name, "champion").version)


def lineage_as(name: str, training: Training, compilation: Compilation = NOT_COMPILED) -> Lineage:
    return training.lineage.model_copy(update={"registered_model": name, "compilation": compilation})


def golden_of(candidate: Candidate, dataset: Dataset) -> Golden:
    split = dataset.split(0.2, 42)
    pipeline = candidate.pipeline(dataset.contract, 42).fit(split.train.matrix, split.train.labels)
    return golden_rows(pipeline, dataset.contract, split.test.matrix)


@pytest.mark.parametrize("name", ["iris_classifier", "mixed"])
def test_what_is_published_is_what_was_trained(
    name: str, iris_training: Training, mixed_training: Training
) -> None:
    (training,) = (each for each in (iris_training, mixed_training) if each.settings.name == name)
    model = load_model(training.tag)
    assert model.contract == training.dataset.contract == read_contract(training.settings.name)
    assert model.lineage == training.lineage
    matrix = training.dataset.frame.to_numpy()
    rows = TypeAdapter(list[model.contract.row_type]).validate_python(json_rows(model.contract, matrix))  # type: ignore[name-defined]
    served = model.contract.matrix(rows)
    expected = training.choice.champion.pipeline.predict_proba(matrix)
    np.testing.assert_array_equal(load_model(training.tag, "sklearn").predict_proba(served), expected)
    compiled = load_model(training.tag, "compiled").predict_proba(served)
    np.testing.assert_allclose(compiled, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(model.predict_proba(served), compiled)


def test_lineage_leads_back_to_the_run_the_table_and_the_libraries(iris_training: Training) -> None:
    lineage = iris_training.lineage
    assert lineage.model_name == "iris_logistic_regression"
    assert (lineage.registered_model, lineage.alias) == ("iris_classifier", "champion")
    assert (lineage.data_name, lineage.data_rows, lineage.seed) == ("iris", 150, 42)
    assert lineage.metrics["test_accuracy"] == pytest.approx(28 / 30)
    assert lineage.run_id in {logged.run_id for logged in iris_training.candidates}
    assert lineage.libraries.keys() >= {"python", "scikit-learn", "skops", "bentoml", "mlflow"}


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
@pytest.mark.parametrize("kind", ["text", "integer", "boolean"])
def test_every_candidate_can_be_published_with_labels_of_every_type(
    candidate: Candidate, kind: str, mixed_dataset: Dataset, iris_training: Training
) -> None:
    train_split = mixed_dataset.split(0.2, 42).train
    labels = {
        "text": train_split.labels,
        "integer": np.unique(train_split.labels, return_inverse=True)[1].astype(np.int64) - 1,
        "boolean": train_split.labels == "stays",
    }[kind]
    pipeline = candidate.pipeline(mixed_dataset.contract, 42).fit(train_split.matrix, labels)
    target = {"name": "outcome", "type": kind, "classes": pipeline.classes_.tolist()}
    contract = Contract.model_validate({**mixed_dataset.contract.model_dump(), "target": target})
    compilation, accepted = compile_champion(pipeline, contract, train_split.matrix, 42)
    graph, form = accepted or (None, None)
    golden = golden_rows(pipeline, contract, train_split.matrix, form)
    lineage = lineage_as(f"{candidate.name}_{kind}", iris_training, compilation)
    tag = publish(pipeline, contract, golden, lineage, graph)
    for runtime in ("sklearn", "compiled") if compilation.accepted else ("sklearn",):
        model = load_model(tag, runtime)
        assert model.predictor.classes == model.contract.target.classes
        assert list(map(type, model.predictor.classes)) == [model.contract.label_type] * len(
            target["classes"]
        )


class TestGoldenRows:
    def test_they_have_gaps_unknown_categories_and_numbers_out_of_range(self, mixed_dataset: Dataset) -> None:
        golden = golden_of(CANDIDATES[0], mixed_dataset)
        assert 24 <= len(golden.rows) <= 40
        rows = TypeAdapter(list[mixed_dataset.contract.row_type]).validate_python(golden.rows)  # type: ignore[name-defined]
        found = {
            (flag.feature, flag.reason)
            for flag in flagged(mixed_dataset.contract, mixed_dataset.contract.matrix(rows)).listed
        }
        numbers, categories = ("age", "visits", "income", "rooms"), ("city", "plan")
        assert found == {
            *((name, "below_observed_minimum") for name in numbers),
            *((name, "above_observed_maximum") for name in numbers),
            *((name, "unknown_category") for name in categories),
        }
        assert any(
            all(row[name] is None for name in ("age", "visits", "member", "city")) for row in golden.rows
        )

    def test_they_keep_to_the_limits_of_the_contract(self, iris_dataset: Dataset) -> None:
        rows = golden_of(CANDIDATES[0], iris_dataset).rows
        assert min(value for row in rows for value in row.values()) == 0
        assert max(value for row in rows for value in row.values()) > 7.9

    def test_a_closed_category_stays_known(self, mixed_dataset: Dataset) -> None:
        features = [
            {**feature.model_dump(), "closed": feature.type == "category"}
            for feature in mixed_dataset.contract.features
        ]
        contract = Contract.model_validate({**mixed_dataset.contract.model_dump(), "features": features})
        split = mixed_dataset.split(0.2, 42)
        pipeline = CANDIDATES[0].pipeline(contract, 42).fit(split.train.matrix, split.train.labels)
        rows = golden_rows(pipeline, contract, split.test.matrix).rows
        assert {row["plan"] for row in rows} == {"basic", "plus"}


class TestFailure:
    def test_other_probabilities_take_the_model_out_of_the_store(
        self, iris_dataset: Dataset, iris_training: Training
    ) -> None:
        forest = golden_of(CANDIDATES[2], iris_dataset)
        lineage = lineage_as("differs", iris_training)
        pipeline = iris_training.choice.champion.pipeline
        with pytest.raises(PublicationFailed, match="golden rows differ by"):
            publish(pipeline, iris_dataset.contract, forest, lineage)
        assert versions("differs") == []

    def test_an_estimator_of_an_untrusted_type_is_taken_out_of_the_store(
        self, iris_dataset: Dataset, iris_training: Training
    ) -> None:
        train_split = iris_dataset.split(0.2, 42).train
        pipeline = UNTRUSTED.pipeline(iris_dataset.contract, 42).fit(train_split.matrix, train_split.labels)
        lineage = lineage_as("untrusted", iris_training)
        with pytest.raises(PublicationFailed, match="KDTree"):
            publish(pipeline, iris_dataset.contract, golden_of(CANDIDATES[0], iris_dataset), lineage)
        assert versions("untrusted") == []

    def test_whatever_stops_the_verification_the_model_is_taken_out(
        self, iris_dataset: Dataset, iris_training: Training
    ) -> None:
        golden = golden_of(CANDIDATES[0], iris_dataset)
        broken = golden.model_copy(update={"rows": [{"no such": "feature"}]})
        lineage = lineage_as("broken", iris_training)
        with pytest.raises((ValueError, PublicationFailed)):
            publish(iris_training.choice.champion.pipeline, iris_dataset.contract, broken, lineage)
        assert versions("broken") == []

    def test_the_alias_and_the_published_model_stay_those_of_the_last_success(
        self, iris_dataset: Dataset, progress: Progress
    ) -> None:
        settings = Settings("steady", 0.2, 42, Path(iris_dataset.table.location).parent)
        split = iris_dataset.split(0.2, 42)
        first = train(iris_dataset, split, settings, progress, CANDIDATES[:1])
        with pytest.raises(PublicationFailed, match="golden rows differ"):
            train(iris_dataset, split, settings, progress, [UNSTABLE])
        assert versions("steady") == [first.tag]
        assert load_model("steady").tag == first.tag
        assert champion("steady") == first.lineage.model_version == "1"

    def test_a_model_that_mlflow_cannot_log_is_neither_registered_nor_published(
        self, iris_dataset: Dataset, progress: Progress
    ) -> None:
        settings = Settings("refused", 0.2, 42, Path(iris_dataset.table.location).parent)
        with pytest.raises(TrackingFailed, match="untrusted types"):
            train(iris_dataset, iris_dataset.split(0.2, 42), settings, progress, [UNTRUSTED])
        assert versions("refused") == []
        registered = mlflow.MlflowClient().search_registered_models(filter_string="name = 'refused'")
        assert list(registered) == []


def test_one_table_and_seed_give_the_same_choice_and_metrics_again(
    mixed_dataset: Dataset, progress: Progress
) -> None:
    settings = Settings("again", 0.2, 42, Path(mixed_dataset.table.location).parent)
    first, second = (
        train(mixed_dataset, mixed_dataset.split(0.2, 42), settings, progress, CANDIDATES[:2])
        for _ in range(2)
    )
    assert first.choice.reason == second.choice.reason
    assert first.lineage.metrics == second.lineage.metrics
    assert (first.lineage.model_version, second.lineage.model_version) == ("1", "2")
    matrix = mixed_dataset.frame.to_numpy()
    np.testing.assert_array_equal(
        load_model(first.tag).predict_proba(matrix), load_model(second.tag).predict_proba(matrix)
    )
