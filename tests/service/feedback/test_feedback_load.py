"""Many outcomes, or a log that cannot take them: predictions go on, and a repetition is safe."""

import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import psutil
import pytest

from service.audit.prove.verify import verify
from tests.support.feedback_calls import (
    UNHURRIED,
    count_of,
    counts,
    numbered_outcomes,
    predict,
    send,
    send_table,
)
from tests.support.servers import Serve, Server, children, metric
from tests.support.traffic import traffic
from tests.support.waiting import await_true


@pytest.fixture(scope="module")
def server(serve: Serve, iris: str) -> Iterator[Server]:
    server = serve(model=iris, **UNHURRIED)
    yield server
    server.stop()
    assert verify(server.audit_db).problems == []


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """No file of the service's writer may grow."""
    (writer,) = children(psutil.Process(server.process.pid), "writer_process")
    soft, hard = resource.prlimit(writer.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (1_024, hard))
    try:
        yield
    finally:
        resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (soft, hard))


def test_ten_thousand_outcomes_of_a_batch_are_recorded_beside_predictions(server: Server) -> None:
    predict(server, "large", instances=10_000)
    before = metric(server.url, "tabento_feedback_outcomes_total", state="matched")

    with traffic(server.url, clients=2) as others:
        others.await_answers(20)
        assert counts(send(server, numbered_outcomes("large", 10_000))) == {
            "outcomes": 10_000,
            "matched": 10_000,
        }
        others.await_answers(20)
        assert counts(send(server, numbered_outcomes("large", 10_000))) == {
            "outcomes": 10_000,
            "repeated": 10_000,
        }
    assert not others.broken
    assert {answer.status_code for answer in others.answers} == {200, 422}
    assert metric(server.url, "tabento_feedback_outcomes_total", state="matched") == before + 10_000
    query = {"request_id": "large"}
    (item,) = httpx.get(f"{server.url}/predictions/history", params=query, timeout=60).json()["items"]
    assert [outcome["row"] for outcome in item["outcomes"]] == [*range(20)]
    assert item["has_more_outcomes"]


def test_more_outcomes_than_a_request_may_have_are_refused(server: Server) -> None:
    table = "request_id,label\n" + "many,setosa\n" * 10_001
    answers = send(server, numbered_outcomes("many", 10_001)), send_table(server, table)

    assert [(each.status_code, each.json()["type"]) for each in answers] == [
        (413, "urn:tabento:too-many-outcomes")
    ] * 2
    assert count_of(server.audit_db, "SELECT count(*) FROM outcome WHERE request_id = 'many'") == 0


def test_a_request_past_its_deadline_fails_and_can_be_repeated(server: Server) -> None:
    sent = numbered_outcomes("late", 10_000)
    answer = send(server, sent, **{"X-Request-Timeout-Ms": "150"})

    assert (answer.status_code, answer.json()["type"]) == (504, "urn:tabento:deadline-exceeded")
    again = counts(send(server, sent))
    assert again["outcomes"] == again["waiting"] + again.get("repeated", 0) == 10_000
    assert count_of(server.audit_db, "SELECT count(*) FROM outcome WHERE request_id = 'late'") == 10_000


def test_a_flood_of_feedback_leaves_predictions_their_slots(server: Server) -> None:
    with closing(httpx.Client(base_url=server.url, timeout=60)) as client, traffic(server.url, 2) as others:
        for number in range(200):
            client.post("/feedback", json=[{"request_id": f"flood-{number}", "label": "setosa"}] * 50)
        others.await_answers(20)

    assert {answer.status_code for answer in others.answers} == {200, 422}
    assert not others.broken


def test_outcomes_that_cannot_be_written_are_answered_so_and_can_be_sent_again(server: Server) -> None:
    sent = numbered_outcomes("unwritten", 500)
    with full_disk(server):
        answer = send(server, sent)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:tabento:outcomes-unavailable")
    assert answer.headers["retry-after"] == "1"

    await_true(
        lambda: httpx.get(f"{server.url}/readyz", timeout=30).status_code == 200, "the log is written again"
    )
    again = counts(send(server, sent))
    assert again["outcomes"] == again["waiting"] + again.get("repeated", 0) == 500
    assert count_of(server.audit_db, "SELECT count(*) FROM outcome WHERE request_id = 'unwritten'") == 500
