"""A measured model of a table with every type of feature, in the store of this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collected_logs import CollectedLog
from tests.support.profiled_models import publish_profiled
from tests.support.released_logs import ReleasedLog
from tests.support.replayed_logs import RecordedModel
from tests.support.stores import opened_store
from training.table.dataset import Dataset


@pytest.fixture(scope="session")
def mixed(stores: dict[str, str], mixed_dataset: Dataset) -> RecordedModel:
    with opened_store(stores):
        return RecordedModel(publish_profiled(mixed_dataset, "measured_mixed", keeps_sample=True))


@pytest.fixture(scope="session")
def rival(stores: dict[str, str], mixed_dataset: Dataset, mixed: RecordedModel) -> RecordedModel:
    """Another version of the same model: a challenger."""
    with opened_store(stores):
        name, _, version = mixed.model.tag.partition(":")
        found = RecordedModel(publish_profiled(mixed_dataset, name))
        assert found.model.tag != f"{name}:{version}"
        return found


@pytest.fixture
def released(
    tmp_path: Path, stores: dict[str, str], mixed: RecordedModel, rival: RecordedModel
) -> Iterator[ReleasedLog]:
    with opened_store(stores):
        yield ReleasedLog(tmp_path, mixed, rival)


@pytest.fixture
def log(tmp_path: Path, stores: dict[str, str], mixed: RecordedModel) -> Iterator[CollectedLog]:
    with opened_store(stores):
        yield CollectedLog(tmp_path, mixed)
