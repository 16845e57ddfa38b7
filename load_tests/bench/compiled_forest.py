"""How much faster a forest is compiled: the same service with ``TABENTO_RUNTIME`` at compiled and at sklearn.

The forest is a RandomForestClassifier of 100 trees, trained on Iris and published into a BentoML store that
lasts as long as the measurement, so that the store of whoever runs it stays as it is. Run as a command, the
module trains it into the store of the environment.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from load_tests.bench.http_load import Measured, load
from load_tests.bench.rounds import CONNECTIONS, in_turn
from load_tests.bench.serving import PROJECT, NotReady, serving
from service.settings import Settings

NAME = "iris_forest"
RUNTIME = "TABENTO_RUNTIME"


class Forest(NamedTuple):
    """The forest's service, by runtime."""

    compiled: Measured
    sklearn: Measured

    @property
    def factor(self) -> float:
        """How many times as many requests the compiled one answers."""
        return self.compiled.per_second / self.sklearn.per_second

    def as_json(self) -> dict[str, dict[str, float]]:
        """The figures by runtime."""
        return {"compiled": self.compiled._asdict(), "sklearn": self.sklearn._asdict()}


def measure_forest(rounds: int, seconds: float) -> Forest | str:
    """Medians over the rounds, or the reason why there are none."""
    if "runtime" not in Settings.model_fields:
        return f"the service has no setting {RUNTIME}"
    with published() as store, ExitStack() as stack:
        try:
            services = {
                runtime: stack.enter_context(serving(model=NAME, **store, **{RUNTIME: runtime}))
                for runtime in ("compiled", "sklearn")
            }
        except NotReady as error:
            return f"the forest's service did not start: {str(error).strip().splitlines()[-1]}"
        for service in services.values():
            load(service.url, CONNECTIONS, 1)
        found = in_turn(
            list(services), rounds, lambda runtime: load(services[runtime].url, CONNECTIONS, seconds)
        )
    return Forest(found["compiled"], found["sklearn"])


@contextmanager
def published() -> Iterator[dict[str, str]]:
    """The environment in which the forest is published."""
    with TemporaryDirectory(prefix="tabento-forest-") as folder:
        tracking = f"sqlite:///{Path(folder) / 'mlflow.db'}"
        store = {"BENTOML_HOME": str(Path(folder) / "bentoml"), "MLFLOW_TRACKING_URI": tracking}
        environment = {**os.environ, **store, "PYTHONPATH": str(PROJECT)}
        command = [sys.executable, "-m", "load_tests.bench.compiled_forest"]
        subprocess.run(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, check=True)
        yield store


def train_forest() -> None:
    """Train and publish it as any table's champion is, but without competitors."""
    from rich.console import Console

    from training.candidates.built_in import CANDIDATES
    from training.cli import TABLES
    from training.evaluate.evaluation import FITS
    from training.evaluate.report import Narrator
    from training.table.dataset import load_dataset
    from training.table.overrides import read_overrides
    from training.train import Settings as Asked
    from training.train import train

    overrides = read_overrides(TABLES / "iris.contract.json")
    dataset = load_dataset(TABLES / "iris.csv", "species", drop=[], overrides=overrides)
    asked = Asked(NAME, test_size=0.2, seed=42, folder=Path.cwd())
    forests = [candidate for candidate in CANDIDATES if candidate.name == "random_forest"]
    with Narrator(Console(stderr=True), fits=FITS) as narrator:
        train(dataset, dataset.split(asked.test_size, asked.seed), asked, narrator, forests)


if __name__ == "__main__":
    train_forest()
