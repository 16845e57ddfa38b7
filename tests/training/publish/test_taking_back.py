"""Whatever step of a publication is refused, the model is not published, and MLflow is told so."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import bentoml
import mlflow
import pytest

from service.model.published import load_model
from training.candidates.built_in import CANDIDATES
from training.progress import Progress
from training.table.dataset import Dataset
from training.train import Settings, Training, train
from training.training_errors import PublicationFailed, TrackingFailed

REFUSED = ("model_versions", "model_version_tags", "registered_model_aliases")
"""The tables that a publication writes, in this order."""


@contextmanager
def refusing(database: Path, table: str) -> Iterator[None]:
    """Let the database take nothing more into a table."""
    with closing(sqlite3.connect(database)) as connection:
        for event in ("INSERT", "UPDATE"):
            connection.execute(
                f"CREATE TRIGGER refuse_{event} BEFORE {event} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'nothing more is taken'); END"
            )
        connection.commit()
        try:
            yield
        finally:
            for event in ("INSERT", "UPDATE"):
                connection.execute(f"DROP TRIGGER refuse_{event}")
            connection.commit()


def published(name: str) -> list[str]:
    return [str(model.tag) for model in bentoml.models.list() if model.tag.name == name]


@pytest.fixture
def first(iris_dataset: Dataset, progress: Progress, own_stores: Path, tmp_path: Path) -> Training:
    """A training that was published before."""
    settings = Settings(f"steady_{tmp_path.name.lower()[-50:].strip('_')}", 0.2, 42, own_stores)
    return train(iris_dataset, iris_dataset.split(0.2, 42), settings, progress, CANDIDATES[:1])


@pytest.mark.parametrize("table", REFUSED)
def test_a_step_that_is_refused_leaves_the_model_of_before_served_and_registered(
    first: Training, iris_dataset: Dataset, progress: Progress, own_stores: Path, table: str
) -> None:
    name = first.settings.name
    split = iris_dataset.split(0.2, 42)
    with (
        refusing(own_stores / "mlflow.db", table),
        pytest.raises(TrackingFailed, match=r"nothing more is taken|creation error"),
    ):
        train(iris_dataset, split, first.settings, progress, CANDIDATES[:1])
    assert published(name) == [first.tag]
    assert load_model(name).tag == first.tag
    client = mlflow.MlflowClient()
    champion = client.get_model_version_by_alias(name, "champion")
    assert champion.tags["bentoml_tag"] == first.tag
    versions = client.search_model_versions(f"name = '{name}'")
    assert [each.version for each in versions] == [champion.version]
    again = train(iris_dataset, split, first.settings, progress, CANDIDATES[:1])
    assert load_model(name).tag == again.tag
    assert client.get_model_version_by_alias(name, "champion").tags["bentoml_tag"] == again.tag


def test_a_store_that_cannot_be_written_gives_the_alias_back(
    first: Training, iris_dataset: Dataset, progress: Progress, own_stores: Path
) -> None:
    name = first.settings.name
    # A folder where the file should be that names the newest model: the last step of a publication fails.
    latest = own_stores / "bentoml" / name / "latest"
    latest.unlink()
    latest.mkdir()
    try:
        with pytest.raises(PublicationFailed):
            train(iris_dataset, iris_dataset.split(0.2, 42), first.settings, progress, CANDIDATES[:1])
    finally:
        latest.rmdir()
    assert published(name) == [first.tag]
    client = mlflow.MlflowClient()
    assert client.get_model_version_by_alias(name, "champion").tags["bentoml_tag"] == first.tag
    assert len(client.search_model_versions(f"name = '{name}'")) == 1
