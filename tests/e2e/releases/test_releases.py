"""The release of a running service with two workers is changed by commands, without a restart."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.audit.query.acts import LoggedAct, logged_acts
from service.audit.query.reader import AuditReader
from service.model.release.release import Release
from service.releases.release_file import read_release, write_release
from tests.support.iris_rows import SETOSA
from tests.support.released import Models, Service, asked, link_to, make_models, serve, start
from tests.support.servers import metric, workers
from tests.support.stores import IrisTraining
from tests.support.waiting import await_true

"""From the change of the file to the swap, for a model that is loaded."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, iris_by_command: IrisTraining) -> Models:
    return make_models(tmp_path_factory.mktemp("models"), iris_by_command)


@pytest.fixture(scope="module")
def service(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    starter, service = start(models, tmp_path_factory)
    service.await_serving(models.first)
    yield service
    starter.stop_all()


def release_acts(service: Service) -> list[LoggedAct]:
    return [*logged_acts(service.server.audit_db, kind="release")]


def last_refusal(service: Service) -> str:
    act = release_acts(service)[-1]
    assert act.detail["action"] == "refused"
    reasons = act.detail["reasons"]
    assert isinstance(reasons, list)
    return " ".join(map(str, reasons))


def refusal_in_health(url: str) -> str | None:
    """Why the release is refused; None as long as the worker that is asked has not seen it."""
    found = httpx.get(f"{url}/health", timeout=30).json()["release"]
    return str(found["reason"]) if found["state"] == "refused" else None


def test_shadow_canary_promotion_and_rollback_without_a_failed_request(service: Service) -> None:
    first, second = service.models.first, service.models.second
    champion = service.ask()
    with asked(service.server) as answers:
        said = service.change("shadow", second)
        assert "2 workers serve it" in said
        service.await_serving(first, second)
        assert set(answers.models) == {champion}
        service.change("canary", "--share", "0.5")
        await_true(lambda: len(answers.models) == 2, "both models answer")
        against = service.command("promote", "--reason", "x")
        assert against.returncode == 1
        assert "--force" in against.stderr
        service.change("promote", "--force")
        service.await_serving(second, first)
        promoted = service.ask()
        assert promoted != champion
        service.change("rollback")
        service.await_serving(first)
        assert service.ask() == champion
    assert set(answers.statuses) == {200}
    assert answers.errors == []
    records = {record.request_id: record for record in AuditReader(service.server.audit_db).records()}
    assert {record.model_id for record in records.values()} == {champion, promoted}
    actions = [str(act.detail["action"]) for act in release_acts(service)]
    changes = ["shadow", "canary", "promote", "rollback"]
    assert actions == [each for change in changes for each in (change, "in_force")]


def test_a_changed_file_is_noticed_without_a_command(service: Service) -> None:
    service.change("shadow", service.models.second)
    for share in (0.2, 0.4, 0.6):
        shown = read_release(service.file)
        assert shown is not None
        values = shown.model_dump() | {"mode": "canary", "share": share, "release_id": os.urandom(16).hex()}
        write_release(service.file, wanted := Release.model_validate(values))
        await_true(
            lambda wanted=wanted: all(each.release_id == wanted.release_id for each in service.reports()),  # type: ignore[misc]
            "the workers serve it",
        )
    service.change("stop")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("broken", "golden"), ("narrow", "It lacks the features sepal_length.")],
    ids=["does not verify", "does not fit"],
)
def test_a_model_that_cannot_take_over_changes_nothing_and_is_told(
    service: Service, kind: str, reason: str
) -> None:
    before, challenger = service.ask(), getattr(service.models, kind)
    command = service.command("shadow", challenger, "--reason", "a test")
    assert command.returncode == 2
    assert reason in command.stderr
    # A file that another program writes is read by the workers alone.
    shown = service.file.read_bytes() if service.file.exists() else b""
    present = read_release(service.file)
    release = {
        "release_id": os.urandom(16).hex(),
        "since_utc": "2026-11-01T00:00:00Z",
        "champion": service.models.first,
        "challenger": challenger,
        "mode": "shadow",
    }
    write_release(service.file, Release.model_validate(release))
    url = service.server.url
    await_true(lambda: metric(url, "tabento_release_refused") == 1, "the metric tells the refusal")
    assert reason in last_refusal(service)
    assert reason in await_true(lambda: refusal_in_health(url), "health tells the refusal")
    service.server.await_line(reason)
    assert service.ask() == before
    assert "refused" in service.command("show").stdout
    service.file.write_bytes(shown)
    assert present is None or read_release(service.file) == present
    await_true(lambda: metric(url, "tabento_release_refused") == 0, "the metric tells what is in force")


