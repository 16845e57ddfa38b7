"""What the tests share: stores in temporary folders, models published by the real training, real servers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.animals import publish_animals
from tests.keyed import Keyed, serve_with_keys
from tests.servers import PROJECT, Serve, Server, free_port, train

# A shell has what it runs in the background ignore Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on what else the machine does.
settings.register_profile(
    "untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


class ByWhatIsShared(LoadScopeScheduling):  # type: ignore[misc]
    """One process gets the tests that share trainings, another those that share servers, both the rest."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/training/"):
            return "trainings"
        of_servers = ("tests/e2e/", "tests/monitoring/", "tests/service/http/", "tests/docs/", "tests/test_")
        if nodeid.startswith(of_servers):
            return "servers"
        return nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return ByWhatIsShared(config, log)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose BentoML and MLflow stores are temporary folders."""
    home = tmp_path_factory.mktemp("stores")
    return {
        **os.environ,
        "BENTOML_HOME": str(home / "bentoml"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TABENTO_DRAIN_SECONDS": "0",
        "TABENTO_GRPC_PORT": "0",
        "TABENTO_AUDIT_DB": str(home / "nowhere" / "unset.db"),
        "PYTHONPATH": str(PROJECT),
    }


@pytest.fixture(scope="session")
def iris(stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tag of the Iris model, trained and published by the real command."""
    done = train("--json", env=stores, cwd=tmp_path_factory.mktemp("training"))
    tag: str = json.loads(done.stdout)["tag"]
    return tag


@pytest.fixture(scope="session")
def serve(stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start ``bentoml serve`` on a free port; what still runs at the end is stopped."""
    started: list[Server] = []

    def start(
        target: str = ".",
        model: str | None = None,
        cwd: Path = PROJECT,
        options: tuple[str, ...] = (),
        port: int | None = None,
        **settings: str,
    ) -> Server:
        folder = tmp_path_factory.mktemp("server")
        port = port or free_port()
        audit_db = folder / "audit.db"
        command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1"]
        command += ["--port", str(port), *(["--arg", f"model={model}"] if model else []), *options]
        output = folder / "output"
        with output.open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**stores, "TABENTO_AUDIT_DB": str(audit_db), **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        grpc = settings.get("TABENTO_GRPC_PORT", "0")
        server = Server(process, f"http://127.0.0.1:{port}", audit_db, output, f"127.0.0.1:{grpc}")
        started.append(server)
        server.await_ready()
        return server

    yield start
    for server in started:
        server.terminate()
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def iris_server(serve: Serve, iris: str) -> Server:
    """The Iris service with one worker, shared by the tests that only ask it things."""
    return serve(model=iris, TABENTO_GRPC_PORT=str(free_port()))


@pytest.fixture(scope="session")
def keyed(serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    """The Iris service with API keys, shared by the tests that only ask it things."""
    return serve_with_keys(serve, iris, tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def animals(stores: dict[str, str]) -> str:
    """The tag of a model with features of every type."""
    folder = Path(stores["BENTOML_HOME"]) / "models"
    folder.mkdir(parents=True, exist_ok=True)
    BentoMLContainer.model_store.set(ModelStore(folder))
    tag = publish_animals()
    BentoMLContainer.model_store.reset()
    return tag


@pytest.fixture(scope="session")
def animals_server(serve: Serve, animals: str) -> Server:
    """The service of that model with one worker, shared by the tests that only ask it things."""
    return serve(model=animals, TABENTO_GRPC_PORT=str(free_port()))


@pytest.fixture
def client(iris_server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=iris_server.url) as client:
        yield client
