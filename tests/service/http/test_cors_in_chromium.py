"""A page of another origin uses the service, in Chromium, where its origin is listed, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser

from tests.support.api_keys import new_key
from tests.support.chromium import OTHER_HOST
from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve, Server

TENSOR = {"name": "features", "datatype": "FP64", "shape": [1, 4], "data": [*SETOSA.values()]}
FETCH = """async ({url, method, headers, body}) => {
  try {
    const answer = await fetch(url, {method, headers, body: body && JSON.stringify(body)});
    const told = Object.fromEntries(answer.headers);
    return {status: answer.status, headers: told, text: await answer.text()};
  } catch (error) {
    return {error: String(error)};
  }
}"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = b"<!doctype html><title>An app</title>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


@contextmanager
def an_app() -> Iterator[int]:
    """The port of a server of one empty page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class Shared(NamedTuple):
    """A service for the pages of one origin, which needs a key, and a page of that origin and of another."""

    server: Server
    key: str
    listed: str
    other: str


@pytest.fixture(scope="module")
def shared(
    browser: Browser, serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shared]:
    assert browser.is_connected()
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    key = new_key(file, "app", "predict")
    with an_app() as port:
        listed = f"http://{OTHER_HOST}:{port}"
        server = serve(model=iris, TABENTO_API_KEYS_FILE=str(file), TABENTO_CORS_ORIGINS=listed)
        yield Shared(server, key, listed, f"http://127.0.0.1:{port}")
        assert server.stop() == 0


def ask(
    browser: Browser, origin: str, url: str, method: str = "POST", body: object = None, **headers: str
) -> dict[str, Any]:
    """What a page of that origin gets to read of an answer."""
    page = browser.new_page()
    try:
        page.goto(origin)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent["content-type"] = "application/json"
        answer: dict[str, Any] = page.evaluate(
            FETCH, {"url": url, "method": method, "headers": sent, "body": body}
        )
        return answer
    finally:
        page.close()


def test_a_page_of_a_listed_origin_predicts_and_reads_the_requests_id(
    browser: Browser, shared: Shared
) -> None:
    answer = ask(
        *(browser, shared.listed, f"{shared.server.url}/predict"),
        body=SETOSA, x_api_key=shared.key, x_request_id="page-1", x_request_timeout_ms="9000",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )  # fmt: skip
    assert answer.get("status") == 200, answer
    assert '"predictions":["setosa"]' in answer["text"]
    assert answer["headers"]["x-request-id"] == "page-1"


def test_a_page_of_a_listed_origin_reads_raw_tensors(browser: Browser, shared: Shared) -> None:
    answer = ask(
        *(browser, shared.listed, f"{shared.server.url}/v2/models/iris_classifier/infer"),
        body={"inputs": [TENSOR], "parameters": {"binary_data_output": True}},
        authorization=f"Bearer {shared.key}",
    )  # fmt: skip
    assert answer.get("status") == 200, answer
    assert int(answer["headers"]["inference-header-content-length"]) > 0


@pytest.mark.parametrize(
    ("status", "method", "path", "has_key"),
    [
        (401, "POST", "/predict", False),
        (403, "GET", "/predictions/history", True),
        (404, "GET", "/none", True),
        (405, "GET", "/predict", True),
        (422, "POST", "/predict", True),
    ],
)
def test_a_page_of_a_listed_origin_reads_why_it_is_refused(
    browser: Browser, shared: Shared, status: int, method: str, path: str, has_key: bool
) -> None:
    body: dict[str, float] | None = {} if method == "POST" else None
    key = {"x_api_key": shared.key} if has_key else {}
    answer = ask(browser, shared.listed, f"{shared.server.url}{path}", method, body, **key)
    assert answer.get("status") == status, answer
    assert f'"status":{status}' in answer["text"]
    assert answer["headers"]["x-request-id"]
    if status == 401:
        assert answer["headers"]["www-authenticate"] == "Bearer"


def test_a_page_of_another_origin_reads_nothing(browser: Browser, shared: Shared) -> None:
    for method, path in (("POST", "/predict"), ("GET", "/livez"), ("GET", "/docs.json")):
        body = SETOSA if method == "POST" else None
        answer = ask(browser, shared.other, f"{shared.server.url}{path}", method, body, x_api_key=shared.key)
        assert list(answer) == ["error"], answer
        assert "Failed to fetch" in answer["error"]


def test_no_page_of_another_origin_reads_anything_without_the_setting(
    browser: Browser, iris_server: Server, shared: Shared
) -> None:
    for path in ("/livez", "/model/info"):
        answer = ask(browser, shared.listed, f"{iris_server.url}{path}", "GET")
        assert list(answer) == ["error"], answer
