"""Changes that need nobody are made once, from fresh evidence on what is in force, and as far as is set."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from service.audit.act import SERVICE, make_act
from service.audit.query.acts import logged_acts
from service.audit.write.logfile import LogFile
from service.model.release.release import Release
from service.monitoring.evidence.evidence import Action, Evidence
from service.releases.agreement import Accepted
from service.releases.auto_release import AutoRelease
from service.releases.release_file import read_release, replace_file, write_release
from service.releases.release_places import ReleasePlaces
from service.settings import Settings

NAME = "iris"
NOW = datetime.now(UTC)
SHADOW = Release(
    release_id="a" * 32, since_utc=NOW, champion="iris:old", challenger="iris:new", mode="shadow"
)
FALLBACK = SHADOW.model_copy(
    update={"is_fallback": True, "champion": "iris:new", "challenger": "iris:old", "previous": "iris:old"}
)
Auto = Literal["off", "rollback", "full"]


class Service:
    """The files of a service whose workers serve a release."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.log = folder / "audit.db"
        self.settings = Settings(audit_db=self.log, **options)
        self.places = ReleasePlaces.of(self.settings, NAME)
        self.places.folder.mkdir(parents=True, exist_ok=True)
        with closing(LogFile(self.log)) as file, file.transaction() as (_, tail):
            tail.add_act(make_act("start", SERVICE, {"model": "iris:old"}))

    def accept(self, release: Release, *, is_wanted: bool = True) -> None:
        """Have all workers serve a release."""
        accepted = Accepted(number=1, release=release, workers=2, accepted_utc=NOW)
        replace_file(self.places.folder / "accepted.json", accepted.model_dump_json().encode())
        if is_wanted:
            write_release(self.places.file, release)

    @property
    def wanted(self) -> Release | None:
        return read_release(self.places.file)

    def acts(self) -> list[dict[str, Any]]:
        return [act.detail for act in logged_acts(self.log, kind="release")]


@pytest.fixture
def service(tmp_path: Path) -> Callable[..., Service]:
    def made(auto: Auto, release: Release = SHADOW, **options: Any) -> Service:
        found = Service(tmp_path, releases_auto=auto, **options)
        found.accept(release)
        return found

    return made


def evidence(action: Action, release: Release = SHADOW, age_s: float = 0) -> Evidence:
    moment = datetime.now(UTC) - timedelta(seconds=age_s)
    return Evidence(
        assessed_utc=moment, release=release, read_upto_id=7, action=action, reasons=("It is so.",)
    )


def consider(service: Service, found: Evidence, *, read_age_s: float = 0) -> AutoRelease:
    auto = AutoRelease(service.settings)
    auto.consider(found, datetime.now(UTC) - timedelta(seconds=read_age_s))
    return auto


@pytest.mark.parametrize("auto", ["off", "rollback", "full"])
@pytest.mark.parametrize("action", ["wait", "promote", "roll_back", "freeze"])
def test_going_back_needs_nobody_and_going_forward_is_switched_on(
    service: Callable[..., Service], auto: Auto, action: Action
) -> None:
    found = service(auto)
    consider(found, evidence(action))
    is_back, is_forward = action in ("roll_back", "freeze"), action == "promote"
    wanted, acts = found.wanted, found.acts()
    assert wanted is not None
    if not ((is_back and auto != "off") or (is_forward and auto == "full")):
        assert (wanted, acts) == (SHADOW, [])
        return
    (act,) = acts
    assert (wanted.champion, wanted.challenger, wanted.mode, wanted.is_fallback) == (
        ("iris:old", None, "single", False) if is_back else ("iris:new", "iris:old", "shadow", True)
    )
    assert (wanted.changed_by, wanted.reason) == ("service", "It is so.")
    assert act["action"] == ("rollback" if is_back else "promote")
    assert act["release"]["release_id"] == wanted.release_id
    assert act["before"]["release_id"] == SHADOW.release_id
    assert act["evidence"]["reasons"] == ["It is so."]
    assert act["evidence"]["read_upto_id"] == 7


@pytest.mark.parametrize(("action", "champion"), [("end_fallback", "iris:new"), ("roll_back", "iris:old")])
def test_a_fallback_ends_or_returns(service: Callable[..., Service], action: Action, champion: str) -> None:
    found = service("rollback", FALLBACK)
    consider(found, evidence(action, FALLBACK))
    assert found.wanted is not None
    assert (found.wanted.champion, found.wanted.challenger) == (champion, None)
    (act,) = found.acts()
    assert act["action"] == ("stop" if action == "end_fallback" else "rollback")


def test_old_evidence_and_evidence_on_a_log_that_was_not_read_decide_nothing(
    service: Callable[..., Service],
) -> None:
    found = service("full")
    consider(found, evidence("roll_back", age_s=70))
    consider(found, evidence("roll_back"), read_age_s=70)
    assert (found.wanted, found.acts()) == (SHADOW, [])


def test_nothing_is_done_while_a_change_is_undecided_or_about_a_release_that_is_over(
    service: Callable[..., Service],
) -> None:
    found = service("full")
    other = SHADOW.model_copy(update={"release_id": "b" * 32})
    consider(found, evidence("roll_back", other))
    write_release(found.places.file, other)
    consider(found, evidence("roll_back"))
    consider(found, evidence("roll_back", other))
    assert (found.wanted, found.acts()) == (other, [])
    found.places.file.unlink()
    consider(found, evidence("roll_back"))
    assert (found.wanted, found.acts()) == (None, [])


def test_a_change_is_made_once(service: Callable[..., Service]) -> None:
    found = service("full")
    auto = consider(found, evidence("roll_back"))
    auto.consider(evidence("roll_back"), datetime.now(UTC))
    consider(found, evidence("roll_back"))  # As after a restart: the workers have not decided.
    assert len(found.acts()) == 1
    found.accept(SHADOW)  # As if somebody had written the file again.
    auto.consider(evidence("roll_back"), datetime.now(UTC))
    assert len(found.acts()) == 1


def test_a_change_that_cannot_be_made_is_logged_and_ends_nothing(
    service: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    found = service("full")
    found.log.unlink()
    found.log.write_bytes(b"no log" * 1_000)
    consider(found, evidence("roll_back"))
    assert "could not be changed" in caplog.text
    assert found.wanted == SHADOW


def test_a_promotion_takes_a_person_where_two_persons_are_to_take_part(
    service: Callable[..., Service],
) -> None:
    found = service("full", releases_two_persons=True)
    consider(found, evidence("promote"))
    assert (found.wanted, found.acts()) == (SHADOW, [])
    consider(found, evidence("roll_back"))
    assert len(found.acts()) == 1
