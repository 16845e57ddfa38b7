"""Models of a table with every type of feature, in the store of this process, and a log of one of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.collected_logs import CollectedLog, rows_of
from tests.support.profiled_models import publish_profiled
from tests.support.replay_candidates import Candidates, narrower
from tests.support.replayed_logs import RecordedModel
from tests.support.stores import opened_store
from training.table.dataset import Dataset


@pytest.fixture(scope="session")
def recorded(stores: dict[str, str], mixed_dataset: Dataset) -> RecordedModel:
    with opened_store(stores):
        return RecordedModel(publish_profiled(mixed_dataset, "replayed_mixed"))


@pytest.fixture(scope="session")
def candidates(stores: dict[str, str], mixed_dataset: Dataset, recorded: RecordedModel) -> Candidates:
    with opened_store(stores):
        other = publish_profiled(mixed_dataset, "replayed_mixed", rows=30)
        return Candidates(recorded.model.tag, other, narrower(recorded.model.tag, "narrow_mixed"))


@pytest.fixture
def log(tmp_path: Path, stores: dict[str, str], recorded: RecordedModel) -> Iterator[CollectedLog]:
    with opened_store(stores):
        yield CollectedLog(tmp_path, recorded)


@pytest.fixture(scope="session")
def rows(mixed_dataset: Dataset) -> list[dict[str, Any]]:
    return rows_of(mixed_dataset)
