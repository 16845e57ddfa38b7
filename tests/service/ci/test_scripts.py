"""The scripts of the workflows.

cosign, gh, docker and apt-get are stood in for, by programs that write down how they were called.
"""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.recorder import record_calls
from tests.support.servers import PROJECT

IMAGE = f"ghcr.io/tabento/tabento@sha256:{'a' * 64}"
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    return tmp_path / "programs"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the scripts, in which they may make dist/."""
    folder = tmp_path / "project"
    shutil.copytree(PROJECT / ".ci", folder / ".ci")
    return folder


def run(project: Path, programs: Path, script: str, *options: str, **env: str) -> Done:
    path = f"{programs}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **env}
    command = [str(project / ".ci" / script), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_the_access_to_the_cluster_is_for_its_owners_eyes(
    project: Path, programs: Path, tmp_path: Path
) -> None:
    access = tmp_path / "kubeconfig"
    done = run(project, programs, "kubeconfig", KUBECONFIG=str(access), KUBECONFIG_DATA="kind: Config")
    assert (done.returncode, done.stdout) == (0, "")
    assert access.read_text() == "kind: Config\n"
    assert stat.S_IMODE(access.stat().st_mode) == 0o600


def test_an_environment_without_access_to_the_cluster_says_so(
    project: Path, programs: Path, tmp_path: Path
) -> None:
    done = run(project, programs, "kubeconfig", KUBECONFIG=str(tmp_path / "none"), KUBECONFIG_DATA="")
    assert done.returncode == 2
    assert "The secret KUBECONFIG is not set" in done.stderr
    assert not (tmp_path / "none").exists()


def test_an_image_is_signed_by_its_digest_with_its_sbom(project: Path, programs: Path) -> None:
    calls = record_calls(programs, "cosign")
    assert run(project, programs, "sign-image", "sign", IMAGE).returncode == 0
    assert calls.read_text().splitlines() == [
        f"sign --yes {IMAGE}",
        f"attest --yes --type cyclonedx --predicate dist/image.cdx.json {IMAGE}",
    ]


def test_a_tag_is_not_signed(project: Path, programs: Path) -> None:
    calls = record_calls(programs, "cosign")
    done = run(project, programs, "sign-image", "sign", "ghcr.io/tabento/tabento:main")
    assert done.returncode == 2
    assert "has no digest" in done.stderr
    assert calls.read_text() == ""


def test_an_image_is_ours_if_the_workflow_of_this_repository_signed_it(project: Path, programs: Path) -> None:
    calls = record_calls(programs, "cosign")
    done = run(project, programs, "sign-image", "verify", IMAGE, GITHUB_REPOSITORY="tabento/tabento")
    assert done.returncode == 0
    image, sbom = calls.read_text().splitlines()
    assert image.startswith("verify --certificate-identity-regexp ^https://github.com/tabento/tabento/")
    assert sbom.startswith("verify-attestation --type cyclonedx")
    for call in (image, sbom):
        assert "/image\\.yml@refs/(heads/main|tags/v.*)$ " in call
        assert call.endswith(IMAGE)


def test_an_image_that_is_not_ours_is_refused(project: Path, programs: Path) -> None:
    record_calls(programs, "cosign", then="exit 1")
    done = run(project, programs, "sign-image", "verify", IMAGE, GITHUB_REPOSITORY="tabento/tabento")
    assert done.returncode == 1


def test_a_deployment_is_asked_for_by_digest(project: Path, programs: Path) -> None:
    calls = record_calls(programs, "gh")
    github = {"GITHUB_REPOSITORY": "tabento/tabento", "GITHUB_REF_NAME": "main"}
    assert run(project, programs, "ask-for-deployment", IMAGE, **github).returncode == 0
    assert calls.read_text() == (
        f"workflow run deploy.yml --repo tabento/tabento --ref main --field image={IMAGE}\n"
    )


def test_an_image_is_saved_with_its_sbom(project: Path, programs: Path) -> None:
    calls = record_calls(programs, "docker", then="touch dist/image.tar")
    (project / "image.cdx.json").write_text("{}")
    assert run(project, programs, "save-image").returncode == 0
    assert calls.read_text() == "save --output dist/image.tar tabento/iris_classifier:latest\n"
    assert {path.name for path in (project / "dist").iterdir()} == {"image.tar", "image.cdx.json"}


def test_an_image_without_its_sbom_is_not_saved(project: Path, programs: Path) -> None:
    record_calls(programs, "docker")
    assert run(project, programs, "save-image").returncode != 0


NEWEST = 'case "$*" in "run list"*) echo "$NEWEST" ;; esac'


def test_the_candidate_that_is_shipped_is_that_of_the_newest_training_or_of_the_one_named(
    project: Path, programs: Path
) -> None:
    calls = record_calls(programs, "gh", then=NEWEST)
    github = {"GITHUB_REPOSITORY": "tabento/tabento", "NEWEST": "4711"}
    assert run(project, programs, "fetch-candidate", CANDIDATE_RUN="", **github).returncode == 0
    listed, downloaded = calls.read_text().splitlines()
    assert "--workflow train.yml --branch main --status success --limit 1" in listed
    assert downloaded == "run download 4711 --repo tabento/tabento --name candidate --dir dist"
    assert run(project, programs, "fetch-candidate", CANDIDATE_RUN="12", **github).returncode == 0
    assert calls.read_text().splitlines()[2:] == [downloaded.replace("4711", "12")]


@pytest.mark.parametrize(
    ("named", "newest", "code", "said"),
    [
        ("", "", 1, "no candidate yet"),
        ("--repo=elsewhere", "4711", 2, "not the id of a run"),
        ("", "-1", 2, "not the id"),
    ],
)
def test_without_a_candidate_nothing_is_shipped(
    project: Path, programs: Path, named: str, newest: str, code: int, said: str
) -> None:
    calls = record_calls(programs, "gh", then=NEWEST)
    github = {"GITHUB_REPOSITORY": "tabento/tabento", "NEWEST": newest}
    done = run(project, programs, "fetch-candidate", CANDIDATE_RUN=named, **github)
    assert done.returncode == code
    assert said in done.stderr
    assert "download" not in calls.read_text()


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
@pytest.mark.parametrize("there", [(), ("podman", "runc", "mmdebstrap")], ids=["no-engine", "broken-engine"])
def test_where_no_container_can_be_run_that_is_said_and_fails_in_ci(
    project: Path, programs: Path, there: tuple[str, ...], ci: str, code: int
) -> None:
    for program in ("bash", "cat", "dirname", "mktemp", "rm", "touch"):
        programs.mkdir(exist_ok=True)
        (programs / program).symlink_to(shutil.which(program) or program)
    record_calls(programs, "apt-get", then='[ -n "$APT" ]')
    for program in there:
        record_calls(programs, program, then='case "$*" in "image exists"*) ;; *) exit 1 ;; esac')
    command = [str(programs / "bash"), str(project / ".ci" / "stand-in"), "touch", str(programs / "ran")]
    environment = {"PATH": str(programs), "CI": ci, "APT": "yes" if there else ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert "*** NOT RUN: touch" in done.stderr
    assert not (programs / "ran").exists()


@pytest.fixture
def packages(programs: Path) -> Path:
    return record_calls(programs, "apt-get")


def test_programs_that_are_there_are_not_installed(project: Path, programs: Path, packages: Path) -> None:
    assert run(project, programs, "install-tools", "sh", "make").returncode == 0
    assert packages.read_text() == ""


def test_programs_that_are_missing_are_installed(project: Path, programs: Path, packages: Path) -> None:
    record_calls(programs, "id", then="echo 0")
    done = run(project, programs, "install-tools", "sh", "no-such-program", "nor=this")
    assert done.stdout == "Installing no-such-program this.\n"
    *_, install = packages.read_text().splitlines()
    assert install.endswith("no-such-program this")
