"""Outcomes that come over the wire: each is a record of the log before it is answered."""

import json
from collections.abc import Iterator

import httpx
import pytest

from service.audit.prove.verify import verify
from service.audit.query.reader import AuditReader
from tests.support.audit.log_files import rows
from tests.support.feedback_calls import (
    CSV,
    counts,
    outcomes_in,
    predict,
    send,
    send_table,
)
from tests.support.servers import Serve, Server


@pytest.fixture(scope="module")
def server(serve: Serve, iris: str) -> Iterator[Server]:
    server = serve(model=iris, is_measured=True)
    yield server
    server.stop()
    assert verify(server.audit_db).problems == []


def test_an_outcome_is_recorded_and_the_history_shows_it_with_its_prediction(server: Server) -> None:
    predict(server, "shown")

    sent = {"request_id": "shown", "label": "versicolor", "source": "laboratory"}
    assert counts(send(server, {**sent, "observed_utc": "2026-07-04T11:30:00+02:00"})) == {
        "outcomes": 1,
        "matched": 1,
    }

    (item,) = httpx.get(
        f"{server.url}/predictions/history", params={"request_id": "shown"}, timeout=30
    ).json()["items"]
    (outcome,) = item["outcomes"]
    assert outcome.pop("received_utc") > item["received_utc"]
    assert outcome == {
        "row": 0,
        "kind": "truth",
        "label": "versicolor",
        "observed_utc": "2026-07-04T09:30:00Z",
        "source": "laboratory",
        "reviewer": None,
        "reason_code": None,
    }
    assert (item["status"], item["has_more_outcomes"]) == (200, False)
    (found,) = rows(server.audit_db, "SELECT * FROM feedback WHERE request_id = 'shown'")
    assert (found["prediction"], found["predicted_label"], found["label"]) == (
        item["id"], "setosa", "versicolor",
    )  # fmt: skip


def test_the_record_is_the_outcome_under_the_id_of_its_prediction(server: Server) -> None:
    predict(server, "recorded", headers={"X-Subject-ID": "customer-17"})
    send(server, {"label": "setosa", "request_id": "recorded"}, **{"X-Request-ID": "another"})

    prediction, outcome = (
        each for each in AuditReader(server.audit_db).records() if each.request_id == "recorded"
    )
    assert (outcome.status, outcome.route, outcome.transport, outcome.rows) == (201, "/feedback", "http", 1)
    assert outcome.request == {"request_id": "recorded", "row": 0, "kind": "truth", "label": "setosa"}
    assert outcome.response == {"state": "matched"}
    assert outcome.subject == prediction.subject is not None
    assert outcome.model_id == prediction.model_id
    assert (outcome.client, outcome.predictions) == ("127.0.0.1", ())


def test_a_repetition_changes_nothing_and_a_correction_is_a_new_record(server: Server) -> None:
    predict(server, "corrected")
    first, second = ({"request_id": "corrected", "label": label} for label in ("setosa", "virginica"))

    states = [counts(send(server, outcome)) for outcome in (first, first, second, second, first)]

    repeated, matched = {"outcomes": 1, "repeated": 1}, {"outcomes": 1, "matched": 1}
    assert states == [matched, repeated, matched, repeated, matched]
    labels = [outcome["label"] for outcome in outcomes_in(server.audit_db, "corrected")]
    assert labels == ["setosa", "virginica", "setosa"]
    (newest,) = rows(server.audit_db, "SELECT label FROM feedback WHERE request_id = 'corrected'")
    assert newest == {"label": "setosa"}


def test_of_the_same_row_in_one_list_the_last_counts(server: Server) -> None:
    predict(server, "listed-twice")
    sent = [{"request_id": "listed-twice", "label": label} for label in ("setosa", "virginica", "versicolor")]

    assert counts(send(server, sent)) == {"outcomes": 3, "matched": 1, "repeated": 2}
    assert [each["label"] for each in outcomes_in(server.audit_db, "listed-twice")] == ["versicolor"]


