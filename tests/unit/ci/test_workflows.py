"""The workflows: what they run is the project's own, what they use is pinned, what they may is little."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.servers import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
# Where a job may do more than read, and what for.
RIGHTS = {
    ("image.yml", "publish"): {"packages": "write", "id-token": "write"},
    ("image.yml", "deploy"): {"actions": "write"},
    ("docs.yml", "publish"): {"pages": "write", "id-token": "write"},
}


def read(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())
    return workflow


JOBS = [(path.name, name, job) for path in WORKFLOWS for name, job in read(path)["jobs"].items()]
every_job = pytest.mark.parametrize(
    ("workflow", "name", "job"), JOBS, ids=[f"{it[0]}-{it[1]}" for it in JOBS]
)
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


@every_job
def test_what_is_run_is_a_target_of_the_makefile_or_a_script(
    workflow: str, name: str, job: dict[str, Any]
) -> None:
    for step in job["steps"]:
        if "run" not in step:
            continue
        command, *rest = step["run"].removeprefix("sudo ").split()
        if command == "make":
            assert rest[0] in TARGETS, f"{workflow}, {name}: make has no target {rest[0]}"
        else:
            assert os.access(PROJECT / command, os.X_OK), f"{workflow}, {name}: {command} is no script"
        assert "\n" not in step["run"].strip()
        assert "${{" not in step["run"]


@every_workflow
def test_every_action_is_pinned_by_its_commit_and_says_its_version(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text())
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), f"{action}{comment}"


def test_an_action_is_the_same_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, pin in re.findall(r"uses: ([^@\s]+)@(.*)", path.read_text()):
            pins.setdefault(action, set()).add(pin)
    assert {action for action, kinds in pins.items() if len(kinds) > 1} == set()


@every_job
def test_a_job_may_read_and_what_is_said_here(workflow: str, name: str, job: dict[str, Any]) -> None:
    written = {right: level for right, level in job["permissions"].items() if level != "read"}
    assert written == RIGHTS.get((workflow, name), {})
    assert job["permissions"]["contents"] == "read"


@every_workflow
def test_a_workflow_has_no_rights_of_its_own_and_does_not_run_twice_at_once(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["cancel-in-progress"] is (path.name == "ci.yml")


def test_what_is_deployed_is_gone_back_on_when_it_fails() -> None:
    jobs = read(PROJECT / ".github" / "workflows" / "deploy.yml")["jobs"]
    assert jobs["staging"]["needs"] == "verify"
    assert jobs["production"]["needs"] == "staging"
    for name in ("staging", "production"):
        job = jobs[name]
        assert job["environment"]["name"] == job["env"]["OVERLAY"] == name
        *_, rollout, judged, last = (step for step in job["steps"] if step.get("run") != "make load")
        assert rollout["run"] == "make rollout"
        assert judged["run"] == ("make smoke" if name == "staging" else "make smoke-for")
        assert last["run"] == "make rollback"
        assert last["if"] == "failure() || cancelled()"


def test_what_is_shipped_was_trained_by_the_workflow_that_keeps_its_runs() -> None:
    build = read(PROJECT / ".github" / "workflows" / "image.yml")["jobs"]["build"]["steps"]
    commands = [step["run"] for step in build if "run" in step]
    assert commands.index(".ci/fetch-candidate") < commands.index("make import-candidate")
    assert "make train" not in commands
    train = read(PROJECT / ".github" / "workflows" / "train.yml")["jobs"]["train"]
    kept = {
        step["with"]["name"]: step for step in train["steps"] if "upload-artifact" in step.get("uses", "")
    }
    assert kept["candidate"]["with"]["path"] == "dist/*.bento"
    # The runs are with a tracking server, or beside the candidate.
    assert "vars.MLFLOW_TRACKING_URI" in train["env"]["MLFLOW_TRACKING_URI"]
    assert kept["runs"]["if"] == "vars.MLFLOW_TRACKING_URI == ''"
    assert kept["runs"]["with"]["path"].split() == ["mlflow.db", "mlartifacts"]


def test_every_path_that_has_an_owner_is_there() -> None:
    for line in (PROJECT / ".github" / "CODEOWNERS").read_text().splitlines():
        if line.startswith("/"):
            assert (PROJECT / line.split()[0].strip("/")).is_dir()
