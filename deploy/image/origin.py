"""What an image is made of, as labels: the commit, the bento, its model, and the table behind it.

All of it is read from git, pyproject.toml and the model's lineage, so that a build of the same commit and
model says the same.
"""

import os
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import bentoml
from bentoml.exceptions import NotFound

from service.model.published import LINEAGE_KEY, Lineage

PROJECT = Path(__file__).parents[2]
OCI = "org.opencontainers.image"
OWN = "io.tabento"


@dataclass(frozen=True)
class Commit:
    """The state of the project."""

    revision: str
    """The commit's name; empty outside a git repository."""
    is_clean: bool
    """Whether the files are the commit's."""
    time_s: int
    """When it was committed; 0 outside a git repository."""
    source: str
    """The repository's address, without a password; empty if there is none."""


@dataclass(frozen=True)
class Model:
    """The published model."""

    tag: str
    data_sha256: str


def read_commit(project: Path = PROJECT) -> Commit:
    """The commit that is checked out.

    SOURCE_DATE_EPOCH and TABENTO_SOURCE, if set, replace its time and the repository's address.
    """
    revision = _git(project, "rev-parse", "HEAD")
    source = os.environ.get("TABENTO_SOURCE") or _git(project, "remote", "get-url", "origin")
    return Commit(
        revision,
        is_clean=bool(revision) and not _git(project, "status", "--porcelain"),
        time_s=int(os.environ.get("SOURCE_DATE_EPOCH") or _git(project, "log", "-1", "--format=%ct") or 0),
        source=re.sub(r"(?<=://)[^/@]*@", "", source),
    )


def read_model(name: str) -> Model:
    """The newest model of that name, or the one with that version; exits if there is none."""
    try:
        stored = bentoml.models.get(name)
    except NotFound:
        raise SystemExit(f"There is no model '{name}'. Publish one with `python -m training`.") from None
    lineage = Lineage.model_validate(stored.info.metadata[LINEAGE_KEY])
    return Model(str(stored.tag), lineage.data_sha256)


def labels(commit: Commit, bento: str, model: Model, base_image: str) -> dict[str, str]:
    """The image's labels, without those whose values are unknown."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    known = {
        f"{OCI}.title": bento.partition(":")[0],
        f"{OCI}.description": project["description"],
        f"{OCI}.version": project["version"],
        f"{OCI}.revision": commit.revision + ("-dirty" if commit.revision and not commit.is_clean else ""),
        f"{OCI}.source": commit.source,
        f"{OCI}.base.name": base_image,
        f"{OWN}.bento": bento,
        f"{OWN}.model": model.tag,
        f"{OWN}.data.sha256": model.data_sha256,
    }
    return {name: value for name, value in known.items() if value}


def _git(project: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=project, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