def test_an_outcome_waits_for_its_prediction(server: Server) -> None:
    assert counts(send(server, {"request_id": "early", "label": "setosa"})) == {"outcomes": 1, "waiting": 1}

    predict(server, "early")

    (item,) = httpx.get(
        f"{server.url}/predictions/history", params={"request_id": "early"}, timeout=30
    ).json()["items"]
    assert [outcome["label"] for outcome in item["outcomes"]] == ["setosa"]
    assert counts(send(server, {"request_id": "early", "label": "setosa"})) == {"outcomes": 1, "repeated": 1}


def test_a_request_id_of_several_predictions_is_named(server: Server) -> None:
    predict(server, "twice")
    predict(server, "twice")

    answer = send(server, {"request_id": "twice", "label": "setosa"})

    assert counts(answer) == {"outcomes": 1, "ambiguous": 1}
    assert answer.json()["ambiguous_request_ids"] == ["twice"]
    assert len(outcomes_in(server.audit_db, "twice")) == 1


def test_truth_and_decision_are_kept_apart(server: Server) -> None:
    predict(server, "decided")
    truth = {"request_id": "decided", "label": "setosa"}
    decision = {**truth, "kind": "decision", "label": "virginica", "reviewer": "Grace", "reason_code": "R7"}

    assert counts(send(server, [truth, decision])) == {"outcomes": 2, "matched": 2}
    assert counts(send(server, [decision, truth])) == {"outcomes": 2, "repeated": 2}

    found = {
        (each["kind"], each["label"], each["reviewer"]) for each in outcomes_in(server.audit_db, "decided")
    }
    assert found == {("truth", "setosa", None), ("decision", "virginica", "Grace")}


def test_valid_outcomes_are_recorded_beside_those_that_are_refused(server: Server) -> None:
    predict(server, "mixed", instances=2)
    good = {"request_id": "mixed", "row": 1, "label": "setosa"}
    wrong: list[dict[str, object]] = [
        {**good, "label": "rose"},
        {**good, "label": 1},
        {**good, "row": 2},
        {**good, "row": -1},
        {**good, "request_id": "with space"},
        {**good, "observed_utc": "2999-01-01T00:00:00Z"},
        {**good, "observed_utc": "2026-07-04T09:30:00"},
        {**good, "observed_utc": 1_780_000_000},
        {**good, "kind": "decision"},
        {**good, "kind": "guess"},
        {**good, "source": "x" * 201},
        {**good, "source": ""},
        {**good, "colour": "red"},
        {"request_id": "mixed"},
    ]

    answer = send(server, [good, *wrong])

    assert counts(answer) == {"outcomes": 15, "matched": 1, "refused": 14}
    errors = {error["loc"][0]: (*error["loc"][1:], error["msg"]) for error in answer.json()["errors"]}
    assert sorted(errors) == [*range(1, 15)]
    assert errors[1] == ("label", "it is no class of the target: setosa, versicolor, virginica")
    assert errors[3] == ("row", "the prediction has 2 rows")
    assert errors[9] == ("a decision needs a reviewer or a reason_code",)
    assert [errors[place][0] for place in (2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14)] == [
        "label", "row", "request_id", "observed_utc", "observed_utc", "observed_utc", "kind", "source",
        "source", "colour", "label",
    ]  # fmt: skip
    assert len(outcomes_in(server.audit_db, "mixed")) == 1


