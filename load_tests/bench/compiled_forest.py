"""The speed-up of a compiled forest: the same service with ``TABENTO_RUNTIME`` compiled and sklearn.

The forest is a RandomForestClassifier of 100 trees, trained on Iris and published into a temporary BentoML
store, so that the user's store stays unchanged. ``python -m load_tests.bench.compiled_forest`` trains and
publishes it in the store that BENTOML_HOME names.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from load_tests.bench.http_load import LoadResult, load
from load_tests.bench.rounds import CONNECTIONS, interleaved_medians
from load_tests.bench.serving import PROJECT, NotReady, serving
from service.settings import Settings

NAME = "iris_forest"
RUNTIME = "TABENTO_RUNTIME"


class Forest(NamedTuple):
    """The forest's service, by runtime."""

    compiled: LoadResult
    sklearn: LoadResult

    @property
    def factor(self) -> float:
        """The throughput of the compiled form as a multiple of scikit-learn's."""
        return self.compiled.per_second / self.sklearn.per_second

    def as_json(self) -> dict[str, dict[str, float]]:
        """The figures by runtime."""
        return {"compiled": self.compiled._asdict(), "sklearn": self.sklearn._asdict()}


def measure_forest(rounds: int, seconds: float) -> Forest | str:
    """The medians of the rounds, or the reason why nothing was measured."""
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
        found = interleaved_medians(
            list(services), rounds, lambda runtime: load(services[runtime].url, CONNECTIONS, seconds)
        )
    return Forest(found["compiled"], found["sklearn"])


@contextmanager
def published() -> Iterator[dict[str, str]]:
    """Publish the forest; yields the environment variables of its store."""
    with TemporaryDirectory(prefix="tabento-forest-") as folder:
        tracking = f"sqlite:///{Path(folder) / 'mlflow.db'}"
        store = {"BENTOML_HOME": str(Path(folder) / "bentoml"), "MLFLOW_TRACKING_URI": tracking}
        environment = {**os.environ, **store, "PYTHONPATH": str(PROJECT)}
        command = [sys.executable, "-m", "load_tests.bench.compiled_forest"]
        subprocess.run(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, check=True)
        yield store


def train_forest() -> None:
    """Train and publish the forest as the only candidate."""
    from rich.console import Console

    from training.candidates.built_in import CANDIDATES
    from training.cli import TABLES
    from training.progress import Progress
    from training.table.dataset import load_dataset
    from training.table.options import TableOptions
    from training.table.overrides import read_overrides
    from training.train import Settings as TrainingSettings
    from training.train import train

    overrides = read_overrides(TABLES / "iris.contract.json")
    dataset = load_dataset(TABLES / "iris.csv", "species", TableOptions(overrides=overrides))
    settings = TrainingSettings(NAME, test_size=0.2, seed=42, folder=Path.cwd())
    forests = [candidate for candidate in CANDIDATES if candidate.name == "random_forest"]
    with Progress(Console(stderr=True)) as progress:
        train(dataset, dataset.split(settings.test_size, settings.seed), settings, progress, forests)


if __name__ == "__main__":
    train_forest()
