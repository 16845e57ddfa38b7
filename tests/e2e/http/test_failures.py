"""What goes wrong behind a valid request stays with that request."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from bentoml._internal.models import ModelStore

from service.model.published import ESTIMATOR_FILE
from tests.support.audit.log_files import statements
from tests.support.servers import Restartable, Serve, Server, metric
from tests.support.small_models import publish_picky as publish
from tests.support.stores import opened_store


@pytest.fixture(scope="module")
def shared(stores: dict[str, str], serve: Serve) -> Iterator[Restartable]:
    """A service whose model fails on some rows."""
    with opened_store(stores):
        tag = publish("picky")
    with closing(Restartable(lambda: serve(model=tag))) as shared:
        yield shared


@pytest.fixture
def picky(shared: Restartable) -> Server:
    return shared.running()


def test_a_row_that_the_model_fails_on_fails_alone(picky: Server) -> None:
    letters = ["a", "?", "b", "a"] * 25
    with httpx.Client(base_url=picky.url, timeout=30) as client, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda letter: client.post("/predict", json={"letter": letter}), letters))
    for letter, answer in zip(letters, answers, strict=True):
        if letter == "?":
            assert answer.status_code == 500
            assert answer.json()["type"] == "urn:tabento:rows-failed"
            assert "Traceback" not in answer.text
        else:
            assert answer.json()["predictions"] == [letter.upper()]

    batch = {"instances": [{"letter": letter} for letter in "ab?a?"]}
    failed = httpx.post(f"{picky.url}/predict/batch", json=batch, timeout=30).json()
    assert failed["errors"] == [
        {"loc": ["instances", 2], "msg": "The model failed on it"},
        {"loc": ["instances", 4], "msg": "The model failed on it"},
    ]


def test_a_model_that_does_not_load_ends_the_service_with_the_reason(
    publish_picky: Callable[[str], str], store: ModelStore, serve: Serve
) -> None:
    tag = publish_picky("broken")
    Path(store.get(tag).path_of(ESTIMATOR_FILE)).write_bytes(b"not a model")
    with pytest.raises(pytest.fail.Exception, match=rf"Model {tag} cannot be served"):
        serve(model=tag)


@contextmanager
def replaced_by_no_database(file: Path) -> Iterator[None]:
    moved = file.rename(file.with_name("moved.db"))
    file.write_bytes(b"not a database" * 1000)
    try:
        yield
    finally:
        moved.rename(file)


def test_a_page_that_fails_is_answered_with_problem_details_and_counted_as_what_it_is(picky: Server) -> None:
    with replaced_by_no_database(picky.audit_db):
        answer = httpx.get(f"{picky.url}/predictions/history", timeout=30)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["type"] == "urn:tabento:internal-failure"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    counted = metric(picky.url, "tabento_requests_total", route="/predictions/history", method="GET")
    assert counted == metric(picky.url, "tabento_requests_total", route="/predictions/history", status="500")


def test_a_history_that_cannot_be_read_is_problem_details(picky: Server) -> None:
    server = picky
    assert httpx.post(f"{server.url}/predict", json={"letter": "a"}, timeout=30).status_code == 200
    assert httpx.get(f"{server.url}/predictions/history", timeout=30).status_code == 200
    for damage in (
        "UPDATE request SET response_json = 1",
        "UPDATE request SET received_utc = 'never'",
        "ALTER TABLE request_label RENAME TO elsewhere",
    ):
        statements(server.audit_db, damage)

        answer = httpx.get(f"{server.url}/predictions/history", timeout=30)

        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:tabento:internal-failure"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert str(server.audit_db) not in answer.text
        server.await_line(f"Request {answer.json()['request_id']} failed")
        server.await_line(f"The audit log {server.audit_db} cannot be used")
    assert server.stop() == 0
