"""What is in the image, and what is not."""

import hashlib
import json
import subprocess
from typing import Any

import pytest
from packageurl import PackageURL

from deploy.image.contents import exported, read_contents
from deploy.image.origin import read_commit
from deploy.image.sbom import bill_of_materials
from service.oip.served_model import SERVER_VERSION
from tests.support.containers import Build, Container, engine_run
from tests.support.servers import PROJECT

pytestmark = pytest.mark.container

LARGEST_BYTES = 650_000_000


@pytest.fixture(scope="module")
def about(engine: str, image: str) -> dict[str, Any]:
    (about,) = json.loads(engine_run(engine, "image", "inspect", image))
    return dict(about)


def test_it_is_small(about: dict[str, Any]) -> None:
    assert about["Size"] < LARGEST_BYTES


def test_it_says_what_it_is_made_of(about: dict[str, Any], iris: str) -> None:
    labels = about["Config"]["Labels"]
    commit = read_commit()
    assert labels["org.opencontainers.image.revision"].removesuffix("-dirty") == commit.revision
    assert labels["org.opencontainers.image.version"] == SERVER_VERSION
    assert labels["org.opencontainers.image.title"] == "iris_classifier"
    assert labels.get("org.opencontainers.image.source", "") == commit.source
    assert labels["io.tabento.model"] == iris
    assert labels["io.tabento.bento"].startswith("iris_classifier:")
    assert (
        labels["io.tabento.data.sha256"]
        == hashlib.sha256((PROJECT / "training" / "tables" / "iris.csv").read_bytes()).hexdigest()
    )


def test_it_runs_as_a_numbered_user_and_declares_ports_volume_and_health(about: dict[str, Any]) -> None:
    config = about["Config"]
    assert config["User"] == "1034:1034"
    assert set(config["ExposedPorts"]) == {"3000/tcp", "3001/tcp"}
    assert set(config["Volumes"]) == {"/var/lib/tabento"}
    assert "TABENTO_AUDIT_DB=/var/lib/tabento/audit.db" in config["Env"]
    assert "/readyz" in str((config.get("Healthcheck") or about["Healthcheck"])["Test"])


@pytest.mark.parametrize(
    "module", ["training", "mlflow", "pandas", "onnx", "matplotlib", "pytest", "pip", "uv"]
)
def test_it_has_nothing_of_training_or_building(container: Container, module: str) -> None:
    assert container.python(f"import importlib.util as i; print(i.find_spec('{module}'))") == "None"


@pytest.mark.parametrize("program", ["gcc", "cc", "make", "git", "gpg", "curl", "uv", "mlflow"])
def test_it_has_no_compiler_nor_other_tool(container: Container, program: str) -> None:
    assert container.python(f"import shutil; print(shutil.which('{program}'))") == "None"


def test_its_bytecode_is_made(container: Container) -> None:
    program = """
import importlib.util, pathlib, sys
import bentoml, onnxruntime, scipy.linalg, service.http.gateway, sklearn
sources = {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
sources = {file for file in sources if file.endswith(".py")}
print(*(file for file in sources if not pathlib.Path(importlib.util.cache_from_source(file)).exists()))
"""
    assert container.python(program) == ""


def test_its_bill_of_materials_has_what_the_image_has(
    engine: str, image: str, about: dict[str, Any], container: Container, iris: str
) -> None:
    contents = read_contents(engine, image)
    text = bill_of_materials(about, contents)
    bill = json.loads(text)
    assert bill["bomFormat"] == "CycloneDX"
    listed = {part.get("purl", "").partition("?")[0] for part in bill["components"]}
    program = """
import importlib.metadata, platform
print("generic python", platform.python_version())
for package in importlib.metadata.distributions():
    print("pypi", package.name, package.version)
"""
    installed = [line.split() for line in container.python(program).splitlines()]
    assert len(installed) > 50
    assert {str(PackageURL(kind, None, name, version)) for kind, name, version in installed} <= listed
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in listed)
    (model,) = (part for part in bill["components"] if part["type"] == "machine-learning-model")
    assert f"{model['name']}:{model['version']}" == iris
    assert bill_of_materials(about, contents) == text


def files(engine: str, image: str) -> dict[str, tuple[object, ...]]:
    """Every file of an image: what it is, whose, and what is in it."""
    found: dict[str, tuple[object, ...]] = {}
    with exported(engine, image) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            digest = hashlib.sha256(content.read()).hexdigest() if content else member.linkname
            found[member.name] = (member.type, member.mode, member.uid, member.gid, digest)
    return found


def test_the_same_commit_and_model_give_the_same_image(
    engine: str, image: str, build: Build, other_store: dict[str, str], about: dict[str, Any]
) -> None:
    if not read_commit().is_clean:
        pytest.skip("the files are not those of a commit: commit, and run this again")
    again = build(other_store)
    (other,) = json.loads(engine_run(engine, "image", "inspect", again))
    if other["RootFS"] == about["RootFS"]:
        return
    first, second = files(engine, image), files(engine, again)
    assert {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)} == set()
    assert engine == "docker", "podman can set every file's time, and so the layers should be the same"


def test_another_command_than_the_service_can_be_run(engine: str, image: str) -> None:
    command = [
        engine,
        "run",
        "--rm",
        "--network",
        "none",
        "--read-only",
        image,
        "python",
        "-m",
        "service.access",
    ]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "revoke" in done.stdout
