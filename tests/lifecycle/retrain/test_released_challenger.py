"""A running service whose world has changed: the command retrains, and the challenger runs in shadow."""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import mlflow
import pytest

from lifecycle.aliases.release_in_force import release_in_force
from service.audit.query.acts import logged_acts
from tests.support.retrained_world import NAME, TARGET, World, in_a_process, numbers, parsed, sides
from tests.support.servers import PROJECT, Server, Starter
from tests.support.waiting import PATIENCE_S

ROWS = 900
MOVED = 3.0


@pytest.fixture(scope="module")
def server(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with one worker, and the labelled requests of the changed world."""
    starter = Starter(in_a_process(world), tmp_path_factory)
    server = starter.start(model=NAME)
    x = numbers(ROWS)
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for number, value in enumerate(x):
            sent = {"X-Request-ID": f"boat-{number}"}
            answer = client.post("/predict", json={"x": value, "depth": number % 30}, headers=sent)
            assert answer.status_code == 200, answer.text
        labels = sides(x, MOVED)
        outcomes = [{"request_id": f"boat-{n}", "label": label} for n, label in enumerate(labels)]
        for start in range(0, ROWS, 300):
            kept = client.post("/feedback", json=outcomes[start : start + 300])
            assert kept.status_code == 200, kept.text
    yield server
    starter.stop_all()


def retrain(world: World, server: Server, *options: str) -> "subprocess.CompletedProcess[str]":
    where = ["--data", str(world.table), "--target", TARGET, "--name", NAME, "--db", str(server.audit_db)]
    command = [sys.executable, "-m", "lifecycle", "retrain", *where, "--only", "logistic_regression"]
    return subprocess.run(
        [*command, "--newest", "600", "--json", *options],
        cwd=PROJECT,
        env=in_a_process(world),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_dry_run_says_what_would_be_trained_on_and_writes_nothing(world: World, server: Server) -> None:
    done = retrain(world, server, "--dry-run")
    assert done.returncode == 0, done.stderr
    found = parsed(done.stdout)
    assert (found["dry_run"], found["champion"]) == (True, world.champion)
    assert found["data"]["held_out_rows"] == 270
    assert not server.audit_db.with_name(f"{NAME}.retraining").exists()


def test_a_challenger_that_passes_is_released_in_shadow_with_its_reason(world: World, server: Server) -> None:
    done = retrain(world, server, "--reason", "the river moved")
    assert done.returncode == 0, done.stderr
    found = parsed(done.stdout)
    assert found["verdict"] == "passed", found["checks"]
    assert (found["released"], found["reasons"]) == (True, [])
    release = release_in_force(server.audit_db, NAME)
    assert release is not None
    assert (release.champion, release.challenger, release.mode) == (world.champion, found["tag"], "shadow")
    (act,) = (act for act in logged_acts(server.audit_db, kind="release") if act.detail["action"] == "shadow")
    assert (act.actor, act.reason) == ("retraining", "the river moved; the gate passed")
    assert mlflow.MlflowClient().get_model_version(NAME, found["version"]).tags["released"] == "True"


def test_while_it_is_compared_no_other_challenger_is_released(world: World, server: Server) -> None:
    before = release_in_force(server.audit_db, NAME)
    done = retrain(world, server)
    assert done.returncode == 0, done.stderr
    found = parsed(done.stdout)
    assert found["released"] is False
    assert "one challenger at a time" in " ".join(found["reasons"])
    assert release_in_force(server.audit_db, NAME) == before
    aliased = mlflow.MlflowClient().get_model_version_by_alias(NAME, "challenger")
    assert before is not None
    assert aliased.tags["bentoml_tag"] == before.challenger
