"""Publishing: the real skopeo pushes an image to a real registry on this machine, which asks who it is."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.support.programs import path_of
from tests.support.servers import PROJECT, await_answer, free_port
from tests.support.waiting import PATIENCE_S

ACCOUNT = ("publisher", "token")
HASHED = "publisher:$2b$04$abcdefghijklmnopqrstuuXW5JZg9aMqUYNJxQVUKvcx/Agx.PPZe"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of an empty registry."""
    for program in ("skopeo", "docker-registry"):
        path_of(program)
    folder = tmp_path_factory.mktemp("registry")
    host = f"127.0.0.1:{free_port()}"
    (folder / "accounts").write_text(f"{HASHED}\n")
    (folder / "config.yml").write_text(
        json.dumps(
            {
                "version": 0.1,
                "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
                "http": {"addr": host},
                "auth": {"htpasswd": {"realm": "here", "path": str(folder / "accounts")}},
            }
        )
    )
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            ["docker-registry", "serve", folder / "config.yml"], stdout=output, stderr=output
        )
    try:
        await_answer(f"http://{host}/v2/", process, folder / "output", ACCOUNT)
        yield host
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def project(tmp_path: Path, registry: str) -> Path:
    """A folder as the job that publishes finds it: the scripts, and an image in dist/."""
    folder = tmp_path / "project"
    shutil.copytree(PROJECT / ".ci", folder / ".ci")
    (folder / "dist").mkdir()
    save_image(folder / "dist" / "image.tar")
    settings = tmp_path / ".config" / "containers"
    settings.mkdir(parents=True)
    (settings / "registries.conf").write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    (tmp_path / "output").touch()
    return folder


def save_image(path: Path) -> None:
    """An image of one layer with one file, as an engine would save it."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        add(files, "hello", b"hello")
    digest = sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": ["tabento/iris:latest"], "Layers": ["layer.tar"]}]
    with tarfile.open(path, mode="w") as image:
        add(image, "config.json", json.dumps(config).encode())
        add(image, "layer.tar", layer.getvalue())
        add(image, "manifest.json", json.dumps(manifest).encode())


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def publish(project: Path, name: str, **github: str) -> str:
    """Publish, and give what was said to be published."""
    output = project.parent / "output"
    environment = {
        **os.environ,
        "HOME": str(project.parent),
        "REGISTRY_USER": ACCOUNT[0],
        "REGISTRY_TOKEN": ACCOUNT[1],
        "GITHUB_OUTPUT": str(output),
        "GITHUB_SHA": "0123456789abcdef",
        **github,
    }
    environment.pop("DOCKER_CONFIG", None)
    command = [str(project / ".ci" / "publish-image"), name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return output.read_text()


def digest_of(registry: str, name: str, tag: str) -> str:
    kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    answer = httpx.head(
        f"http://{registry}/v2/{name}/manifests/{tag}",
        headers={"accept": kinds},
        auth=ACCOUNT,
        timeout=30,
    )
    assert answer.status_code == 200
    return answer.headers["docker-content-digest"]


def test_a_branch_publishes_its_name_and_its_commit(project: Path, registry: str) -> None:
    said = publish(
        project, f"{registry}/Owner/Tabento", GITHUB_REF_TYPE="branch", GITHUB_REF_NAME="fix/one thing"
    )
    digest = digest_of(registry, "owner/tabento", "fix-one-thing")
    assert digest_of(registry, "owner/tabento", "sha-0123456789ab") == digest
    assert said == f"image={registry}/owner/tabento@{digest}\n"


def test_a_version_is_published_without_its_v(project: Path, registry: str) -> None:
    said = publish(project, f"{registry}/owner/released", GITHUB_REF_TYPE="tag", GITHUB_REF_NAME="v1.2.3")
    digest = digest_of(registry, "owner/released", "1.2.3")
    assert said == f"image={registry}/owner/released@{digest}\n"
    listed = httpx.get(f"http://{registry}/v2/owner/released/tags/list", auth=ACCOUNT, timeout=30)
    assert listed.json()["tags"] == ["1.2.3"]
    assert (project.parent / ".docker" / "config.json").exists()  # where cosign looks for the account


def test_a_registry_that_does_not_know_the_account_gets_nothing(project: Path, registry: str) -> None:
    with pytest.raises(AssertionError, match=r"(?i)unauthorized|invalid username"):
        publish(
            project,
            f"{registry}/owner/refused",
            GITHUB_REF_TYPE="branch",
            GITHUB_REF_NAME="main",
            REGISTRY_TOKEN="another",
        )
