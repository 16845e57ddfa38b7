"""Pages of the origins that are listed may read every answer, and pages of others none."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audit.query.reader import AuditReader
from service.errors import SettingInvalid
from service.http.cors import REQUEST_HEADERS
from service.routes import ROUTES
from service.settings import load_settings
from tests.support.api_keys import Keyed, serve_with_keys
from tests.support.audit.logs import locked
from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve, metric

APP, LOCAL, OTHER = "https://app.example.com", "http://localhost:5173", "https://evil.example.com"
_OPTION = "services.iris_classifier.http.cors"
BENTOML_OPTION = f"{_OPTION}.enabled=true {_OPTION}.access_control_allow_origins={OTHER}"
"""It has no effect."""
PATHS = sorted(
    {
        route.path.format(model="iris_classifier", version="1", asset="swagger-ui.css", request_id="none")
        for route in ROUTES
    }
)


@pytest.fixture(scope="module")
def shared(serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keys")
    origins = f"{APP}, {LOCAL}"
    keyed = serve_with_keys(
        serve, iris, folder, TABENTO_CORS_ORIGINS=origins, BENTOML_CONFIG_OPTIONS=BENTOML_OPTION
    )
    yield keyed
    assert keyed.server.stop() == 0


def readable(answer: httpx.Response, origin: str) -> bool:
    """Whether a browser lets a page of that origin read the answer; caches are told that it depends on it."""
    vary = [name.strip().lower() for name in answer.headers.get("vary", "").split(",")]
    assert "origin" in vary
    allowed: str | None = answer.headers.get("access-control-allow-origin")
    return allowed == origin


def preflight(url: str, origin: str = APP, **headers: str) -> httpx.Response:
    asked = {"origin": origin, "access-control-request-method": "POST"}
    asked |= {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.options(url, headers=asked, timeout=30)


@settings(max_examples=150)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"]),
    path=st.one_of(st.sampled_from(PATHS), st.just("/none"), st.just("/predict%0A")),
    body=st.sampled_from([json.dumps(SETOSA).encode(), b"{", b"{}", b"[" * 100]),
    media_type=st.sampled_from(["application/json", "text/plain"]),
    scope=st.sampled_from(["predict", "read", None]),
    origin=st.sampled_from([APP, LOCAL, OTHER, "null", f"{APP}.evil.example.com", f"{APP}/", ""]),
)
def test_any_answer_can_be_read_by_pages_of_the_listed_origins_alone(
    shared: Keyed, method: str, path: str, body: bytes, media_type: str, scope: str | None, origin: str
) -> None:
    headers = {"origin": origin, "content-type": media_type}
    if scope:
        headers["x-api-key"] = shared.keys[scope]
    answer = httpx.request(method, f"{shared.server.url}{path}", content=body, headers=headers, timeout=30)
    assert readable(answer, origin) == (origin in (APP, LOCAL))
    assert "access-control-allow-credentials" not in answer.headers
    if origin in (APP, LOCAL):
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert {"x-request-id", "retry-after", "www-authenticate", "allow"} <= set(exposed)


def test_refusals_of_each_status_can_be_read(shared: Keyed) -> None:
    predict, read = shared.keys["predict"], shared.keys["read"]
    asked = [
        (200, "POST", "/predict", json.dumps(SETOSA), {"x-api-key": predict}),
        (400, "POST", "/predict", "{", {"x-api-key": predict}),
        (401, "POST", "/predict", json.dumps(SETOSA), {}),
        (403, "POST", "/predict", json.dumps(SETOSA), {"x-api-key": read}),
        (404, "GET", "/none", None, {"x-api-key": read}),
        (405, "DELETE", "/predict", None, {"x-api-key": predict}),
        (415, "POST", "/predict", "a", {"x-api-key": predict, "content-type": "text/plain"}),
        (422, "POST", "/predict", "{}", {"x-api-key": predict}),
        (504, "POST", "/predict/batch", json.dumps({"instances": [SETOSA] * 9_999}),
         {"x-api-key": predict, "x-request-timeout-ms": "1"}),
    ]  # fmt: skip
    for status, method, path, body, more in asked:
        headers = {"origin": APP, "content-type": "application/json", **more}
        answer = httpx.request(
            method, f"{shared.server.url}{path}", content=body, headers=headers, timeout=30
        )
        assert (answer.status_code, readable(answer, APP)) == (status, True)


@pytest.mark.parametrize("pause_s", [0, 0.3])
def test_a_prediction_can_be_read_whichever_way_its_request_goes_through_the_connection(
    shared: Keyed, pause_s: float
) -> None:
    # A whole request in one piece takes the fast connection's shorter way, one in two pieces uvicorn's.
    body = json.dumps(SETOSA).encode()
    parts = urlsplit(shared.server.url)
    head = [
        *("POST /predict HTTP/1.1", "Host: x", f"Origin: {APP}", f"X-API-Key: {shared.keys['predict']}"),
        *("Content-Type: application/json", "Connection: close", f"Content-Length: {len(body)}", "", ""),
    ]
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=30) as connection:
        connection.sendall("\r\n".join(head).encode() + (b"" if pause_s else body))
        if pause_s:
            time.sleep(pause_s)
            connection.sendall(body)
        got = b""
        while more := connection.recv(65_536):
            got += more
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"\r\naccess-control-allow-origin: " + APP.encode() + b"\r\n" in got


def test_a_preflight_needs_no_key_and_is_neither_recorded_nor_counted(shared: Keyed) -> None:
    def counts() -> tuple[int, float]:
        headers = {"x-api-key": shared.keys["read"]}
        page = httpx.get(f"{shared.server.url}/metrics", headers=headers, timeout=30).text
        counted = [line for line in page.splitlines() if line.startswith("tabento_requests_total{")]
        others = sum(float(line.split()[-1]) for line in counted if 'method="GET"' not in line)
        return sum(1 for _ in AuditReader(shared.server.audit_db).records()), others

    before = counts()
    for path in [*PATHS, "/none"]:
        answer = preflight(
            f"{shared.server.url}{path}", access_control_request_headers=", ".join(REQUEST_HEADERS).lower()
        )
        assert (answer.status_code, readable(answer, APP)) == (200, True)
        assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))
        assert int(answer.headers["access-control-max-age"]) > 0
    assert counts() == before


def test_a_preflight_of_another_origin_method_or_header_is_refused(shared: Keyed) -> None:
    url = f"{shared.server.url}/predict"
    other = preflight(url, OTHER)
    assert (other.status_code, readable(other, OTHER)) == (400, False)
    assert preflight(url, access_control_request_method="DELETE").status_code == 400
    assert preflight(url, access_control_request_headers="x-other").status_code == 400


def test_a_page_of_a_public_address_reaches_a_private_one_if_its_origin_is_listed_by_name(
    shared: Keyed, serve: Serve, iris: str
) -> None:
    anybody = serve(model=iris, TABENTO_CORS_ORIGINS="*")
    listed, any_page = (
        preflight(f"{server.url}/predict", access_control_request_private_network="true")
        for server in (shared.server, anybody)
    )
    assert listed.headers["access-control-allow-private-network"] == "true"
    assert any_page.status_code == 400
    assert "access-control-allow-private-network" not in any_page.headers
    assert readable(preflight(f"{anybody.url}/predict", OTHER), "*")
    for origin in (OTHER, "null"):
        assert readable(httpx.get(f"{anybody.url}/health", headers={"origin": origin}, timeout=30), "*")
    assert anybody.stop() == 0


def test_without_the_setting_no_answer_has_a_header_for_other_origins(client: httpx.Client) -> None:
    refused = preflight(str(client.base_url.join("/predict")))
    answers = [refused, client.post("/predict", json=SETOSA, headers={"origin": APP})]
    assert [answer.status_code for answer in answers] == [405, 200]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_what_the_service_fails_with_or_is_too_busy_for_can_be_read(
    publish_picky: Callable[[str], str], serve: Serve
) -> None:
    server = serve(model=publish_picky("shared"), TABENTO_CORS_ORIGINS=APP, TABENTO_MAX_QUEUED_ROWS="1")

    def ask(letter: str) -> httpx.Response:
        row, headers = {"letter": letter}, {"origin": APP}
        return httpx.post(f"{server.url}/predict", json=row, headers=headers, timeout=60)

    failed = ask("?")
    assert (failed.status_code, readable(failed, APP)) == (500, True)
    with ThreadPoolExecutor(8) as pool, locked(server.audit_db):  # The first stays in progress.
        refused = [answer for answer in pool.map(ask, ["a"] * 8) if answer.status_code == 429]
    assert all(readable(answer, APP) for answer in refused)
    assert "retry-after" in refused[0].headers
    assert metric(server.url, "tabento_requests_total", status="429") >= 1
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", None),
        (" , ", None),
        ("*", ("*",)),
        (f"{APP},{LOCAL}", (APP, LOCAL)),
        (f"{APP}, {APP}", (APP,)),
        ("HTTPS://App.Example.COM:443", (APP,)),
        ("http://localhost:80", ("http://localhost",)),
        ("https://localhost:80", ("https://localhost:80",)),
        ("http://[::1]:8080", ("http://[::1]:8080",)),
        ("capacitor://localhost", ("capacitor://localhost",)),
    ],
)
def test_origins_are_read_into_the_form_in_which_browsers_send_them(
    monkeypatch: pytest.MonkeyPatch, text: str, origins: tuple[str, ...] | None
) -> None:
    monkeypatch.setenv("TABENTO_CORS_ORIGINS", text)
    assert load_settings().cors_origins == origins


@pytest.mark.parametrize(
    "text",
    [
        *("app.example.com", "https://", "https://app.example.com/", "https://app.example.com/app", "null"),
        *("https://a b", "https://a:0", "https://a:99999", "https://user@a", "https://*.example.com"),
        *(f"*, {APP}", f"{APP} {LOCAL}", f'["{APP}"]', "https://bücher.example", "https://a?b", "//a"),
    ],
)
def test_what_is_no_origin_stops_the_start_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("TABENTO_CORS_ORIGINS", text)
    with pytest.raises(SettingInvalid, match=r"^TABENTO_CORS_ORIGINS=.* cannot be used: .*\.$"):
        load_settings()
