"""What an image says of where it comes from."""

import subprocess
from pathlib import Path

import pytest

from deploy.image.container_engine import choose_engine
from deploy.image.origin import Commit, Model, labels, read_commit

MODEL = Model("iris_classifier:abc", "0" * 64)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with one commit."""
    for name in ("SOURCE_DATE_EPOCH", "TABENTO_SOURCE", "GIT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "1700000000 +0000")
    (tmp_path / "kept").write_text("kept")
    git(tmp_path, "init")
    git(tmp_path, "add", "kept")
    git(tmp_path, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-m", "kept")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def test_the_commit_gives_the_revision_and_the_time(repository: Path) -> None:
    commit = read_commit(repository)
    assert len(commit.revision) == 40
    assert commit.is_clean
    assert commit.time_s == 1_700_000_000
    assert commit.source == ""


def test_a_file_that_is_not_the_commits_shows_in_the_revision(repository: Path) -> None:
    (repository / "more").touch()
    commit = read_commit(repository)
    assert not commit.is_clean
    known = labels(commit, "iris_classifier:1", MODEL, "base")
    assert known["org.opencontainers.image.revision"] == f"{commit.revision}-dirty"


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("https://name:secret@example.org/tabento.git", "https://example.org/tabento.git"),
        ("https://token@example.org/tabento.git", "https://example.org/tabento.git"),
        ("git@example.org:tabento.git", "git@example.org:tabento.git"),
    ],
)
def test_a_password_in_the_repositorys_address_stays_out(repository: Path, address: str, source: str) -> None:
    git(repository, "remote", "add", "origin", address)
    assert read_commit(repository).source == source


def test_what_is_not_known_has_no_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    commit = read_commit(tmp_path)
    assert (commit.revision, commit.is_clean, commit.source) == ("", False, "")
    known = labels(commit, "iris_classifier:1", MODEL, "base")
    assert not {"org.opencontainers.image.revision", "org.opencontainers.image.source"} & known.keys()
    assert known["io.tabento.data.sha256"] == MODEL.data_sha256


def test_a_build_can_be_given_its_time_and_source(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12")
    monkeypatch.setenv("TABENTO_SOURCE", "https://example.org/a")
    assert read_commit(repository) == Commit(
        read_commit(repository).revision, is_clean=True, time_s=12, source="https://example.org/a"
    )


def test_an_engine_that_is_none_is_named() -> None:
    with pytest.raises(SystemExit, match="vat is not one of the engines"):
        choose_engine("vat")


def test_without_an_engine_the_way_to_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"Neither docker nor podman works.*\.ci/stand-in"):
        choose_engine()
