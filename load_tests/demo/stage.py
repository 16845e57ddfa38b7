"""The processes of the demo, in a folder of their own: trainings, the service, the watcher, and commands."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from load_tests.bench.serving import PROJECT, Service, serving
from load_tests.demo.flowers import TABLE, TARGET
from load_tests.demo.narration import Narration

NAME = "iris_classifier"
WORKERS = 2
WINDOW_S = 3
WINDOW_ROWS = 150
_LABEL_HOURS = "0.0006"
"""Two seconds: the truth of a flower is known after one."""
_END_S = 60


class Stage:
    """A folder with stores of its own, and the environment of what runs in it."""

    def __init__(self, folder: Path, narration: Narration) -> None:
        self.folder = folder
        self._narration = narration
        self.log = folder / "tabento-audit.db"
        self.settings = {
            "BENTOML_HOME": str(folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
            "PYTHONPATH": str(PROJECT),
            "TABENTO_AUDIT_DB": str(self.log),
            "TABENTO_MONITORING_WINDOW_SECONDS": str(WINDOW_S),
            "TABENTO_MONITORING_WINDOW_ROWS": str(WINDOW_ROWS),
            "TABENTO_MONITORING_LABEL_HOURS": _LABEL_HOURS,
            "TABENTO_RELEASES_AUTO": "full",
            "TABENTO_WORKERS": str(WORKERS),
        }

    def train(self, table: Path = TABLE) -> str:
        """Train and publish a model of the table; its tag."""
        options = "--data", str(table), "--target", TARGET, "--name", NAME, "--json"
        trained: dict[str, Any] = json.loads(self.run("training", *options))
        return str(trained["tag"])

    def run(self, module: str, *arguments: str) -> str:
        """Run a command to its end; its output. It ends the demo if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.settings},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"python -m {module} {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def service(self) -> Iterator[Service]:
        """The service, until the end."""
        os.environ.update(self.settings)
        with serving(str(PROJECT), NAME, **self.settings) as service:
            yield service

    @contextmanager
    def watcher(self, *options: str) -> Iterator[None]:
        """``python -m lifecycle watch``, whose lines are narrated, until the end."""
        with self._background("lifecycle", "watch", *options) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            Thread(target=self._narrate, args=[process.stdout], daemon=True).start()
            yield

    @contextmanager
    def _background(self, module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", module, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _narrate(self, lines: Sequence[str]) -> None:
        for line in lines:
            if text := line.strip():
                self._narration.say("watch", text)
