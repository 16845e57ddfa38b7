"""A training in MLflow: one run for the table, with a nested run for each candidate.

A candidate's run holds what it takes to repeat and to judge it: parameters, metrics, pictures, the
dataset with its SHA-256, and the fitted pipeline with its signature and an input example.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.data.pandas_dataset import PandasDataset, from_pandas
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from service.contract import Contract, Feature
from service.runtime import TRUSTED_TYPES
from training.data import Dataset
from training.evaluation import Evaluation
from training.plots import draw_calibration, draw_confusion_matrix

CONTRACT_ARTIFACT = "contract.json"
MODEL_ARTIFACT = "model"
INPUT_EXAMPLE_ROWS = 3

_DIGEST_LENGTH = 36
"""Characters that MLflow keeps of a dataset's digest; the whole of it is logged as a parameter."""

_SERVED_BY = ("numpy", "scikit-learn", "skops")
_NUMBER_TYPES = {"float": DataType.double, "integer": DataType.long, "boolean": DataType.boolean}
_LABEL_TYPES = {"text": DataType.string, "integer": DataType.long, "boolean": DataType.boolean}


@dataclass(frozen=True)
class Experiment:
    """Where runs are logged to."""

    name: str
    experiment_id: str
    tracking_uri: str


@dataclass(frozen=True)
class LoggedCandidate:
    """A candidate in MLflow."""

    evaluation: Evaluation
    run_id: str
    model_id: str


def tracking_uri(folder: Path) -> str:
    """What ``MLFLOW_TRACKING_URI`` names, else ``mlflow.db`` in the folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.absolute() / 'mlflow.db'}"


def open_experiment(name: str, folder: Path) -> Experiment:
    """The experiment of that name, made if need be; its store is MLflow's global one from here on."""
    uri = tracking_uri(folder)
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is not None:
        return Experiment(name, found.experiment_id, uri)
    created = client.create_experiment(name, artifact_location=_artifact_location(uri, folder))
    return Experiment(name, created, uri)


def _artifact_location(uri: str, folder: Path) -> str | None:
    """Beside the database; a server has its own. Said outright, since MLflow's default follows the cwd."""
    address = urlsplit(uri)
    if address.scheme != "sqlite":
        return None
    database = folder / address.path.removeprefix("/")
    return (database.absolute().parent / "mlartifacts").as_uri()


@contextmanager
def training_run(experiment: Experiment, dataset: Dataset, parameters: Mapping[str, object]) -> Iterator[str]:
    """The run of a whole training, open while its candidates are logged; gives its id."""
    with mlflow.start_run(experiment_id=experiment.experiment_id, run_name=experiment.name) as run:
        mlflow.log_params(
            {
                "data": dataset.table.name,
                "data_sha256": dataset.table.sha256,
                "data_rows": len(dataset.labels),
                "target": dataset.contract.target.name,
                **parameters,
            }
        )
        mlflow.log_input(_mlflow_dataset(dataset), context="training")
        mlflow.log_text(dataset.contract.model_dump_json(indent=2), CONTRACT_ARTIFACT)
        yield run.info.run_id


def log_candidate(evaluation: Evaluation, dataset: Dataset, experiment: Experiment) -> LoggedCandidate:
    """Log a candidate as a run nested in the one that is open."""
    classifier = evaluation.pipeline.named_steps["classify"]
    # A nested run does not follow its parent into an experiment.
    with mlflow.start_run(
        experiment_id=experiment.experiment_id, run_name=evaluation.candidate.name, nested=True
    ) as run:
        mlflow.set_tag("candidate", evaluation.candidate.name)
        mlflow.log_params({"data_sha256": dataset.table.sha256, **classifier.get_params()})
        mlflow.log_metrics(evaluation.metrics)
        mlflow.log_input(_mlflow_dataset(dataset), context="training")
        mlflow.log_figure(draw_confusion_matrix(evaluation), "plots/confusion_matrix.png")
        mlflow.log_figure(draw_calibration(evaluation), "plots/calibration.png")
        model = mlflow.sklearn.log_model(
            evaluation.pipeline,
            name=MODEL_ARTIFACT,
            signature=signature_of(dataset.contract),
            input_example=_input_example(dataset),
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            # Named, because finding them out takes MLflow several seconds.
            pip_requirements=[f"{package}=={version(package)}" for package in _SERVED_BY],
        )
        return LoggedCandidate(evaluation, run.info.run_id, model.model_id)


def log_champion(champion: Evaluation, reason: str) -> None:
    """Note in the open run which candidate won, why, and how good it is."""
    mlflow.set_tags({"champion": champion.candidate.name, "champion_reason": reason})
    mlflow.log_metrics(champion.metrics)


def signature_of(contract: Contract) -> ModelSignature:
    """What MLflow's users send and get, in the types that pandas reads the table's columns as."""
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(_column_type(feature), feature.name, required=not feature.nullable)
        for feature in contract.features
    ]
    return ModelSignature(Schema(inputs), Schema([ColSpec(_LABEL_TYPES[contract.target.type])]))


def _column_type(feature: Feature) -> DataType:
    if feature.type == "category":
        return DataType.string
    # With gaps, integers and booleans are floats to pandas.
    return DataType.double if feature.nullable else _NUMBER_TYPES[feature.type]


def _input_example(dataset: Dataset) -> pd.DataFrame:
    features = dataset.contract.features
    numbers = {
        feature.name: _column_type(feature).to_pandas() for feature in features if feature.type != "category"
    }
    return dataset.frame.head(INPUT_EXAMPLE_ROWS).astype(numbers)


def _mlflow_dataset(dataset: Dataset) -> PandasDataset:
    target = dataset.contract.target.name
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        # MLflow registers its own class for local files twice, and warns that it has to pick one.
        return from_pandas(
            dataset.frame.assign(**{target: dataset.labels}),
            source=str(dataset.table.path.absolute()),
            targets=target,
            name=dataset.table.name,
            digest=dataset.table.sha256[:_DIGEST_LENGTH],
        )
