"""Commands and functions of the lifecycle, which use MLflow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from tests.support.library_warnings import LIBRARIES_OWN_WARNINGS
from tests.support.retrained_world import World, made_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignore what libraries warn of themselves, also while shared trainings are made."""
    for item in items:
        if item.nodeid.startswith("tests/lifecycle/"):
            for message in LIBRARIES_OWN_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{message}"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """As training itself does: see ``train``."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def world(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A model with its table and its stores, which the tests of a file share."""
    with made_world(run_folder, tmp_path_factory.mktemp("rivers")) as world:
        yield world
