"""Requests are read by one contract from the start of a service to its end, which every served model fits."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.model.published import CONTRACT_FILE, read_contract
from service.model.release.release import Release
from service.releases.agreement import Accepted
from service.releases.release_file import replace_file
from service.releases.release_places import ReleasePlaces
from service.settings import Settings
from service.telemetry.metrics import FOLDER_VARIABLE
from service.worker.api_contract import api_contract, keep_contract
from tests.support.releases import release
from tests.support.small_models import publish_picky
from tests.support.stores import stored_copy

NAME = "signs"

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def accept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Release], Settings]:
    """Let the workers of an earlier run have accepted a release; gives the settings."""
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    settings = Settings(audit_db=tmp_path / "audit.db")

    def accepted(wanted: Release) -> Settings:
        places = ReleasePlaces.of(settings, wanted.name)
        places.folder.mkdir(parents=True, exist_ok=True)
        content = Accepted(number=1, release=wanted, workers=1, accepted_utc=datetime.now(UTC))
        replace_file(places.folder / "accepted.json", content.model_dump_json().encode())
        return settings

    return accepted


def widened(tag: str) -> str:
    """Publish a copy that accepts missing values."""

    def widen(folder: Path, _: object) -> Any:
        file = folder / CONTRACT_FILE
        content = file.read_text()
        assert '"nullable":' in content
        file.write_text(content.replace('"nullable": false', '"nullable": true'))

    return stored_copy(tag, NAME, widen)


def test_without_a_release_it_is_that_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    tag = publish_picky(NAME)
    keep_contract(Settings(audit_db=tmp_path / "audit.db"), tag)
    assert api_contract("no:model") == read_contract(tag)


def test_it_is_that_of_the_champion_of_the_release(accept: Callable[[Release], Settings]) -> None:
    tag = publish_picky(NAME)
    wide = widened(tag)
    keep_contract(accept(release(wide)), tag)
    assert api_contract(tag) == read_contract(wide) != read_contract(tag)


@pytest.mark.parametrize("is_champion_wider", [True, False])
def test_of_two_models_it_is_the_narrower(
    accept: Callable[[Release], Settings], is_champion_wider: bool
) -> None:
    tag = publish_picky(NAME)
    pair = (widened(tag), tag) if is_champion_wider else (tag, widened(tag))
    keep_contract(accept(release(*pair)), tag)
    assert api_contract(tag) == read_contract(tag)


def test_a_release_whose_model_is_gone_is_left_out(accept: Callable[[Release], Settings]) -> None:
    tag = publish_picky(NAME)
    keep_contract(accept(release(f"{NAME}:gone")), tag)
    assert api_contract(tag) == read_contract(tag)
