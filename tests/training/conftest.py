"""Tables to train on, temporary stores, and trainings that several tests look at."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore
from rich.console import Console
from threadpoolctl import threadpool_limits

from tests.support.library_warnings import LIBRARIES_OWN_WARNINGS
from tests.support.tables import write_points
from tests.support.trainings import Trainer
from training.progress import Progress
from training.table.dataset import Dataset
from training.train import Settings, Training, train


@contextmanager
def stores_in(folder: Path) -> Iterator[None]:
    """BentoML's and MLflow's stores in the folder, and both libraries' global state put back after."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for message in LIBRARIES_OWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        BentoMLContainer.model_store.set(ModelStore(folder / "bentoml"))
        try:
            yield
        finally:
            BentoMLContainer.model_store.reset()
            mlflow.set_tracking_uri("")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """As training itself does: see ``train``."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stores of all trainings of this session lie; making them takes seconds."""
    folder = tmp_path_factory.mktemp("stores")
    (folder / "bentoml").mkdir()
    return folder


@pytest.fixture
def own_stores(store_folder: Path) -> Iterator[Path]:
    """The stores, opened for one test."""
    with stores_in(store_folder):
        yield store_folder


@pytest.fixture
def progress() -> Iterator[Progress]:
    with Progress(Console(quiet=True)) as progress:
        yield progress


@pytest.fixture(scope="session")
def iris_training(iris_dataset: Dataset, store_folder: Path) -> Training:
    return _trained("iris_classifier", iris_dataset, store_folder)


@pytest.fixture(scope="session")
def mixed_training(mixed_dataset: Dataset, store_folder: Path) -> Training:
    return _trained("mixed", mixed_dataset, store_folder)


def _trained(name: str, dataset: Dataset, folder: Path) -> Training:
    settings = Settings(name, test_size=0.2, seed=42, folder=folder)
    with stores_in(folder), Progress(Console(quiet=True)) as progress:
        return train(dataset, dataset.split(0.2, 42), settings, progress)


@pytest.fixture(scope="session")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    """Starts trainings as processes of their own."""
    trainer = Trainer(write_points(tmp_path_factory.mktemp("data") / "points.csv"))
    yield trainer
    trainer.close()
