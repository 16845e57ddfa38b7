"""A small world whose model is retrained: its table, its champion, its log, and what is true."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from lifecycle.retrain.gate_result import GateLimits
from lifecycle.retrain.retraining import Retraining, RetrainingTask, retrain
from service.audit.act import SERVICE, make_act, model_act
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord, pack
from service.audit.write.single_act import append_act
from service.model.release.release import Release
from tests.support.collected_logs import outcome
from tests.support.replayed_logs import START, RecordedModel
from tests.support.stores import environment_of, opened_store
from training.candidates.built_in import CANDIDATES
from training.interruption import Interruption
from training.progress import Progress
from training.table.dataset import load_dataset
from training.table.options import TableOptions
from training.train import Settings, Training, train

NAME = "rivers"
TARGET = "side"
BORDER = 5.0
"""The border that the champion learned."""
_LARGEST = 10.0


def sides(x: Sequence[float], border: float) -> list[str]:
    """What is true of numbers, if the border is there."""
    return ["left" if each < border else "right" for each in x]


def write_world(path: Path, border: float, rows: int = 200, seed: int = 1) -> Path:
    """A table of a world with that border."""
    random = np.random.default_rng(seed)
    x = random.uniform(0, _LARGEST, rows).round(3)
    depth = random.integers(0, 30, rows)
    pd.DataFrame({"x": x, "depth": depth, TARGET: sides(x.tolist(), border)}).to_csv(path, index=False)
    return path


@dataclass
class World:
    """The stores of one model, its table, and its log."""

    folder: Path
    champion: str
    table: Path

    @property
    def log(self) -> Path:
        """The audit log."""
        return self.folder / "audit.db"

    def record(self, x: Sequence[float], labels: Sequence[str | None], *, first: int = 1) -> None:
        """Predictions of the champion, a second after each other, and the truth of those that have one."""
        model = RecordedModel(self.champion)
        records: list[AuditRecord] = []
        for number, (value, label) in enumerate(zip(x, labels, strict=True), first):
            record = model.answered({"x": value, "depth": number % 30}, f"r-{number}")
            records.append(record)
            if label is not None:
                came = START + timedelta(seconds=number, hours=1)
                records.append(outcome(record.request_id, label, received=came))
        self.write(model, *records)

    def write(self, model: RecordedModel, *records: AuditRecord) -> None:
        """Append records, and the card of their model."""
        with closing(LogFile(self.log, sync="normal")) as file:
            file.declare(model_act(model.card.model_id, model.card.content))
            file.write([pack(record) for record in records])

    def put_in_force(self, release: Release) -> None:
        """State that all workers took a release."""
        detail: dict[str, object] = {
            "action": "in_force",
            "release": release.model_dump(mode="json"),
            "workers": 1,
        }
        append_act(self.log, make_act("release", SERVICE, detail))

    def task(self, **changes: Any) -> RetrainingTask:
        """A retraining that releases nothing."""
        task = RetrainingTask(
            data=str(self.table),
            target=TARGET,
            table=TableOptions(),
            log=self.log,
            folder=self.folder / "retraining",
            training=Settings(NAME, 0.2, 42, self.folder, are_candidates_chosen=True),
            limits=GateLimits(),
            releases=False,
        )
        return replace(task, **changes)

    def retrain(self, **changes: Any) -> Retraining:
        """Retrain once, with one candidate."""
        with _progress() as progress:
            return retrain(self.task(**changes), progress, CANDIDATES[:1], Interruption())

    def another(self, name: str) -> "World":
        """The same model with another log."""
        folder = self.folder / name
        folder.mkdir()
        return replace(self, folder=folder)


def numbers(rows: int, seed: int = 7) -> list[float]:
    """Numbers of the world."""
    found: list[float] = np.random.default_rng(seed).uniform(0, _LARGEST, rows).round(3).tolist()
    return found


def train_world(table: Path, folder: Path, **settings: Any) -> Training:
    """Train and publish on a table, with one candidate."""
    dataset = load_dataset(table, TARGET)
    chosen = Settings(NAME, 0.2, 42, folder, are_candidates_chosen=True, **settings)
    with _progress() as progress:
        return train(dataset, dataset.split(0.2, 42), chosen, progress, CANDIDATES[:1])


@contextmanager
def made_world(run_folder: Path, folder: Path) -> Iterator[World]:
    """A world whose champion learned BORDER; copies of its stores are those of this process meanwhile.

    It is trained once for all processes of the run.
    """
    first = _first_world(run_folder)
    environment = environment_of(folder)
    shutil.copytree(first.folder / "bentoml", folder / "bentoml")
    shutil.copy(first.folder / "mlflow.db", folder)
    with _opened(environment):
        yield World(folder, first.champion, first.table)


def _first_world(run_folder: Path) -> World:
    home, told = run_folder / NAME, run_folder / f"{NAME}.tag"
    with (run_folder / f"{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        table = home / "rivers.csv"
        if not told.exists():
            shutil.rmtree(home, ignore_errors=True)  # What an attempt that failed has left.
            home.mkdir()
            with _opened(environment_of(home)):
                told.write_text(train_world(write_world(table, BORDER), home).tag)
        return World(home, told.read_text(), table)


@contextmanager
def _opened(environment: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, opened_store(environment):
        for name in ("BENTOML_HOME", "MLFLOW_TRACKING_URI"):
            patch.setenv(name, environment[name])
        patch.setenv("MLFLOW_LOGGING_LEVEL", "CRITICAL")
        mlflow.set_tracking_uri(environment["MLFLOW_TRACKING_URI"])
        try:
            yield
        finally:
            mlflow.set_tracking_uri("")


def _progress() -> Progress:
    return Progress(Console(file=StringIO()), interval_s=1_000)


def in_a_process(world: World) -> dict[str, str]:
    """The environment of a command with the stores of this world."""
    home = Path(os.environ["BENTOML_HOME"]).parent
    return {**environment_of(home), "TABENTO_AUDIT_DB": str(world.log)}


def parsed(text: str) -> dict[str, Any]:
    """The JSON object that a command wrote."""
    found: dict[str, Any] = json.loads(text)
    return found