@pytest.mark.parametrize("content", ["{", '{"format": 2}', "x" * 70_000], ids=["half", "foreign", "long"])
def test_a_file_that_is_no_release_changes_nothing(service: Service, content: str) -> None:
    service.change("shadow", service.models.second, "--replace")
    before = [report.release_id for report in service.reports()]
    shown = service.file.read_bytes()
    service.file.write_text(content)
    url = service.server.url
    await_true(lambda: metric(url, "tabento_release_refused") == 1, "it is told")
    assert [report.release_id for report in service.reports()] == before
    service.file.write_bytes(shown)
    await_true(lambda: metric(url, "tabento_release_workers") == 2, "the release is in force again")
    service.change("stop")


def test_a_worker_that_is_killed_in_the_middle_of_a_change_blocks_nobody(service: Service) -> None:
    first, second = service.models.first, service.models.second
    with asked(service.server) as answers:
        for tags in ((first, second), (first,)) * 2:
            victim = workers(service.server)[0]
            names = {report.pid for report in service.reports()}
            assert victim.pid in names
            victim.kill()
            service.change(*(("shadow", second) if len(tags) == 2 else ("stop",)))
            service.await_serving(*tags)
    assert set(answers.statuses) == {200}


def test_a_restart_keeps_the_release(models: Models, tmp_path_factory: pytest.TempPathFactory) -> None:
    starter, service = start(models, tmp_path_factory)
    try:
        service.change("shadow", models.second)
        service.change("promote", "--force")
        answering = service.ask()
        assert service.server.stop() == 0
        said = service.change("stop")
        assert "takes effect at the next start" in said
        again = serve(starter, models, {"TABENTO_AUDIT_DB": str(service.server.audit_db)})
        again.await_serving(models.second)
        assert again.ask() == answering
        starts = [*logged_acts(service.server.audit_db, kind="start")]
        assert starts[-1].detail["model"] == models.second
    finally:
        starter.stop_all()


def test_a_wider_contract_is_that_of_the_service_from_the_start_after_the_last_one_is_gone(
    models: Models, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Requests are read by one contract as long as the service runs, and while it may have to go back."""
    starter, service = start(models, tmp_path_factory)
    try:
        assert status_of_beyond(service) == 422
        service.change("shadow", models.wide)
        service.change("promote", "--force")
        service.await_serving(models.wide, models.first)
        assert status_of_beyond(service) == 422
        service.change("stop")
        service.await_serving(models.wide)
        assert status_of_beyond(service) == 422
        assert service.server.stop() == 0
        again = serve(starter, models, {"TABENTO_AUDIT_DB": str(service.server.audit_db)})
        again.await_serving(models.wide)
        assert status_of_beyond(again) == 200
        refused = again.command("shadow", models.first, "--reason", "a test")
        assert refused.returncode == 2
        assert "sepal_length has narrower limits" in refused.stderr
    finally:
        starter.stop_all()


def status_of_beyond(service: Service) -> int:
    """Of a request that the wide contract alone accepts."""
    return httpx.post(
        f"{service.server.url}/predict", json={**SETOSA, "sepal_length": 45.0}, timeout=30
    ).status_code


def test_a_mounted_file_is_followed_and_a_rollback_takes_effect_beside_it(
    models: Models, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mount = tmp_path_factory.mktemp("config")
    mounted = mount / "release.json"
    starter, service = start(models, tmp_path_factory, mounted)
    try:
        put(mount, canary(models))
        service.await_serving(models.first, models.second)
        said = service.command("rollback", "--reason", "a test", TABENTO_RELEASE=str(mounted))
        assert said.returncode == 0, said.stderr
        assert "read-only" in said.stdout
        service.await_serving(models.first)
        shows = service.command("show", TABENTO_RELEASE=str(mounted)).stdout
        assert "superseded on this machine alone" in shows
        put(mount, canary(models))
        service.await_serving(models.first, models.second)
        mounted.unlink()
        service.server.await_line("There is no release file")
        assert [report.models for report in service.reports()] == [(models.first, models.second)] * 2
    finally:
        starter.stop_all()


def canary(models: Models) -> dict[str, object]:
    return {
        "release_id": os.urandom(16).hex(),
        "since_utc": "2026-11-01T00:00:00Z",
        "champion": models.first,
        "challenger": models.second,
        "mode": "canary",
        "share": 0.5,
        "salt": "s",
    }


def put(mount: Path, release: dict[str, object]) -> None:
    """Change the file as Kubernetes does: the link to the folder is replaced, that of the file stays."""
    data = mount / f"..{os.urandom(4).hex()}"
    data.mkdir()
    (data / "release.json").write_text(json.dumps(release))
    link_to(data, mount / "..data")
    if not (mount / "release.json").is_symlink():
        link_to(Path("..data/release.json"), mount / "release.json")
