"""A training in MLflow: one run for the table, with a nested run for each candidate.

A candidate's run contains everything that is needed to repeat and assess it: parameters, metrics, plots, the
dataset with its SHA-256, and the fitted pipeline with its signature and an input example.
"""

import fcntl
import os
import shlex
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import mlflow
import numpy as np
import pandas as pd
from mlflow.data.pandas_dataset import PandasDataset, from_pandas
from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException

from service.model.calibration import CalibratedClassifier
from service.model.days import MICROSECONDS_A_DAY
from service.model.training_profile import PROFILE_FILE, TrainingProfile
from training.evaluate.evaluation import Evaluation, Scored
from training.publish.logged_model import log_model
from training.publish.tracking_reason import is_unfinished, reason_of
from training.table.dataset import Dataset
from training.training_errors import TrackingFailed

CONTRACT_ARTIFACT = "contract.json"
TRAINING_TAG = "tabento.training"

_CREATION_LIMIT_S = 30.0
"""How long to wait for another process that is creating MLflow's database."""
_RETRY_INTERVAL_S = 0.5

_DIGEST_LENGTH = 36
"""MLflow keeps so many characters of a dataset's digest; the full digest is logged as a parameter."""


@dataclass(frozen=True)
class Experiment:
    """The MLflow experiment of one training."""

    name: str
    experiment_id: str
    tracking_uri: str
    training_id: str = field(default_factory=lambda: uuid4().hex)
    """A tag of all its runs, which finds them even if their creation was interrupted."""


@dataclass(frozen=True)
class LoggedCandidate:
    """A candidate in MLflow."""

    evaluation: Evaluation
    run_id: str
    model_id: str


def tracking_uri(folder: Path) -> str:
    """The store that ``MLFLOW_TRACKING_URI`` names, else ``mlflow.db`` in the folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.absolute() / 'mlflow.db'}"


def open_experiment(name: str, folder: Path) -> Experiment:
    """The experiment of that name, created if necessary; its store becomes MLflow's global one."""
    uri = tracking_uri(folder)
    mlflow.set_tracking_uri(uri)
    database_folder = _folder_of_database(uri, folder)
    try:
        with _exclusive_lock(database_folder):
            return Experiment(name, _finished_experiment_id(name, database_folder, uri), uri)
    except TrackingFailed:
        raise
    except Exception as error:
        # A database that cannot be opened or upgraded fails with the errors of SQLAlchemy or alembic.
        raise TrackingFailed(uri, reason_of(error)) from error


def _finished_experiment_id(name: str, database_folder: Path | None, uri: str) -> str:
    """The experiment's id, once a process that is creating the database has finished.

    Trainings exclude each other; MLflow's own server and page do not. Two that create one database fail in
    many ways. Where the error is another one after a moment, the database is being changed.
    """
    deadline = time.monotonic() + _CREATION_LIMIT_S
    last = ""
    while True:
        try:
            return _experiment_id(name, database_folder, uri)
        except TrackingFailed:
            raise
        except Exception as error:
            is_changing = database_folder is not None and str(error) != last
            if not (is_changing or is_unfinished(error)) or time.monotonic() > deadline:
                raise
            last = str(error)
        time.sleep(_RETRY_INTERVAL_S)


def _experiment_id(name: str, database_folder: Path | None, uri: str) -> str:
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == LifecycleStage.DELETED:
            raise TrackingFailed(uri, _deleted(found, uri))
        return found.experiment_id
    # Beside the database; a server has its own. It is explicit, because MLflow's default follows the cwd.
    location = None if database_folder is None else (database_folder / "mlartifacts").as_uri()
    try:
        return client.create_experiment(name, artifact_location=location)
    except MlflowException:
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found.experiment_id  # Another training created it first.


def _deleted(experiment: MlflowExperiment, uri: str) -> str:
    command = f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
    return (
        f"its experiment {experiment.name!r} is deleted. Restore it with "
        f"`MLFLOW_TRACKING_URI={shlex.quote(uri)} {command}`, or train under another --name."
    )


def _folder_of_database(uri: str, folder: Path) -> Path | None:
    address = urlsplit(uri)
    if address.scheme != "sqlite":
        return None
    return (folder / address.path.removeprefix("/")).absolute().parent


