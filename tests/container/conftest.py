"""The image, built once by the project's own command from a model that the real training published."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.image.container_engine import choose_engine
from tests.support.containers import Build, Container, engine_run
from tests.support.servers import PROJECT

BUILD_TIMEOUT_S = 540


@pytest.fixture(scope="session")
def engine() -> str:
    return choose_engine(os.environ.get("TABENTO_ENGINE"))


@pytest.fixture(scope="session")
def build(engine: str, iris: str) -> Iterator[Build]:
    """Build an image by ``make image``'s command under a name of its own, and give the name."""
    built: list[str] = []

    def build(stores: dict[str, str]) -> str:
        name = f"localhost/tabento-test-{uuid4().hex[:12]}:latest"
        command = [sys.executable, "-m", "deploy.image", "--model", iris, "--engine", engine]
        done = subprocess.run(
            [*command, "--name", name, "--option", "no-cache"],
            cwd=PROJECT,
            env=stores,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert done.stdout == f"{name}\n"
        built.append(name)
        return name

    yield build
    for name in built:
        engine_run(engine, "rmi", "--force", name)


@pytest.fixture(scope="session")
def image(build: Build, stores: dict[str, str], engine: str, iris: str) -> str:
    """The image under test: its name."""
    name = build(stores)
    (about,) = json.loads(engine_run(engine, "image", "inspect", name))
    base = about["Config"]["Labels"].get("stand-in.for")
    on = f"on a STAND-IN for {base}" if base else "on python:3.11-slim"
    sys.stdout.write(f"\n*** image of {iris}: {about['Size'] / 1e6:.0f} MB, {on}, by {engine}\n")
    return name


@pytest.fixture(scope="session")
def other_store(
    stores: dict[str, str], iris: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """An environment with a BentoML store that has the same model, but none of the bentos."""
    assert iris
    home = tmp_path_factory.mktemp("other-store")
    shutil.copytree(Path(stores["BENTOML_HOME"]) / "models", home / "models")
    return {**stores, "BENTOML_HOME": str(home)}


@pytest.fixture(scope="session")
def volume(engine: str) -> Iterator[str]:
    """A volume for the audit log."""
    name = f"tabento-test-{uuid4().hex[:12]}"
    engine_run(engine, "volume", "create", name)
    yield name
    engine_run(engine, "volume", "rm", "--force", name)


@pytest.fixture(scope="session")
def container(engine: str, image: str, volume: str) -> Iterator[Container]:
    """A container, run as the operator's page says, for the tests that only ask it things."""
    started = Container.start(engine, image, volume)
    try:
        sys.stdout.write(f"*** ready after {started.await_ready():.1f} s with 1 GB and 1 CPU\n")
        yield started
    finally:
        started.remove()
