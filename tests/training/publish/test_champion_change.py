"""A new winner becomes champion only if it is not worse than the present champion on the same rows."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import bentoml
import mlflow
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore
from mlflow.entities.model_registry import ModelVersion
from rich.console import Console
from sklearn.dummy import DummyClassifier

from service.model.published import load_model, resolve_tag
from training.candidates.built_in import CANDIDATES, Candidate
from training.evaluate.report import as_json, print_result
from training.progress import Progress
from training.table.dataset import Dataset, Split
from training.train import Settings, Training, train

GOOD = CANDIDATES[0]
POOR = Candidate("guess", "guess", 0, DummyClassifier, {"strategy": "prior"}, takes_seed=False)


@dataclass
class Trainer:
    """Trains models of one name, of their own, on the Iris table."""

    name: str
    folder: Path
    progress: Progress
    dataset: Dataset

    def train(
        self,
        candidate: Candidate,
        *,
        margin: float = 0.01,
        force: bool = False,
        dataset: Dataset | None = None,
        split: Split | None = None,
    ) -> Training:
        dataset = dataset or self.dataset
        settings = Settings(self.name, 0.2, 42, self.folder, margin, force)
        return train(dataset, split or dataset.split(0.2, 42), settings, self.progress, [candidate])

    @property
    def champion(self) -> str:
        return str(mlflow.MlflowClient().get_model_version_by_alias(self.name, "champion").version)

    @property
    def versions(self) -> dict[str, ModelVersion]:
        found = mlflow.MlflowClient().search_model_versions(f"name = '{self.name}'")
        return {str(version.version): version for version in found}


@pytest.fixture
def trainer(own_stores: Path, progress: Progress, iris_dataset: Dataset, tmp_path: Path) -> Trainer:
    name = f"flowers_{tmp_path.name.lower()[-45:].strip('_')}"
    return Trainer(name, own_stores, progress, iris_dataset)


@pytest.fixture
def first(trainer: Trainer) -> Training:
    """A good champion."""
    return trainer.train(GOOD)


def printed(training: Training) -> str:
    text = StringIO()
    print_result(training, Console(width=400, file=text))
    return text.getvalue()


def renamed(dataset: Dataset, old: str, new: str) -> Dataset:
    """The table with another name of a column."""
    contract = dataset.contract.model_dump()
    for feature in contract["features"]:
        if feature["name"] == old:
            feature["name"] = new
    return dataclasses.replace(
        dataset,
        contract=type(dataset.contract).model_validate(contract),
        frame=dataset.frame.rename(columns={old: new}),
    )


def test_the_first_model_of_a_name_is_champion_without_a_comparison(
    trainer: Trainer, first: Training
) -> None:
    result = as_json(first)
    assert (result["champion"], result["comparison"]) == (True, None)
    assert trainer.champion == "1"
    assert "Compared with" not in printed(first)


class TestAWorseWinner:
    @pytest.fixture
    def second(self, trainer: Trainer, first: Training) -> Training:
        assert first.outcome.decision.is_champion
        return trainer.train(POOR)

    def test_is_registered_and_stored_and_the_champion_stays(
        self, trainer: Trainer, first: Training, second: Training
    ) -> None:
        assert trainer.champion == "1"
        assert trainer.versions["1"].tags["bentoml_tag"] == first.tag
        assert set(trainer.versions) == {"1", "2"}
        version = trainer.versions["2"]
        assert version.tags["bentoml_tag"] == second.tag
        assert "more than 0.01 below that of version 1" in version.tags["champion_decision"]
        assert load_model(second.tag).lineage.alias is None
        assert second.lineage.model_version == "2"

    def test_is_not_what_the_name_stands_for(
        self, trainer: Trainer, first: Training, second: Training
    ) -> None:
        assert str(bentoml.models.get(trainer.name).tag) == first.tag
        assert resolve_tag(trainer.name) == second.outcome.served_tag == first.tag
        assert resolve_tag(f"{trainer.name}:latest") == first.tag
        assert resolve_tag(second.tag) == second.tag

    def test_the_output_says_why_and_what_to_do(
        self, trainer: Trainer, first: Training, second: Training
    ) -> None:
        text = printed(second)
        assert "Winner, but not champion: guess." in text
        assert "Compared with version 1 (logistic regression) on 30 test rows: macro F1 -0.7667 ± 0." in text
        assert "Version 1 stays champion; --force makes the new model champion." in text
        assert f"{trainer.name} still stands for {first.tag}" in text
        assert f"--arg model={second.tag}" in text
        result = as_json(second)
        assert result["champion"] is False
        comparison = result["comparison"]
        assert isinstance(comparison, dict)
        assert comparison["f1_macro_difference"] == pytest.approx(-0.7667, abs=1e-3)
        assert comparison["log_loss"] > comparison["champion_log_loss"]
        assert (comparison["champion_version"], comparison["rows"], comparison["forced"]) == ("1", 30, False)

    def test_the_run_of_the_training_has_the_comparison(self, second: Training) -> None:
        run = mlflow.get_run(second.run_id)
        assert run.info.run_name == "v2 guess"
        assert run.data.tags["is_champion"] == "false"
        assert run.data.tags["registered_version"] == "2"
        assert run.data.metrics["comparison_f1_macro_difference"] == pytest.approx(-0.7667, abs=1e-3)
        assert run.data.metrics["comparison_rows"] == 30
        assert mlflow.get_run(second.lineage.run_id).info.run_name == "v2 guess, not champion"

    @pytest.mark.usefixtures("first", "second")
    def test_the_next_winner_is_compared_with_the_champion_and_not_with_it(self, trainer: Trainer) -> None:
        third = trainer.train(GOOD)
        assert third.outcome.decision.present is not None
        assert third.outcome.decision.present.version == "1"
        assert third.outcome.decision.is_champion
        assert trainer.champion == "3"
        assert resolve_tag(trainer.name) == third.tag

    @pytest.mark.parametrize("how", ["delete", "reset"])
    def test_stays_unserved_when_bentoml_lets_the_name_stand_for_the_newest(
        self, trainer: Trainer, first: Training, second: Training, how: str
    ) -> None:
        if how == "delete":
            third = trainer.train(POOR)
            bentoml.models.delete(third.tag)
        else:
            (Path(bentoml.models.get(trainer.name).path).parent / "latest").unlink()
        assert str(bentoml.models.get(trainer.name).tag) == second.tag  # What BentoML makes of it.
        assert resolve_tag(trainer.name) == first.tag
        trainer.train(POOR)
        assert str(bentoml.models.get(trainer.name).tag) == first.tag


@pytest.mark.usefixtures("first")
def test_a_winner_within_the_margin_becomes_champion(trainer: Trainer) -> None:
    second = trainer.train(POOR, margin=0.9)
    assert as_json(second)["champion"] is True
    assert trainer.champion == "2"
    assert resolve_tag(trainer.name) == second.tag
    assert "not more than 0.9 below that of version 1" in printed(second)


@pytest.mark.usefixtures("first")
def test_an_equal_winner_becomes_champion_at_a_margin_of_zero(trainer: Trainer) -> None:
    second = trainer.train(GOOD, margin=0)
    comparison = second.outcome.decision.comparison
    assert comparison is not None
    assert (comparison.difference, comparison.standard_error) == (0, 0)
    assert trainer.champion == "2"


@pytest.mark.usefixtures("first")
def test_a_worse_winner_becomes_champion_by_force_and_the_output_says_both(trainer: Trainer) -> None:
    second = trainer.train(POOR, force=True)
    assert trainer.champion == "2"
    assert load_model(trainer.name).tag == second.tag
    assert load_model(second.tag).lineage.alias == "champion"
    text = printed(second)
    assert "more than 0.01 below that of version 1. It became champion because of --force." in text
    assert "stays champion" not in text
    comparison = as_json(second)["comparison"]
    assert isinstance(comparison, dict)
    assert comparison["forced"] is True


@pytest.mark.usefixtures("first")
def test_a_comparison_on_the_same_split_is_fair_and_on_another_has_a_note(trainer: Trainer) -> None:
    assert trainer.train(GOOD).outcome.decision.note is None
    other = dataclasses.replace(trainer.dataset.table, sha256="0" * 64)
    second = trainer.train(GOOD, dataset=dataclasses.replace(trainer.dataset, table=other))
    note = "Version 2 may have been fitted to some of these rows, which favours it."
    assert second.outcome.decision.note == note
    assert f"Note: {note}" in printed(second)


class TestAChampionThatCannotBeCompared:
    @pytest.fixture
    def elsewhere(self, first: Training, tmp_path: Path) -> Iterator[Path]:
        """Another BentoML store, with the same MLflow."""
        assert first.tag
        before = BentoMLContainer.model_store.get()
        (tmp_path / "bentoml").mkdir()
        BentoMLContainer.model_store.set(ModelStore(tmp_path / "bentoml"))
        yield tmp_path / "bentoml"
        BentoMLContainer.model_store.set(before)

    @pytest.mark.usefixtures("first")
    def test_stays_if_the_new_table_lacks_a_feature(self, trainer: Trainer) -> None:
        wider = renamed(trainer.dataset, "petal_width", "width")
        second = trainer.train(GOOD, dataset=wider)
        decision = second.outcome.decision
        assert (decision.is_champion, decision.comparison) == (False, None)
        assert "cannot be compared: this training has no feature 'petal_width', which it needs." in (
            decision.reason
        )
        assert "--force" in decision.reason
        assert trainer.champion == "1"
        forced = trainer.train(GOOD, dataset=wider, force=True)
        assert trainer.champion == forced.lineage.model_version == "3"

    @pytest.mark.usefixtures("first")
    def test_stays_if_its_contract_refuses_rows(self, trainer: Trainer) -> None:
        contract = trainer.dataset.contract.model_dump()
        assert contract["features"][1].pop("maximum") == 30
        wider = dataclasses.replace(
            trainer.dataset, contract=type(trainer.dataset.contract).model_validate(contract)
        )
        split = wider.split(0.2, 42)
        split.test.matrix[3:5, 1] = 500
        decision = trainer.train(GOOD, dataset=wider, split=split).outcome.decision
        assert not decision.is_champion
        assert "its contract refuses 2 of the 30 rows, the first for 'sepal_width'" in decision.reason

    @pytest.mark.usefixtures("first")
    def test_stays_if_its_classes_are_others(self, trainer: Trainer) -> None:
        contract = trainer.dataset.contract.model_dump()
        contract["target"]["classes"] = tuple(name.upper() for name in contract["target"]["classes"])
        dataset = dataclasses.replace(
            trainer.dataset,
            contract=type(trainer.dataset.contract).model_validate(contract),
            labels=trainer.dataset.labels.astype(object),
        )
        dataset.labels[:] = [name.upper() for name in trainer.dataset.labels]
        decision = trainer.train(GOOD, dataset=dataset).outcome.decision
        assert not decision.is_champion
        assert "its classes differ from those of this table" in decision.reason

    def test_stays_if_it_does_not_load(self, trainer: Trainer, first: Training) -> None:
        (Path(bentoml.models.get(first.tag).path) / "contract.json").write_text("{}")
        decision = trainer.train(GOOD).outcome.decision
        assert not decision.is_champion
        assert "it cannot be loaded" in decision.reason

    @pytest.mark.usefixtures("first", "elsewhere")
    def test_is_loaded_from_mlflow_where_the_bentoml_store_lacks_it(self, trainer: Trainer) -> None:
        second = trainer.train(POOR)
        comparison = second.outcome.decision.comparison
        assert comparison is not None
        assert comparison.difference == pytest.approx(-0.7667, abs=1e-3)
        assert trainer.champion == "1"
        # The name has to stand for something.
        assert resolve_tag(trainer.name) == second.outcome.served_tag == second.tag
        assert f"{trainer.name} nevertheless stands for {second.tag}" in printed(second)

    @pytest.mark.usefixtures("elsewhere")
    def test_stays_if_neither_store_has_it(self, trainer: Trainer, first: Training) -> None:
        mlflow.MlflowClient().delete_run(first.run_id)
        artifact = mlflow.get_run(first.run_id).info.artifact_uri
        assert artifact is not None
        Path(artifact.removeprefix("file://"), "contract.json").unlink()
        decision = trainer.train(GOOD).outcome.decision
        assert not decision.is_champion
        assert "is not in the BentoML store, and cannot be loaded from MLflow" in decision.reason
