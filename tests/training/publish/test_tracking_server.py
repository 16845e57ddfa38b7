"""MLflow's server, run as compose.yaml runs it, takes a training and answers to its own names alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import mlflow
import pytest
import yaml

from tests.support.servers import PROJECT, await_answer, free_port, train
from tests.support.tables import LABELLED, write_points
from tests.support.waiting import PATIENCE_S

CANDIDATE_NAMES = ["logistic_regression", "k_nearest_neighbours", "random_forest", "gradient_boosting"]
MLFLOW = yaml.safe_load((PROJECT / "deploy" / "compose.yaml").read_text())["services"]["mlflow"]


@pytest.fixture
def mlflow_server(stores: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """MLflow's server by the command of compose.yaml, on a free port and in a temporary folder."""
    port = free_port()
    program, *options = [
        option.replace("=0.0.0.0", "=127.0.0.1")
        .replace("=5000", f"={port}")
        .replace("/mlflow/", f"{tmp_path}/")
        for option in MLFLOW["command"]
    ]
    assert program == "mlflow"
    own = {name: value for name, value in stores.items() if name != "MLFLOW_TRACKING_URI"}
    env = {**own, **MLFLOW["environment"]}
    output = tmp_path / "output"
    with (
        output.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", program, *options],
            cwd=tmp_path,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            await_answer(f"{url}/health", process, output)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE_S)


def test_a_tracking_server_is_used_where_one_is_named_and_json_is_all_of_stdout(
    mlflow_server: str, stores: dict[str, str], tmp_path: Path
) -> None:
    registered = f"{mlflow_server}/api/2.0/mlflow/registered-models/search"
    for host, status in (("localhost:5000", 200), ("mlflow:5000", 200), ("elsewhere.example", 403)):
        assert httpx.get(registered, headers={"host": host}, timeout=30).status_code == status

    folder = tmp_path / "training"
    folder.mkdir()
    env = {**stores, "MLFLOW_TRACKING_URI": mlflow_server, "BENTOML_HOME": str(tmp_path / "bentoml")}
    data = write_points(tmp_path / "points.csv")
    done = train("--data", str(data), *LABELLED, "--json", env=env, cwd=folder)
    result = json.loads(done.stdout)
    decision = {"champion", "comparison", "reason"}
    assert set(result) == decision | {"tag", "plan", "lineage", "candidates", "mlflow", "notes", "next"}
    assert [candidate["name"] for candidate in result["candidates"]] == CANDIDATE_NAMES
    assert result["lineage"]["model_name"] == f"points_{result['lineage']['candidate']}"
    assert result["next"] == ["bentoml serve --host 127.0.0.1 --arg model=points", mlflow_server]

    client = mlflow.MlflowClient(tracking_uri=mlflow_server)
    version = client.get_model_version_by_alias("points", "champion")
    assert version.run_id == result["lineage"]["run_id"]
    assert client.get_run(result["mlflow"]["run_id"]).info.status == "FINISHED"
    assert [each.path for each in client.list_artifacts(result["lineage"]["run_id"])] == [
        "calibration.png",
        "confusion_matrix.png",
        "profile.json",
    ]
    (model,) = httpx.get(registered, timeout=30).json()["registered_models"]
    assert model["name"] == "points"
    assert model["aliases"] == [{"alias": "champion", "version": "1"}]
    assert list((tmp_path / "artifacts").rglob("MLmodel"))
    assert list(folder.iterdir()) == []
