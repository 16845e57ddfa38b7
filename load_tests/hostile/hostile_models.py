"""The models that hostile bodies are sent to, in a temporary store: 4 features, and 450 with a text."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from load_tests.bench.serving import PROJECT
from service.model.contract import Contract, Feature, Target
from service.model.published import Golden, Lineage

TARGET = Target(name="kind", type="text", classes=("a", "b"))
NARROW, WIDE = "narrow", "wide"
OBSERVED = {"observed_minimum": 0.0, "observed_maximum": 9.0}
CONTRACTS = {
    NARROW: Contract(
        features=tuple(Feature(name=f"width_{i}", type="float", minimum=0, **OBSERVED) for i in range(4)),
        target=TARGET,
    ),
    WIDE: Contract(
        features=(
            *(Feature(name=f"feature_{i:03d}", type="float", **OBSERVED) for i in range(449)),
            Feature(name="text", type="category", categories=("a", "b"), nullable=True),
        ),
        target=TARGET,
    ),
}


@contextmanager
def published() -> Iterator[dict[str, str]]:
    """Publish both models; yields the environment variables of their store."""
    with TemporaryDirectory(prefix="tabento-hostile-") as folder:
        store = {"BENTOML_HOME": str(Path(folder) / "bentoml")}
        environment = {**os.environ, **store, "PYTHONPATH": str(PROJECT)}
        command = [sys.executable, "-m", "load_tests.hostile.hostile_models"]
        subprocess.run(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, check=True)
        yield store


def publish_models() -> None:
    """Publish both models in the store that BENTOML_HOME names."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from training.candidates.row_preparation import one_hot
    from training.publish.publication import publish

    numbers = np.random.default_rng(3)
    for name, contract in CONTRACTS.items():
        rows = [
            {
                feature.name: "ab"[i % 2] if feature.type == "category" else float(numbers.uniform(0, 9))
                for feature in contract.features
            }
            for i in range(60)
        ]
        matrix = contract.matrix([contract.row_type.model_validate(row) for row in rows])
        pipeline = make_pipeline(one_hot(contract), LogisticRegression())
        pipeline.fit(matrix, np.array(["ab"[i % 2] for i in range(60)]))
        golden = Golden(rows=rows[:3], probabilities=pipeline.predict_proba(matrix[:3]).tolist())
        publish(pipeline, contract, golden, _lineage(name))


def _lineage(name: str) -> Lineage:
    return Lineage(
        model_name=name, model_version="1", registered_model=name, candidate="c", alias="champion",
        run_id="r", experiment="e", trained_utc="2026-01-01T00:00:00Z", seed=3, data_name=name,
        data_sha256="0", data_rows=60, metrics={}, libraries={},
    )  # fmt: skip


if __name__ == "__main__":
    publish_models()
