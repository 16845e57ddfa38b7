"""Trainings of more than a small table, and candidates that are chosen, by the real command."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bentoml
import numpy as np
import pandas as pd
import psutil
import pytest
from bentoml._internal.models import ModelStore

from service.model.published import load_stored
from tests.support.servers import COMMAND_TIMEOUT_S, PROJECT
from tests.support.waiting import PATIENCE_S, await_true

ROWS = 20_000


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten features of which two are categories, a nonlinear target, and labels that are noisy."""
    random = np.random.default_rng(5)
    numbers = random.normal(size=(ROWS, 8))
    codes = random.integers(0, 40, ROWS)
    score = numbers[:, 0] * numbers[:, 1] + np.sin(3 * numbers[:, 2]) + random.normal(size=40)[codes]
    frame = pd.DataFrame(numbers.round(4), columns=[f"n{place}" for place in range(8)])
    frame["n3"] = frame["n3"].mask(random.random(ROWS) < 0.1)
    frame["code"] = [f"code {place}" for place in codes]
    frame["colour"] = np.array(["red", "blue", ""])[random.integers(3, size=ROWS)]
    frame["label"] = np.where(score + random.normal(scale=0.7, size=ROWS) > 0, "yes", "no")
    path = tmp_path_factory.mktemp("size") / "table.csv"
    frame.to_csv(path, index=False)
    return path


def started(table: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "training", "--data", str(table), "--target", "label", "--name", "sized"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "BENTOML_HOME": str(folder / "bentoml"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
    }
    return subprocess.Popen(
        [*command, *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_a_table_of_20_000_rows_is_sampled_and_the_champion_is_fitted_to_all(
    table: Path, tmp_path: Path
) -> None:
    process = started(table, tmp_path, "--json")
    stdout, stderr = process.communicate(timeout=COMMAND_TIMEOUT_S)
    assert process.returncode == 0, stderr
    assert "Cross-validation: 5 folds, on 10,000 and then 16,000 of 16,000 training rows" in stderr
    assert "Estimated time: " in stderr
    result = json.loads(stdout)
    by_name = {each["name"]: each for each in result["candidates"]}
    assert result["lineage"]["candidate"] == "gradient_boosting"
    assert "dropped out at 10,000 rows" in by_name["logistic_regression"]["dropped"]
    assert "test_accuracy" not in by_name["logistic_regression"]["metrics"]
    assert result["lineage"]["data_rows"] == ROWS
    stored = ModelStore(tmp_path / "bentoml" / "models").get("sized")
    assert isinstance(stored, bentoml.Model)
    for runtime in ("sklearn", "compiled"):
        load_stored(stored, runtime)


@pytest.fixture
def folding(table: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A training whose processes fit folds."""
    process = started(table, tmp_path, "--without", "logistic_regression")

    def is_folding() -> bool:
        assert process.poll() is None
        return len(descendants(process)) >= 4

    await_true(is_folding, "the processes of the training fit folds", within_s=COMMAND_TIMEOUT_S)
    time.sleep(1)
    yield process, descendants(process)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_no_process(
    folding: tuple[subprocess.Popen[str], list[psutil.Process]], number: signal.Signals
) -> None:
    process, others = folding
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    if number is signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        assert stderr.endswith(f"Ended by {number.name}; nothing was published.\n")
    assert "Traceback" not in stderr
    _, alive = psutil.wait_procs(others, timeout=30)
    assert alive == []


def test_an_unknown_candidate_is_refused_with_the_known_ones(table: Path, tmp_path: Path) -> None:
    process = started(table, tmp_path, "--only", "random_forest,forest")
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "--only forest: there is no such candidate." in stderr
    assert "logistic_regression, k_nearest_neighbours, random_forest, gradient_boosting" in stderr


def test_a_candidate_that_was_chosen_is_trained(table: Path, tmp_path: Path) -> None:
    process = started(table, tmp_path, "--only", "logistic_regression", "--json")
    stdout, stderr = process.communicate(timeout=COMMAND_TIMEOUT_S)
    assert process.returncode == 0, stderr
    assert [each["name"] for each in json.loads(stdout)["candidates"]] == ["logistic_regression"]


def test_a_table_with_too_many_columns_is_refused_at_once(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.zeros((60, 2_500)), columns=[f"n{place}" for place in range(2_500)])
    frame.assign(label=["a", "b"] * 30).to_csv(tmp_path / "wide.csv", index=False)
    process = started(tmp_path / "wide.csv", tmp_path)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "The table has 2,500 features, and a service takes at most 2,000." in stderr
