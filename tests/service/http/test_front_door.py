"""The table of routes is the only way in: whatever gets a prediction left one record under its scope."""

import json
import re
import socket
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.routes import ROUTES
from tests.support.api_keys import Keyed
from tests.support.audit.log_files import connected
from tests.support.iris_rows import SETOSA
from tests.support.servers import Server

ROW = json.dumps(SETOSA).encode()
TENSOR = {"name": "features", "datatype": "FP64", "shape": [1, 4], "data": [*SETOSA.values()]}
BODIES = [ROW, b'{"instances":[' + ROW + b"]}", json.dumps({"inputs": [TENSOR]}).encode()]
PATHS = sorted(
    {
        route.path.format(model="iris_classifier", version="1", asset="swagger-ui.css", request_id="none")
        for route in ROUTES
    }
)
PREDICTIONS = (b'{"predictions":["setosa"]', b'{"model_name":"iris_classifier","model_version":"1","id":')
"""What the answers with predictions begin with."""
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post", "QUERY"]
AFTER = ["", "/", "%0A", "%0a", "%00", "%20", "%2F", "%23", "%3F", ";x=1"]
AFTER += [
    "?",
    "?a=b",
    "#a",
    "/.",
    "/..",
    "//",
    "%0D%0A",
    "%E2%80%8B",
    "%",
    "%zz",
    ".json",
    "/predict",
    "\\",
    "%5C",
]
BEFORE = ["", "/", "/.", "/x/..", "http://127.0.0.1", "//127.0.0.1", "%2F", "/%2e", "*"]


@st.composite
def targets(draw: st.DrawFn) -> str:
    """A path of the table, written in one of the ways that a URL can be written in, or nearly."""
    path = draw(st.sampled_from(PATHS))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(path) - 1))
        code = f"%{ord(path[at]):02x}"
        put = draw(st.sampled_from([code, code.upper(), path[at].swapcase(), ""]))
        path = path[:at] + put + path[at + 1 :]
    return draw(st.sampled_from(BEFORE)) + path + draw(st.sampled_from(AFTER))


def ask(server: Server, method: str, target: str, body: bytes, headers: list[str]) -> tuple[int, bytes]:
    """The status and body of the one answer to a request that is sent as it is written here."""
    parts = urlsplit(server.url)
    head = [f"{method} {target} HTTP/1.1", "Host: x", "Content-Type: application/json", "Connection: close"]
    sent = "\r\n".join([*head, f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=60) as connection:
        connection.sendall(sent)
        got = b""
        while chunk := connection.recv(65_536):
            got += chunk
    status, _, answer = got.partition(b"\r\n\r\n")
    return int(status.split(b" ", 2)[1]), answer


def records(server: Server, request_id: str) -> list[tuple[object, ...]]:
    with_id = "SELECT status, key_name FROM request WHERE request_id = ?"
    with connected(server.audit_db) as connection:
        return connection.execute(with_id, (request_id,)).fetchall()


asked = iter(range(10**9))


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(METHODS), targets(), st.sampled_from(BODIES), st.sampled_from(["predict", "read", None])
)
@example("POST", "/predict%0A", ROW, "predict")
@example("POST", "/predict%0A", ROW, None)
@example("POST", "/predict/batch%0A", BODIES[1], "predict")
@example("POST", "/v2/models/iris_classifier/infer%0A", BODIES[2], "predict")
@example("POST", "http://127.0.0.1/predict", ROW, "predict")
@example("POST", "/predict/", ROW, "predict")
@example("POST", "/predict?", ROW, "predict")
@example("HEAD", "/predict", ROW, "predict")
def test_whatever_gets_a_prediction_left_one_record_under_the_right_scope(
    keyed: Keyed, method: str, target: str, body: bytes, scope: str | None
) -> None:
    request_id = f"door-{next(asked)}"
    headers = [f"X-Request-ID: {request_id}", *([f"X-API-Key: {keyed.keys[scope]}"] if scope else [])]
    status, answer = ask(keyed.server, method, target, body, headers)
    found = records(keyed.server, request_id)
    if status == 200 and answer.startswith(PREDICTIONS):
        assert scope == "predict"
        assert found == [(200, "predict")]
    else:
        assert [status for status, _ in found if status == 200] == []
    assert status in (200, 400, 401, 403, 404, 405, 422)


def test_a_prediction_that_is_encoded_is_counted_under_its_route_or_is_not_there(keyed: Keyed) -> None:
    header = [f"X-API-Key: {keyed.keys['predict']}"]
    assert ask(keyed.server, "POST", "/predict%0A", ROW, header)[0] == 404
    assert ask(keyed.server, "POST", "/%70redict", ROW, header)[0] == 200
    page = httpx.get(
        f"{keyed.server.url}/metrics", headers={"x-api-key": keyed.keys["read"]}, timeout=30
    ).text
    assert 'tabento_requests_total{method="POST",route="/predict",status="200"}' in page
    assert 'tabento_requests_total{method="POST",route="other",status="200"}' not in page


@pytest.mark.parametrize("path", PATHS)
def test_a_method_that_a_path_is_not_served_with_is_told_those_that_it_is(keyed: Keyed, path: str) -> None:
    for key in keyed.keys.values():
        answer = httpx.request(
            "DELETE", f"{keyed.server.url}{quote(path)}", headers={"x-api-key": key}, timeout=30
        )
        if answer.status_code != 403:
            assert answer.status_code == 405
            assert re.fullmatch(r"GET, HEAD|POST", answer.headers["allow"])


def test_a_path_that_is_not_served_is_no_different_from_one_that_is_to_who_has_no_key(keyed: Keyed) -> None:
    for path in ("/none", "/predict", "/predictions/history", "/schema.json"):
        assert httpx.post(f"{keyed.server.url}{path}", json=SETOSA, timeout=30).status_code == 401


def test_a_redirect_is_never_made_of_what_a_client_sent(keyed: Keyed) -> None:
    key = {"x-api-key": keyed.keys["predict"], "host": "elsewhere.example"}
    answer = httpx.post(f"{keyed.server.url}/predict/", json=SETOSA, headers=key, timeout=30)
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_the_schema_that_bentoml_clients_read_needs_any_valid_key(keyed: Keyed) -> None:
    status = [
        httpx.get(f"{keyed.server.url}/schema.json", headers={"x-api-key": key}, timeout=30).status_code
        for key in (*keyed.keys.values(), "wrong")
    ]
    assert status == [*[200] * len(keyed.keys), 401]
