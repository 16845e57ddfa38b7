"""A service finds the models of its name that are newer than the served one, and what a name stands for."""

import os
import time
from pathlib import Path

import pytest
from bentoml._internal.models import ModelStore

from service.model.newer_model import NewerModel, NewerModels
from service.model.published import resolve_tag
from tests.support.small_models import publish_picky

pytestmark = pytest.mark.usefixtures("store")


def test_the_newest_model_has_none_waiting(store: ModelStore) -> None:
    older, newest = (publish_picky("newest") for _ in range(2))
    assert NewerModels(newest).found is None
    assert NewerModels(older).found == NewerModel(newest, is_champion=True)
    store.delete(newest)


def test_a_model_that_is_not_champion_is_named_as_such_and_models_of_other_names_are_not() -> None:
    champion = publish_picky("waiting")
    publish_picky("waiting_elsewhere")
    assert NewerModels(champion).found is None
    newer = NewerModels(champion)
    second = publish_picky("waiting", champion)
    newer.refresh()
    assert newer.found == NewerModel(second, is_champion=False)
    assert str(newer.found) == f"the newer model {second} is not the champion"


def test_a_newer_champion_is_named_before_a_newer_model_that_is_none(store: ModelStore) -> None:
    served = publish_picky("both")
    newer = NewerModels(served)
    champion = publish_picky("both")
    last = publish_picky("both", champion)
    newer.refresh()
    assert newer.found == NewerModel(champion, is_champion=True)
    said = f"the newer champion {champion} waits for a release, or a restart without a version"
    assert str(newer.found) == said
    store.delete(champion)
    newer.refresh()
    assert newer.found == NewerModel(last, is_champion=False)
    store.delete(last)
    newer.refresh()
    assert newer.found is None


def test_a_model_is_read_only_if_its_metadata_was_written_after_the_served_ones(store: ModelStore) -> None:
    served, second = (publish_picky("written") for _ in range(2))
    metadata = Path(store.get(second).path_of("model.yaml"))
    hour_ago = time.time() - 3600
    os.utime(metadata, (hour_ago, hour_ago))
    assert NewerModels(served).found is None


def test_a_model_that_cannot_be_read_is_left_out_until_it_can(store: ModelStore) -> None:
    served, second = (publish_picky("copied") for _ in range(2))
    metadata = Path(store.get(second).path_of("model.yaml"))
    complete = metadata.read_text()
    metadata.write_text(complete[:40])
    assert NewerModels(served).found is None
    metadata.write_text(complete)
    assert NewerModels(served).found == NewerModel(second, is_champion=True)


def test_a_store_that_is_gone_leaves_what_was_found(store: ModelStore) -> None:
    served, second = publish_picky("gone"), publish_picky("gone")
    newer = NewerModels(served)
    folder = Path(store.get(served).path).parent
    folder.rename(folder.with_name("went"))
    newer.refresh()
    assert newer.found == NewerModel(second, is_champion=True)
    folder.with_name("went").rename(folder)


class TestWhatANameStandsFor:
    def test_it_is_the_champion_and_not_the_newest(self) -> None:
        champion = publish_picky("named")
        newest = publish_picky("named", champion)
        assert resolve_tag("named") == resolve_tag("named:latest") == champion
        assert resolve_tag(newest) == newest

    def test_it_stays_the_champion_after_bentoml_deleted_a_model(self, store: ModelStore) -> None:
        champion = publish_picky("deleted")
        second, third = (publish_picky("deleted", champion) for _ in range(2))
        store.delete(third)
        assert str(store.get("deleted").tag) == second
        assert resolve_tag("deleted") == champion

    def test_it_is_a_model_that_training_chose_though_it_was_not_champion_at_first(
        self, store: ModelStore
    ) -> None:
        champion = publish_picky("chosen")
        second = publish_picky("chosen", champion)
        publish_picky("chosen", second)  # The alias was moved to it meanwhile.
        assert resolve_tag("chosen") == str(store.get("chosen").tag) == second

    def test_it_is_the_only_model_there_is(self) -> None:
        only = publish_picky("only", "only:elsewhere")
        assert resolve_tag("only") == only


def test_after_a_promotion_the_newer_model_is_the_served_one() -> None:
    older, newest = (publish_picky("promoted") for _ in range(2))
    newer = NewerModels(older)
    assert newer.found == NewerModel(newest, is_champion=True)
    found = []
    for served in (newest, older):
        newer.follow(served)
        found.append(newer.found)
    assert found == [None, NewerModel(newest, is_champion=True)]
