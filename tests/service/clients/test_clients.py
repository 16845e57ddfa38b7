"""Clients that others made call the service, unmodified: each has a suite, in an environment of theirs."""

import os
import subprocess

import pytest

from tests.support.servers import PROJECT, Server

PYTHON = PROJECT / ".venv-clients" / "bin" / "python"
FOLDER = PROJECT / "tests" / "service" / "clients"
OPTIONS = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", FOLDER, "--confcutdir", FOLDER)


@pytest.mark.parametrize("suite", ["conform_triton.py", "conform_kserve.py"])
def test_a_client_of_others_gets_what_the_native_api_gives(
    suite: str, animals_server: Server, iris_server: Server
) -> None:
    assert PYTHON.exists(), "`make clients` makes the environment that the protocol's clients have"
    addresses = {
        "ANIMALS_HTTP": animals_server.url.removeprefix("http://"),
        "ANIMALS_GRPC": animals_server.grpc,
        "IRIS_HTTP": iris_server.url.removeprefix("http://"),
        "IRIS_GRPC": iris_server.grpc,
    }
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [PYTHON, "-m", "pytest", *OPTIONS, FOLDER / suite],
        env={**unmeasured, **addresses, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
