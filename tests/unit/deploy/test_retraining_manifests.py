"""The CronJob of retraining: valid, and with options that the command has."""

from typing import Any

import pytest

from deploy.kubernetes.check import check
from deploy.kubernetes.manifests import HERE, RETRAINING, render
from lifecycle.watch.watch_command import watch
from tests.support.servers import PROJECT


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    (found,) = (it for it in render(HERE / RETRAINING) if it["kind"] == "CronJob")
    return dict(found["spec"])


def test_the_manifests_of_retraining_keep_the_schemas() -> None:
    assert list(check(HERE / RETRAINING)) == []


def test_one_job_at_a_time_looks_once_with_options_of_the_command_and_releases_nothing(
    job: dict[str, Any],
) -> None:
    (container,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    command, *options = container["args"]
    names = {option.partition("=")[0] for option in options}
    assert (command, job["concurrencyPolicy"]) == ("watch", "Forbid")
    assert {"--once", "--no-release"} <= names <= {option.opts[0] for option in watch.params}


def test_the_pod_runs_as_the_user_of_its_image_and_writes_its_volumes_alone(job: dict[str, Any]) -> None:
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    dockerfile = (PROJECT / "deploy" / "image" / "training.Dockerfile").read_text()
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in dockerfile
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert f"VOLUME {container['volumeMounts'][0]['mountPath']}\n" in dockerfile
