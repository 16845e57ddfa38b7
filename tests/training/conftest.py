"""Tables to train on, temporary stores, and trainings that several tests look at."""

import csv
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore
from rich.console import Console
from threadpoolctl import threadpool_limits

from tests.training.tables import write_points
from tests.training.trainings import Trainer
from training.candidates.built_in import CANDIDATES
from training.cli import TABLES
from training.evaluate.evaluation import FITS
from training.progress import Progress
from training.table.dataset import Dataset, load_dataset
from training.table.overrides import read_overrides
from training.train import Settings, Training, train

LIBRARIES_OWN_WARNINGS = (
    "The ``noload`` loader strategy is deprecated",  # by SQLAlchemy 2.1
    "Operation with range is deprecated",  # by pandas 3.1
    ".*Any type hint is inferred as AnyType",  # by itself, of its own types
    "GitWildMatchPattern .* is deprecated",  # BentoML 1.4.39, by pathspec
)
"""What MLflow 3.17 (and where said so, BentoML) is warned of, whatever is asked of it."""

WriteCsv = Callable[..., Path]


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
    with Progress(Console(quiet=True), fits=0) as progress:
        yield progress


@pytest.fixture
def write_csv(tmp_path: Path) -> WriteCsv:
    """Write rows under a header, and give the file's path."""

    def write(header: Sequence[str], rows: Sequence[Sequence[object]], name: str = "table.csv") -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return write


@pytest.fixture(scope="session")
def iris_dataset() -> Dataset:
    return load_dataset(
        TABLES / "iris.csv", "species", overrides=read_overrides(TABLES / "iris.contract.json")
    )


@pytest.fixture(scope="session")
def mixed_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A table with a column of every type, with and without gaps."""
    path = tmp_path_factory.mktemp("mixed") / "mixed.csv"
    random = np.random.default_rng(7)
    header = ["age", "visits", "member", "city", "income", "rooms", "active", "plan", "outcome"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(_mixed_row(random) for _ in range(240))
    return load_dataset(path, "outcome")


def _mixed_row(random: np.random.Generator) -> list[object]:
    outcome = str(random.choice(["left", "stays", "unsure"]))
    shift = {"left": 0.0, "stays": 2.0, "unsure": -2.0}[outcome]
    with_gaps = [
        round(random.normal(40 + 5 * shift, 8), 2),
        int(random.integers(0, 9)),
        str(random.random() < 0.5 + shift / 5).lower(),
        str(random.choice(["Oslo", "Lima", "São Paulo", "new, york"])),
    ]
    whole = [
        round(random.lognormal(3 + shift / 4), 3),
        int(random.integers(1, 6)),
        str(random.random() < 0.3).upper(),
        str(random.choice(["basic", "plus"])),
    ]
    return [*("" if random.random() < 0.15 else value for value in with_gaps), *whole, outcome]


@pytest.fixture(scope="session")
def iris_training(iris_dataset: Dataset, store_folder: Path) -> Training:
    return _trained("iris_classifier", iris_dataset, store_folder)


@pytest.fixture(scope="session")
def mixed_training(mixed_dataset: Dataset, store_folder: Path) -> Training:
    return _trained("mixed", mixed_dataset, store_folder)


def _trained(name: str, dataset: Dataset, folder: Path) -> Training:
    settings = Settings(name, test_size=0.2, seed=42, folder=folder)
    with stores_in(folder), Progress(Console(quiet=True), fits=len(CANDIDATES) * FITS) as progress:
        return train(dataset, dataset.split(0.2, 42), settings, progress)


@pytest.fixture(scope="session")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    """Starts trainings as processes of their own."""
    trainer = Trainer(write_points(tmp_path_factory.mktemp("data") / "points.csv"))
    yield trainer
    trainer.close()
