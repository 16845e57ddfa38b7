"""A replay is a run of the experiment that its model was trained in."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.replayed_logs import RecordedModel
from tests.support.servers import run
from tests.support.small_models import publish_compiled
from tests.support.stores import opened_store

READ = """
import json, sys, mlflow
client = mlflow.MlflowClient()
(run,) = client.search_runs([client.get_experiment_by_name("flowers").experiment_id])
artifacts = sorted(each.path for each in client.list_artifacts(run.info.run_id))
json.dump([run.data.metrics, run.data.tags, run.data.params, artifacts], sys.stdout)
"""


@pytest.fixture(scope="module")
def env(stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    tracking = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    return {**stores, "MLFLOW_TRACKING_URI": f"sqlite:///{tracking}"}


def test_the_run_has_the_figures_the_page_and_the_verdict(
    stores: dict[str, str], env: dict[str, str], tmp_path: Path
) -> None:
    db = tmp_path / "audit.db"
    with opened_store(stores):
        tag = publish_compiled()
        RecordedModel(tag).record(db, [SETOSA, VIRGINICA] * 4)
    command = "import sys; from lifecycle.__main__ import main; code = main(sys.argv[1:]); assert code == 3"
    options = ("replay", "--model", tag, "--db", str(db), "--mlflow", "--processes", "1")
    done = run("-c", command, *options, env=env)
    assert "Verdict: undecided" in done.stdout
    assert "Logged as the MLflow run " in done.stderr

    found: list[Any] = json.loads(run("-c", READ, env=env).stdout)
    metrics, tags, params, artifacts = found
    assert (metrics["rows"], metrics["differing_rows"], metrics["labelled_rows"]) == (8, 0, 0)
    assert metrics["microseconds_a_row"] > 0
    assert (tags["tabento.replay"], tags["verdict"]) == (tag, "undecided")
    assert params["policy_metric"] == "accuracy"
    assert artifacts == ["replay.html", "replay.json"]
