"""What a client sees of the prediction routes, over a real connection to a real server."""

import json
import re
import socket
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.raw_http import send_head
from tests.support.servers import Server, metric

JSON = {"content-type": "application/json"}


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The problem details of a refusal, after a check of all that each of them must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    details: dict[str, Any] = answer.json()
    assert details["type"] == f"urn:tabento:{kind}"
    assert details["status"] == status
    assert details["title"]
    assert details["detail"]
    assert details["request_id"] == answer.headers["x-request-id"]
    return details


def test_a_row_is_answered_with_its_label_and_the_probability_of_each_class(client: httpx.Client) -> None:
    answer = client.post("/predict", json=SETOSA)
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == [
        "predictions", "probabilities", "model_name", "model_version", "model_id", "processing_time_ms",
        "timestamp", "request_id",
    ]  # fmt: skip
    assert body["predictions"] == ["setosa"]
    ((*probabilities,),) = body["probabilities"]
    assert len(probabilities) == 3
    assert sum(probabilities) == pytest.approx(1)
    assert (body["model_name"], body["model_version"]) == ("iris_logistic_regression", "1")
    assert body["processing_time_ms"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", body["timestamp"])
    assert abs(datetime.now(UTC) - datetime.fromisoformat(body["timestamp"])) < timedelta(minutes=1)


def test_a_batch_is_answered_row_by_row_in_its_order(client: httpx.Client) -> None:
    answer = client.post("/predict/batch", json={"instances": [VIRGINICA, SETOSA, VIRGINICA]}).json()
    assert answer["predictions"] == ["virginica", "setosa", "virginica"]
    assert len(answer["probabilities"]) == 3


def test_a_row_in_a_batch_gets_the_answer_that_it_gets_alone(client: httpx.Client) -> None:
    together = client.post("/predict/batch", json={"instances": [VIRGINICA, SETOSA]}).json()
    alone = [client.post("/predict", json=row).json()["probabilities"][0] for row in (VIRGINICA, SETOSA)]
    assert together["probabilities"] == [pytest.approx(row, abs=1e-12) for row in alone]


def test_a_value_that_training_never_saw_is_answered_and_flagged(client: httpx.Client) -> None:
    answer = client.post("/predict", json={**SETOSA, "petal_width": 9.5}).json()
    assert len(answer["predictions"]) == 1
    assert answer["flags"] == [{"row": 0, "feature": "petal_width", "reason": "above_observed_maximum"}]


def test_a_well_formed_request_id_is_taken_over(client: httpx.Client) -> None:
    answer = client.post("/predict", json=SETOSA, headers={"x-request-id": "order-7/a.b:c"})
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "order-7/a.b:c"


@pytest.mark.parametrize("sent", ["", "a b", "é".encode(), "x" * 129, '"quoted"'])
def test_a_request_id_that_is_not_well_formed_is_replaced(client: httpx.Client, sent: str | bytes) -> None:
    answer = client.post(
        "/predict",
        json=SETOSA,
        headers=[(b"x-request-id", sent if isinstance(sent, bytes) else sent.encode())],
    )
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("body", [b"{", b'{"sepal_length": NaN}', b"\xff", b""])
def test_a_body_that_is_not_json_is_a_bad_request(client: httpx.Client, body: bytes) -> None:
    problem(client.post("/predict", content=body, headers=JSON), 400, "body-malformed")


def test_a_row_that_breaks_the_contract_is_refused_value_by_value(client: httpx.Client) -> None:
    row = {"sepal_length": "5.1", "sepal_width": -1, "petal_length": 1.4, "colour": "blue"}
    details = problem(client.post("/predict", json=row), 422, "rows-invalid")
    assert details["errors"] == [
        {"loc": ["sepal_length"], "msg": "Input should be a valid number"},
        {"loc": ["sepal_width"], "msg": "Input should be greater than or equal to 0"},
        {"loc": ["petal_width"], "msg": "Field required"},
        {"loc": ["colour"], "msg": "Extra inputs are not permitted"},
    ]


def test_a_finding_in_a_batch_has_the_index_of_its_row(client: httpx.Client) -> None:
    answer = client.post("/predict/batch", json={"instances": [SETOSA, {**SETOSA, "petal_width": True}]})
    (finding,) = problem(answer, 422, "rows-invalid")["errors"]
    assert finding["loc"] == ["instances", 1, "petal_width"]


def test_a_batch_has_at_most_so_many_rows(client: httpx.Client) -> None:
    assert (
        len(client.post("/predict/batch", json={"instances": [SETOSA] * 10_000}).json()["predictions"])
        == 10_000
    )
    problem(client.post("/predict/batch", json={"instances": [SETOSA] * 10_001}), 413, "too-many-rows")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/vnd.bentoml+pickle"},
        {},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_a_body_of_another_type_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.post("/predict", content=json.dumps(SETOSA), headers=headers)
    problem(answer, 415, "media-type-unsupported")


def test_the_type_of_a_body_may_name_its_charset(client: httpx.Client) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert client.post("/predict", content=json.dumps(SETOSA), headers=headers).status_code == 200


def test_a_body_over_the_limit_is_refused_before_it_is_read(client: httpx.Client) -> None:
    with socket.create_connection(_address(client), timeout=30) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n{"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_undeclared_length_is_read_up_to_the_limit(client: httpx.Client) -> None:
    def endless() -> Any:
        for _ in range(40):
            yield b" " * 1024**2

    answer = client.post("/predict", content=endless(), headers=JSON)
    problem(answer, 413, "body-too-large")


def test_a_client_that_goes_away_in_mid_request_does_no_harm(client: httpx.Client) -> None:
    with socket.create_connection(_address(client), timeout=30) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 50\r\n\r\n{"
        )
    assert client.post("/predict", json=SETOSA).status_code == 200


def test_a_request_that_came_too_late_for_its_own_deadline_is_given_up(iris_server: Server) -> None:
    body = json.dumps(SETOSA).encode()
    written = metric(iris_server.url, "tabento_audit_records_total", outcome="written")
    with send_head(iris_server.url, len(body), "X-Request-Timeout-Ms: 20") as connection:
        time.sleep(1)  # The head has been read by then, also by a busy machine.
        connection.sendall(body)
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == 504
        assert b"urn:tabento:deadline-exceeded" in answer.read()
    # Counted, not recorded: it held no prediction.
    assert metric(iris_server.url, "tabento_requests_total", route="/predict", status="504") >= 1
    assert metric(iris_server.url, "tabento_audit_records_total", outcome="written") == written


def test_a_client_can_only_lower_the_deadline(client: httpx.Client) -> None:
    for sent in ("9000", "99999999"):
        answer = client.post("/predict", json=SETOSA, headers={"x-request-timeout-ms": sent})
        assert answer.status_code == 200


@pytest.mark.parametrize("sent", ["", "0", "-5", "1.5", "1e3", "soon", "9" * 30])
def test_a_deadline_that_is_no_number_of_milliseconds_is_refused(client: httpx.Client, sent: str) -> None:
    answer = client.post("/predict", json=SETOSA, headers={"x-request-timeout-ms": sent})
    assert "X-Request-Timeout-Ms" in problem(answer, 400, "header-invalid")["detail"]


def test_an_unknown_path_gets_problem_details(client: httpx.Client) -> None:
    details = problem(client.get("/predikt"), 404, "route-unknown")
    assert "/predikt" in details["detail"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/predict"), ("PUT", "/predict/batch"), ("POST", "/health")]
)
def test_a_method_that_is_not_served_gets_the_allowed_ones(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path)
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"]


def _address(client: httpx.Client) -> tuple[str, int]:
    parts = urlsplit(str(client.base_url))
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
