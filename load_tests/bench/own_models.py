"""Models of Iris in stores of a measurement's own, so that it neither needs nor changes what is published."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from load_tests.bench.serving import PROJECT

NAME = "iris_classifier"


def train_own_models(folder: Path, candidates: Sequence[str]) -> tuple[str, ...]:
    """Train a model of each candidate, and let this process use the stores in the folder; their tags.

    The first is the champion.
    """
    os.environ.update(
        BENTOML_DO_NOT_TRACK="True",
        MLFLOW_DISABLE_TELEMETRY="true",
        BENTOML_HOME=str(folder / "bentoml"),
        MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}",
    )
    return tuple(_train(folder, candidate) for candidate in candidates)


def _train(folder: Path, candidate: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "training", "--only", candidate, "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    trained: dict[str, Any] = json.loads(done.stdout)
    return str(trained["tag"])
