"""Rolling an image out, and back: an unmodified kubectl against a stand-in for a cluster."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from deploy.kubernetes.manifests import HERE, find_kubectl
from tests.support.cluster import Cluster

GOOD, BETTER, BROKEN = (f"ghcr.io/tabento/tabento@sha256:{digit * 64}" for digit in "123")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.broken.add(BROKEN)
    thread = Thread(target=cluster.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield cluster
    cluster.shutdown()
    thread.join()
    cluster.server_close()


class Operator:
    """Somebody with a copy of the manifests, and access to the cluster."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.manifests = folder / "kubernetes"
        shutil.copytree(HERE, self.manifests)
        programs = folder / "bin"
        programs.mkdir()
        (programs / "kubectl").symlink_to(find_kubectl())
        access = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": {"server": cluster.url}}],
            "users": [{"name": "it", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
        (folder / "access").write_text(json.dumps(access))
        self.environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "KUBECONFIG": str(folder / "access"),
            "KUBECACHEDIR": str(folder / "cache"),
            "HOME": str(folder),
            "ROLLOUT_TIMEOUT": "60s",
        }

    def does(self, script: str, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.manifests / script, *options],
            env={**self.environment, **env},
            capture_output=True,
            text=True,
            timeout=90,
        )


@pytest.fixture
def operator(tmp_path: Path, cluster: Cluster) -> Operator:
    return Operator(tmp_path, cluster)


def test_what_was_rolled_out_is_what_runs(operator: Operator, cluster: Cluster) -> None:
    done = operator.does("rollout", "production", GOOD)
    assert done.returncode == 0, done.stderr
    assert cluster.images() == [GOOD]
    assert {it["kind"] for it in cluster.objects.values()} >= {"Service", "NetworkPolicy", "ServiceMonitor"}
    assert not list(operator.manifests.glob("overlays/.rollout-*"))


def test_an_image_by_its_tag_is_refused_and_nothing_is_changed(operator: Operator, cluster: Cluster) -> None:
    done = operator.does("rollout", "production", "ghcr.io/tabento/tabento:main")
    assert done.returncode == 2
    assert "has no digest" in done.stderr
    assert not cluster.objects


def test_a_rollout_that_fails_is_rolled_back_and_the_next_goes_ahead(
    operator: Operator, cluster: Cluster
) -> None:
    assert operator.does("rollout", "production", GOOD).returncode == 0
    failed = operator.does("rollout", "production", BROKEN, ROLLOUT_TIMEOUT="2s")
    assert failed.returncode == 1
    assert "were not ready within 2s" in failed.stderr
    assert cluster.images() == [BROKEN]

    done = operator.does("rollback", "production")
    assert done.returncode == 0, done.stderr
    assert cluster.images() == [GOOD]
    assert cluster.ready()

    done = operator.does("rollout", "production", BETTER)
    assert done.returncode == 0, done.stderr
    assert cluster.images() == [BETTER]


def test_a_rollback_of_what_started_but_was_found_wanting_goes_back(
    operator: Operator, cluster: Cluster
) -> None:
    for image in (GOOD, BETTER):
        assert operator.does("rollout", "production", image).returncode == 0
    done = operator.does("rollback", "production")
    assert done.returncode == 0, done.stderr
    assert cluster.images() == [GOOD]


def test_a_rollback_without_a_rollout_changes_nothing(operator: Operator, cluster: Cluster) -> None:
    done = operator.does("rollback", "production")
    assert (done.returncode, done.stderr) == (0, "")
    assert not cluster.objects


def test_the_first_rollout_has_nothing_to_go_back_to_and_says_so(operator: Operator) -> None:
    assert operator.does("rollout", "production", BROKEN, ROLLOUT_TIMEOUT="2s").returncode == 1
    done = operator.does("rollback", "production")
    assert done.returncode == 1
    assert "had no revision before" in done.stderr


def test_staging_and_production_are_rolled_out_apart(operator: Operator, cluster: Cluster) -> None:
    assert operator.does("rollout", "staging", BETTER).returncode == 0
    assert operator.does("rollout", "production", GOOD).returncode == 0
    assert operator.does("rollback", "production").returncode == 1
    assert (cluster.images("tabento-staging"), cluster.images()) == ([BETTER], [GOOD])
