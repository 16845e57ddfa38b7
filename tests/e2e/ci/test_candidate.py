"""A candidate: trained on one machine, shipped by another."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import PROJECT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a candidate is built of, with this Python's environment."""
    folder = tmp_path / "project"
    for name in ("service", ".ci", "requirements", "bentofile.yaml", "training", "deploy"):
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / name, folder / name)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return folder


def candidate(project: Path, step: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**env, "PYTHONPATH": str(project)}
    command = [str(project / ".ci" / "candidate"), step]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)


def test_the_model_of_a_candidate_is_the_one_that_another_machine_gets(
    project: Path, iris: str, stores: dict[str, str], tmp_path: Path
) -> None:
    exported = candidate(project, "export", {**stores, "MODEL": iris})
    assert exported.returncode == 0, exported.stderr
    assert len(list((project / "dist").glob("iris_classifier-*.bento"))) == 1

    (tmp_path / "elsewhere").mkdir()
    elsewhere = {**stores, "BENTOML_HOME": str(tmp_path / "elsewhere")}
    imported = candidate(project, "import", elsewhere)
    assert imported.returncode == 0, imported.stderr
    listed = [sys.executable, "-m", "bentoml", "models", "list", "--output", "json"]
    models = subprocess.run(listed, env=elsewhere, capture_output=True, text=True, check=True)
    assert iris in models.stdout


def test_where_there_is_no_candidate_none_is_trained(project: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "BENTOML_HOME": str(tmp_path / "bentoml")}
    done = candidate(project, "import", environment)
    assert done.returncode == 1
    assert "There is no candidate in dist/" in done.stderr
    assert not (tmp_path / "bentoml").exists()


def test_another_step_is_refused(project: Path) -> None:
    done = candidate(project, "publish", dict(os.environ))
    assert done.returncode == 2