@contextmanager
def _exclusive_lock(folder: Path | None) -> Iterator[None]:
    """Exclude other trainings there, because only one MLflow at a time can create the database's tables."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)  # As MLflow does.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def training_run(experiment: Experiment, dataset: Dataset, parameters: Mapping[str, object]) -> Iterator[str]:
    """The run of a whole training, open while its candidates are logged; yields its id.

    If a signal ends the training, none of its runs stays in the state RUNNING.
    """
    try:
        with _logged_run(experiment, dataset, parameters) as run_id:
            yield run_id
    except Exception:
        raise
    except BaseException as error:
        try:
            _kill_runs(experiment)
        except Exception:
            error.add_note("MLflow did not answer when the runs were marked as killed.")
        raise


def _kill_runs(experiment: Experiment) -> None:
    client = mlflow.MlflowClient()
    own_runs = f"tags.`{TRAINING_TAG}` = '{experiment.training_id}'"
    for run in client.search_runs([experiment.experiment_id], own_runs):
        if run.info.status != "FINISHED":
            client.set_terminated(run.info.run_id, "KILLED")


@contextmanager
def _logged_run(experiment: Experiment, dataset: Dataset, parameters: Mapping[str, object]) -> Iterator[str]:
    with mlflow.start_run(
        experiment_id=experiment.experiment_id,
        run_name=experiment.name,
        tags={TRAINING_TAG: experiment.training_id},
    ) as run:
        mlflow.log_params(
            {
                "data": dataset.table.name,
                "data_sha256": dataset.table.sha256,
                "data_rows": dataset.n_rows,
                "target": dataset.contract.target.name,
                **parameters,
            }
        )
        mlflow.log_input(_mlflow_dataset(dataset), context="training")
        mlflow.log_text(dataset.contract.model_dump_json(indent=2), CONTRACT_ARTIFACT)
        yield run.info.run_id


def log_candidate(evaluation: Evaluation, dataset: Dataset, experiment: Experiment) -> LoggedCandidate:
    """Log a candidate as a nested run of the open run."""
    classifier = evaluation.pipeline.named_steps["classify"]
    if isinstance(classifier, CalibratedClassifier):
        classifier = classifier.classifier
    # A nested run does not inherit its parent's experiment.
    with mlflow.start_run(
        experiment_id=experiment.experiment_id,
        run_name=evaluation.candidate.title,
        nested=True,
        tags={TRAINING_TAG: experiment.training_id},
    ) as run:
        mlflow.set_tag("candidate", evaluation.candidate.name)
        mlflow.log_params({"data_sha256": dataset.table.sha256, **classifier.get_params()})
        mlflow.log_metrics(evaluation.metrics)
        mlflow.log_input(_mlflow_dataset(dataset), context="training")
        # Imported here, because matplotlib needs memory that the selection has until now.
        from training.evaluate.plots import draw_calibration, draw_confusion_matrix

        # At the root of the artifacts, where the page of the run shows them first.
        mlflow.log_figure(draw_confusion_matrix(evaluation), "confusion_matrix.png")
        mlflow.log_figure(draw_calibration(evaluation), "calibration.png")
        model_id = log_model(evaluation.pipeline, dataset)
        return LoggedCandidate(evaluation, run.info.run_id, model_id)


def log_dropped(scored: Sequence[Scored], experiment: Experiment) -> None:
    """Log candidates that were not fitted to all rows as nested runs: their scores, and why."""
    for each in scored:
        with mlflow.start_run(
            experiment_id=experiment.experiment_id,
            run_name=each.candidate.title,
            nested=True,
            tags={TRAINING_TAG: experiment.training_id},
        ):
            mlflow.set_tag("candidate", each.candidate.name)
            mlflow.set_tag("not_fitted", each.dropped or "Another candidate was chosen.")
            mlflow.log_param("selection_rows", each.rows)
            mlflow.log_metrics(each.cross_validation.metrics)


def log_profile(candidate: LoggedCandidate, profile: TrainingProfile) -> None:
    """Log the training profile of the model that is published, in the run of its candidate."""
    mlflow.MlflowClient().log_text(candidate.run_id, profile.model_dump_json(indent=2), PROFILE_FILE)


def log_champion(champion: Evaluation, reason: str) -> None:
    """Log the champion, the reason for it and its metrics in the open run."""
    mlflow.set_tags({"champion": champion.candidate.name, "champion_reason": reason})
    mlflow.log_metrics(champion.metrics)


def _mlflow_dataset(dataset: Dataset) -> PandasDataset:
    target = dataset.contract.target.name
    frame = dataset.frame.assign(**{target: dataset.labels})
    for feature in dataset.contract.features:
        if feature.date_type is not None:
            microseconds = np.rint(frame[feature.name].to_numpy() * MICROSECONDS_A_DAY)
            frame[feature.name] = microseconds.astype("datetime64[us]")
    about = {
        "source": dataset.table.location,
        "targets": target,
        "name": dataset.table.name,
        "digest": dataset.table.sha256[:_DIGEST_LENGTH],
    }
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        # MLflow registers its class for local files twice, and warns that it chooses one of them.
        logged = from_pandas(frame, **about)
        # For the schema MLflow looks at every cell in Python, which took 19 s for 20,000 rows of 500 columns.
        logged.schema = from_pandas(frame.iloc[_telling_rows(frame)], **about).schema
    return logged


def _telling_rows(frame: pd.DataFrame) -> list[int]:
    """Places of rows that have a value and, where there is one, a gap of every column."""
    is_missing = frame.isna().to_numpy()
    first = (is_missing.argmax(axis=0), (~is_missing).argmax(axis=0))
    return sorted({0, *np.concatenate(first).tolist()})