def test_a_request_without_a_valid_outcome_is_refused_and_recorded_as_such(server: Server) -> None:
    answer = send(server, [{"request_id": "r", "label": "rose"}], **{"X-Request-ID": "refused-feedback"})

    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:tabento:outcomes-invalid"
    assert problem["errors"][0]["loc"] == [0, "label"]
    (refusal,) = rows(server.audit_db, "SELECT * FROM refusal WHERE request_id = 'refused-feedback'")
    assert (refusal["status"], refusal["route"]) == (422, "/feedback")
    assert json.loads(str(refusal["request_json"])) == [{"request_id": "r", "label": "rose"}]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 400, "body-malformed"),
        (b"{", 400, "body-malformed"),
        (b"[{}", 400, "body-malformed"),
        (b"[{},]", 400, "body-malformed"),
        (b"[] []", 400, "body-malformed"),
        (b'{"request_id": NaN}', 400, "body-malformed"),
        (b"\xef\xbb\xbf[]", 400, "body-malformed"),
        (b'["' + b"x" * 100_000 + b'"]', 400, "body-malformed"),
        (b"[" * 3_000, 400, "body-malformed"),
        (b"null", 422, "outcomes-invalid"),
        (b'"text"', 422, "outcomes-invalid"),
        (b"[1, null, []]", 422, "outcomes-invalid"),
    ],
)
def test_a_malformed_body_is_refused(server: Server, body: bytes, status: int, kind: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{server.url}/feedback", content=body, headers=headers, timeout=60)

    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:tabento:{kind}")


def test_an_empty_list_has_no_outcomes(server: Server) -> None:
    assert counts(send(server, [])) == {}


def test_a_table_is_read_by_its_columns(server: Server) -> None:
    predict(server, "table-1", instances=3)
    predict(server, "table-2")
    table = (
        "\ufefflabel,request_id,row,kind,observed_utc,reviewer\r\n"
        "setosa,table-1,0,,,\r\n"
        '"virginica",table-1,2,truth,2026-07-04T09:30:00Z,\r\n'
        "\r\n"
        'setosa,table-2,,decision,,"Grace, of quality"\r\n'
        "rose,table-2,,,,\r\n"
        "setosa,table-2\r\n"
        "setosa,table-2,zero,,,\r\n"
    )

    answer = send_table(server, table)

    assert counts(answer) == {"outcomes": 6, "matched": 3, "refused": 3}
    assert [error["loc"] for error in answer.json()["errors"]] == [[3, "label"], [4, "label"], [5, "row"]]
    found = [*outcomes_in(server.audit_db, "table-1"), *outcomes_in(server.audit_db, "table-2")]
    assert [(each["row"], each["kind"], each["label"], each["reviewer"]) for each in found] == [
        (0, "truth", "setosa", None),
        (2, "truth", "virginica", None),
        (0, "decision", "setosa", "Grace, of quality"),
    ]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("", "the first line has no column 'request_id'"),
        ("request_id\nr", "the first line has no column 'label'"),
        ("request_id,label,colour\nr,setosa,red", "the column 'colour' is none of request_id, row, label"),
        ("request_id,label,label\nr,setosa,setosa", "the column 'label' is there twice"),
        ('request_id,label\nr,"setosa', "line 2: unexpected end of data"),
        ("," * 10**6, "line 1 is longer than 32768 characters, or its quotes stay open"),
        ('request_id,label\n"r' + "\n" * 40_000, "longer than 32768 characters, or its quotes stay open"),
        ("request_id,label\n" + '"r\n",' * 10_000, "longer than 32768 characters, or its quotes stay open"),
        ("request_id,label\n" + "\n" * 10**6, "line 102: more than 100 lines are empty"),
    ],
)
def test_a_malformed_table_is_refused(server: Server, table: str, reason: str) -> None:
    answer = send_table(server, table)

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:tabento:csv-malformed")
    assert reason in answer.json()["detail"]


def test_a_table_that_is_not_utf8_and_another_media_type_are_refused(server: Server) -> None:
    url = f"{server.url}/feedback"
    latin = httpx.post(url, content="request_id,label\nr,größe".encode("latin-1"), headers=CSV, timeout=30)
    other = httpx.post(url, content=b"[]", headers={"Content-Type": "text/plain"}, timeout=30)

    assert (latin.status_code, latin.json()["type"]) == (400, "urn:tabento:csv-malformed")
    assert (other.status_code, other.json()["type"]) == (415, "urn:tabento:media-type-unsupported")
