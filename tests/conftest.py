"""What the tests share: stores in temporary folders, models published by the real training, real servers.

What takes long to import is imported where a test first asks for it: one file of tests is to start at once.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx
    from bentoml._internal.models import ModelStore
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

    from tests.support.api_keys import Keyed
    from tests.support.servers import Serve, Server
    from tests.support.stores import IrisTraining
    from tests.support.tables import WriteCsv
    from training.table.dataset import Dataset

# A shell has what it runs in the background ignore Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A client reads all public authorities when it is made, which takes it 40 ms; no server of a test has a
# certificate of theirs.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.devnull

# How long an example takes depends on what else the machine does.
settings.register_profile(
    "untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# For `make test-fast`; `make test` tries as many examples as each test asks for.
settings.register_profile("quick", settings.get_profile("untimed"), max_examples=25)
settings.load_profile("untimed")


FOLDERS = ("unit", "training", "service", "e2e", "container")
"""Of tests, in the order in which they are run."""
LONGEST = (
    "tests/e2e/audit/test_writer_process.py",
    "tests/e2e/worker/test_killed_processes.py",
    "tests/e2e/worker/test_listening.py",
    "tests/e2e/audit/test_hung_writer.py",
)
"""The first of their folder, as they take longest: no process is left with one when the others end."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Have the processes share the files."""
    from tests.support.schedule import FilesAtATime

    config.option.loadscopereorder = False
    return FilesAtATime(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The cheapest first, so that most mistakes are told soon."""

    def rank(item: pytest.Item) -> tuple[int, bool]:
        folders = enumerate(FOLDERS)
        folder = next((n for n, folder in folders if item.nodeid.startswith(f"tests/{folder}/")), 0)
        return folder, not item.nodeid.startswith(LONGEST)

    items.sort(key=rank)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    from tests.support.programs import tell_untested

    tell_untested(terminalreporter)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose BentoML and MLflow stores are temporary folders of this process."""
    from tests.support.stores import environment_of

    return environment_of(tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="session")
def iris_by_command(run_folder: Path) -> IrisTraining:
    """What the real command left and said, once for all processes of the run."""
    from tests.support.stores import train_iris_once

    return train_iris_once(run_folder)


@pytest.fixture(scope="session")
def iris(iris_by_command: IrisTraining, stores: dict[str, str]) -> str:
    """The tag of the Iris model that the real command trained and published."""
    from tests.support.stores import copy_iris

    return copy_iris(iris_by_command, stores)


@pytest.fixture(scope="session")
def serve(stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start ``bentoml serve`` on a free port; what still runs at the end is stopped."""
    from tests.support.servers import Starter

    starter = Starter(stores, tmp_path_factory)
    yield starter.start
    starter.stop_all()


@pytest.fixture(scope="session")
def iris_server(serve: Serve, iris: str) -> Server:
    """The Iris service with one worker, shared by the tests that only ask it things."""
    return serve(model=iris, with_grpc=True, is_measured=True)


@pytest.fixture(scope="session")
def keyed(serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    """The Iris service with API keys, shared by the tests that only ask it things."""
    from tests.support.api_keys import serve_with_keys

    return serve_with_keys(serve, iris, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def store(stores: dict[str, str]) -> Iterator[ModelStore]:
    """The BentoML store of this process, opened for one test."""
    from tests.support.stores import opened_store

    with opened_store(stores) as store:
        yield store


@pytest.fixture
def publish_picky(store: ModelStore) -> Callable[[str], str]:
    """Publish a model that fails on every row whose letter it does not know; gives the tag."""
    from tests.support.small_models import publish_picky

    assert store is not None
    return publish_picky


@pytest.fixture(scope="session")
def animals(stores: dict[str, str]) -> str:
    """The tag of a model with features of every type."""
    from tests.support.small_models import publish_animals
    from tests.support.stores import opened_store

    with opened_store(stores):
        return publish_animals()


@pytest.fixture(scope="session")
def animals_server(serve: Serve, animals: str) -> Server:
    """The service of that model with one worker, shared by the tests that only ask it things."""
    return serve(model=animals, with_grpc=True, is_measured=True)


@pytest.fixture(scope="session")
def visits_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A table with dates and times, with and without gaps."""
    from tests.support.tables import load_visits

    return load_visits(tmp_path_factory.mktemp("visits"))


@pytest.fixture
def client(iris_server: Server) -> Iterator[httpx.Client]:
    import httpx

    with httpx.Client(base_url=iris_server.url, timeout=30) as client:
        yield client


@pytest.fixture
def write_csv(tmp_path: Path) -> WriteCsv:
    """Write rows under a header, and give the file's path."""
    from tests.support.tables import write_csv_into

    return write_csv_into(tmp_path)


@pytest.fixture(scope="session")
def iris_dataset() -> Dataset:
    from tests.support.tables import load_iris

    return load_iris()


@pytest.fixture(scope="session")
def mixed_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A table with a column of every type, with and without gaps."""
    from tests.support.tables import load_mixed

    return load_mixed(tmp_path_factory.mktemp("mixed"))
