"""Trainings as real processes, and what they leave in their stores."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import mlflow
from bentoml._internal.models import ModelStore

from service.model.published import load_stored
from tests.support.servers import COMMAND_TIMEOUT_S, PROJECT
from tests.support.tables import LABELLED
from tests.support.waiting import PATIENCE_S, await_true
from training.quiet_libraries import ENVIRONMENT


@dataclass
class Stores:
    """The stores of one training, and what it left in them."""

    folder: Path
    before: str = ""
    """The tag that was published before."""
    output_name: str = "outputs"

    @property
    def outputs(self) -> Path:
        """The folder of what the training says."""
        return self.folder / self.output_name

    @property
    def environment(self) -> dict[str, str]:
        """What leads a training to them."""
        return {
            "BENTOML_HOME": str(self.folder / "bentoml"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
        }

    @property
    def said(self) -> str:
        """What the training has said so far."""
        return (self.outputs / "stderr").read_text() if (self.outputs / "stderr").exists() else ""

    @property
    def models(self) -> ModelStore:
        """BentoML's."""
        return ModelStore(self.folder / "bentoml" / "models")

    def check_servable(self) -> str:
        """What is served next is whole and verified, and so is whatever else can be; gives its tag."""
        newest = self.models.get("points")
        for model in self.models.list():
            load_stored(model, "auto")
        return str(newest.tag)

    def check_nothing_is_published(self) -> None:
        """The store is as it was."""
        assert self.check_servable() == self.before
        assert [str(model.tag) for model in self.models.list()] == [self.before]
        assert [path.name for path in (self.folder / "bentoml" / "tabento-staging").iterdir()] == ["lock"]

    def check_registry(self, uri: str | None = None) -> None:
        """The alias leads to what is served, and no version is without its model."""
        client = mlflow.MlflowClient(uri or self.environment["MLFLOW_TRACKING_URI"])
        published = {str(model.tag) for model in self.models.list()}
        versions = client.search_model_versions("name = 'points'")
        assert {version.tags.get("bentoml_tag") for version in versions} == published
        champion = client.get_model_version_by_alias("points", "champion")
        assert champion.tags["bentoml_tag"] == self.check_servable()

    def statuses(self) -> set[str]:
        """The statuses of the runs of the last training."""
        client = mlflow.MlflowClient(self.environment["MLFLOW_TRACKING_URI"])
        experiment = client.get_experiment_by_name("points")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        first = min(run.info.start_time for run in runs)
        ids = [run.data.tags["tabento.training"] for run in runs if run.info.start_time == first]
        return {run.info.status for run in runs if run.data.tags["tabento.training"] not in ids}


class Trainer:
    """Starts trainings that have imported already what they need."""

    def __init__(self, data: Path) -> None:
        # The command sets these before it imports MLflow, which a training that is forked finds imported.
        environment = {**ENVIRONMENT, **os.environ}
        command = [sys.executable, "-m", "tests.support.forked_trainings"]
        self._arguments = ["--data", str(data), *LABELLED]
        self._process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def start(self, stores: Stores, environment: dict[str, str] | None = None) -> int:
        """Start one with these stores, unless the environment names others; gives its process id."""
        assert self._process.stdin
        stores.outputs.mkdir(exist_ok=True)
        for name in ("stdout", "stderr", "code"):
            (stores.outputs / name).unlink(missing_ok=True)
        asked = {
            "folder": str(stores.folder),
            "outputs": str(stores.outputs),
            "env": {**stores.environment, **(environment or {})},
            "arguments": self._arguments,
        }
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def close(self) -> None:
        """Let it start no more."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        assert self._process.stdout
        self._process.stdout.close()


def lives(process: int) -> bool:
    """Whether a training goes on."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def await_moment(stores: Stores, process: int, moment: tuple[str, float]) -> None:
    """Return some time after the training says that it begins a step, or when it has ended."""
    step, offset = moment
    await_true(
        lambda: step in stores.said or not lives(process),
        f"the training says '{step}', or ends",
        within_s=COMMAND_TIMEOUT_S,
        step_s=0.005,  # Some steps are short.
        state=lambda: stores.said,
    )
    time.sleep(offset)


def await_end(stores: Stores, process: int) -> int | None:
    """The exit code, none of one that was killed."""
    await_true(
        lambda: not lives(process),
        "the training ends",
        within_s=COMMAND_TIMEOUT_S,
        state=lambda: stores.said,
    )
    code = stores.outputs / "code"
    return int(code.read_text()) if code.exists() else None
