"""BentoML's and MLflow's stores in temporary folders, and the Iris model, trained once a run."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore

from tests.support.servers import PROJECT, train, without_coverage


class IrisTraining(NamedTuple):
    """A training without options, in a folder of its own."""

    folder: Path
    """Where it was started."""
    home: Path
    """BentoML's."""
    stdout: str
    stderr: str


def environment_of(home: Path) -> dict[str, str]:
    """The environment of a process whose stores are in that folder."""
    return {
        **without_coverage(os.environ),
        "BENTOML_HOME": str(home / "bentoml"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TABENTO_DRAIN_SECONDS": "0",
        "TABENTO_GRPC_PORT": "0",
        "TABENTO_REPLAY_SAMPLE": "0",
        "TABENTO_AUDIT_DB": str(home / "nowhere" / "unset.db"),
        "PYTHONPATH": str(PROJECT),
    }


@contextmanager
def opened_store(stores: dict[str, str]) -> Iterator[ModelStore]:
    """The BentoML store of such an environment, as this process sees it meanwhile."""
    folder = Path(stores["BENTOML_HOME"]) / "models"
    folder.mkdir(parents=True, exist_ok=True)
    store = ModelStore(folder)
    BentoMLContainer.model_store.set(store)
    try:
        yield store
    finally:
        BentoMLContainer.model_store.reset()


def train_iris_once(run_folder: Path) -> IrisTraining:
    """The training that the processes of a run share; the first that needs it does it."""
    top = run_folder / "iris"
    training = (top / "work", top / "bentoml")
    outputs = (top / "stdout", top / "stderr")
    with (run_folder / "iris.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not outputs[-1].exists():
            shutil.rmtree(top, ignore_errors=True)  # What an attempt that failed has left.
            training[0].mkdir(parents=True)
            env = {**environment_of(top), "COLUMNS": "120"}
            del env["MLFLOW_TRACKING_URI"]
            done = train(env=env, cwd=training[0])
            for path, text in zip(outputs, (done.stdout, done.stderr), strict=True):
                path.write_text(text)
    return IrisTraining(*training, *(path.read_text() for path in outputs))


def copy_iris(training: IrisTraining, stores: dict[str, str]) -> str:
    """Put the model of that training into these stores; gives the tag."""
    models = Path("models") / "iris_classifier"
    shutil.copytree(training.home / models, Path(stores["BENTOML_HOME"]) / models)
    tracking = Path(stores["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"))
    shutil.copy(training.folder / "mlflow.db", tracking)  # Making one takes seconds.
    latest = (training.home / models / "latest").read_text()
    return f"iris_classifier:{latest}"


def stored_copy(tag: str, name: str, change: Callable[[Path, dict[str, object]], object]) -> str:
    """Store a model of the open store again under another name; gives the tag.

    ``change`` gets the folder of the copy and its metadata, before the copy is in the store.
    """
    original = bentoml.models.get(tag)
    metadata: dict[str, object] = {**original.info.metadata}
    kept = shutil.ignore_patterns("model.yaml")
    copied = Path(original.path).with_name(f"{name}.copied")
    shutil.copytree(original.path, copied, ignore=kept)
    try:
        change(copied, metadata)
        with bentoml.models.create(name, metadata=metadata) as model:
            shutil.copytree(copied, model.path, dirs_exist_ok=True)
    finally:
        shutil.rmtree(copied)
    return str(model.tag)
