"""What the running service does when its log cannot be written: really full, read-only, locked, damaged."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from service.audit.prove.verify import verify
from service.audit.query.reader import AuditReader
from tests.support.audit.log_files import checkpointed, connected, overwrite
from tests.support.audit.logs import locked
from tests.support.iris_rows import SETOSA
from tests.support.mounts import Filesystem
from tests.support.servers import Serve, Server, metric
from tests.support.waiting import PATIENCE_S, await_true


@dataclass
class Client:
    """Asks for predictions, and keeps what it was told."""

    server: Server
    db: Path
    answers: list[httpx.Response] = field(default_factory=list)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE_S))

    def close(self) -> None:
        self.client.close()

    def ask(self) -> httpx.Response:
        self.answers.append(self.client.post(f"{self.server.url}/predict", json=SETOSA))
        return self.answers[-1]

    def refusal(self) -> httpx.Response | None:
        answer = self.ask()
        return answer if answer.status_code == 503 else None

    def ready(self) -> int:
        return httpx.get(f"{self.server.url}/readyz", timeout=PATIENCE_S).status_code

    def assert_refused(self) -> None:
        answer = await_true(self.refusal, "a request is refused", state=lambda: self.server.log)
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        assert "audit log" in answer.json()["detail"]
        assert self.ready() == 503

    def assert_recovers(self) -> None:
        self.server.await_ready()
        assert self.ask().status_code == 200

    def assert_recorded(self) -> None:
        """What was answered is in the log, and what was not answered is not."""
        log = {record.request_id: record for record in AuditReader(self.db).records()}
        given = [answer for answer in self.answers if answer.status_code == 200]
        assert {record.request_id for record in log.values() if record.status == 200} == {
            answer.headers["x-request-id"] for answer in given
        }
        assert all(log[answer.headers["x-request-id"]].response == answer.json() for answer in given)
        assert verify(self.db).ok


def serve_on(
    filesystem: Filesystem, serve: Serve, model: str, mode: str, **settings: str
) -> Iterator[Client]:
    db = filesystem.folder / f"{mode}.db"
    server = serve(model=model, TABENTO_AUDIT_DB=str(db), TABENTO_AUDIT_MODE=mode, **settings)
    with closing(Client(server, db)) as client:
        assert client.ask().status_code == 200
        yield client
    assert server.stop() == 0
    db.unlink()


@pytest.fixture(scope="module")
def strict(filesystem: Filesystem, serve: Serve, iris: str) -> Iterator[Client]:
    yield from serve_on(filesystem, serve, iris, "strict")


@pytest.fixture(scope="module")
def relaxed(filesystem: Filesystem, serve: Serve, iris: str) -> Iterator[Client]:
    yield from serve_on(filesystem, serve, iris, "relaxed", TABENTO_AUDIT_QUEUE_RECORDS="30")


def test_a_full_disk_is_answered_with_503_until_there_is_room(strict: Client, filesystem: Filesystem) -> None:
    filesystem.fill()
    strict.assert_refused()
    filesystem.make_room()
    strict.assert_recovers()
    strict.assert_recorded()


def test_a_lock_held_by_another_process_is_answered_with_503_until_it_is_released(strict: Client) -> None:
    with locked(strict.db):
        strict.assert_refused()
    strict.assert_recovers()
    strict.assert_recorded()


def test_a_disk_gone_read_only_is_answered_with_503_until_it_is_mended(
    strict: Client, filesystem: Filesystem
) -> None:
    filesystem.break_down()
    strict.assert_refused()
    filesystem.mend()
    strict.assert_recovers()
    strict.assert_recorded()


@pytest.fixture(scope="module")
def damageable(serve: Serve, iris: str) -> Iterator[Client]:
    """A service whose log the tests damage; each leaves it with a new one."""
    server = serve(model=iris)
    with closing(Client(server, server.audit_db)) as client:
        yield client
    assert server.stop() == 0


@pytest.mark.parametrize("damaged", ["audit.db", "audit.db-wal"])
def test_a_log_damaged_under_the_running_service_is_answered_with_503_until_it_is_replaced(
    damageable: Client, tmp_path: Path, damaged: str
) -> None:
    db = damageable.db
    for _ in range(20):
        assert damageable.ask().status_code == 200
    if damaged == "audit.db":
        checkpointed(db)
    overwrite(db.with_name(damaged))
    damageable.assert_refused()
    for file in db.parent.glob("audit.db*"):
        file.rename(tmp_path / file.name)
    damageable.assert_recovers()
    del damageable.answers[:-1]
    damageable.assert_recorded()


def test_relaxed_the_answers_go_on_and_what_is_lost_is_counted_and_stated_in_the_log(
    relaxed: Client, filesystem: Filesystem
) -> None:
    filesystem.fill()

    def loses() -> bool:
        assert [relaxed.ask().status_code for _ in range(20)] == [200] * 20
        return lost(relaxed) > 0

    await_true(loses, "records are lost on a full disk")
    assert relaxed.ready() == 200
    filesystem.make_room()
    await_writing(relaxed)
    counted = lost(relaxed)
    assert relaxed.server.stop() == 0

    with connected(relaxed.db) as connection:
        stated = connection.execute("SELECT total(records) FROM gap").get
        span = connection.execute("SELECT min(first_received_utc), max(last_received_utc) FROM gap").get
    recorded = [record for record in AuditReader(relaxed.db).records() if record.status == 200]
    assert stated == counted == len(relaxed.answers) - len(recorded)
    logged = {record.request_id for record in recorded}
    missing = [
        datetime.fromisoformat(answer.json()["timestamp"])
        for answer in relaxed.answers
        if answer.headers["x-request-id"] not in logged
    ]
    assert tuple(map(datetime.fromisoformat, span)) == (min(missing), max(missing))
    assert verify(relaxed.db).ok


def lost(client: Client) -> float:
    return metric(client.server.url, "tabento_audit_records_total", outcome="dropped")


def await_writing(client: Client) -> None:
    """Wait until what is answered is recorded again."""
    before = written(client)

    def writes() -> bool:
        assert client.ask().status_code == 200
        return written(client) > before

    await_true(writes, "answers are recorded, as there is room", step_s=0.2)


def written(client: Client) -> float:
    return metric(client.server.url, "tabento_audit_records_total", outcome="written")
