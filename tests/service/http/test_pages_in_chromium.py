"""The pages work in Chromium, with keys and without: no error in its console, no request to another host."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from service.routes import ROUTES
from tests.support.api_keys import new_key, revoke_key
from tests.support.chromium import OTHER_HOST, WAIT_MS, Seen, watch
from tests.support.servers import Serve, Server
from tests.support.waiting import await_true

PAGES = ("/", "/docs")
ADD_SCRIPT = """() => {
  const script = document.createElement("script");
  script.text = "window.ran = 1";
  document.head.appendChild(script);
}"""
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


class Keyed(NamedTuple):
    """A service with keys, and what revokes them."""

    server: Server
    keys: dict[str, str]
    """By their names."""
    revoke: Callable[[str], None]


@pytest.fixture(scope="module")
def keyed(
    browser: Browser, serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keyed]:
    assert browser.is_connected()
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    scopes = {"robot": "predict", "reader": "read", "short": "read"}
    keys = {name: new_key(file, name, scope) for name, scope in scopes.items()}
    server = serve(model=iris, TABENTO_API_KEYS_FILE=str(file))
    yield Keyed(server, keys, lambda name: revoke_key(file, name))
    assert server.stop() == 0


@contextmanager
def opened(
    browser: Browser,
    url: str,
    *,
    scheme: Literal["light", "dark"] = "light",
    width: int = 1200,
    errors: str | None = None,
) -> Iterator[tuple[Page, Seen]]:
    """A new tab of a new profile; all that is fetched comes from the service, and nothing goes wrong.

    ``errors`` is a pattern of what the console may say: Chromium notes each answer of 400 and above there.
    """
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    context.set_default_timeout(WAIT_MS)
    try:
        page = context.new_page()
        seen = watch(page)
        page.goto(url)
        yield page, seen
        hosts = {urlsplit(url).netloc for url in seen.urls if not url.startswith(("data:", "blob:"))}
        assert hosts == {urlsplit(url).netloc}
        assert [error for error in seen.errors if not (errors and re.search(errors, error))] == []
    finally:
        context.close()


def give_key(page: Page, key: str) -> None:
    page.fill("#key", key)
    page.click("#key-form button")


def authorize(page: Page, key: str) -> None:
    page.click(".auth-wrapper button.authorize")
    page.fill(".modal-ux input >> nth=0", key)
    page.click(".modal-ux button.authorize >> nth=0")
    page.click(".modal-ux button.btn-done")


def predict_in_swagger(page: Page) -> None:
    expect(page.locator("#operations-predictions-predict")).to_be_visible()
    if "is-open" not in (page.get_attribute("#operations-predictions-predict", "class") or ""):
        page.click("#operations-predictions-predict .opblock-summary-control")
    page.click("#operations-predictions-predict button.execute")


def swagger_status(page: Page) -> str:
    cell = page.locator("#operations-predictions-predict .live-responses-table .response-col_status >> nth=1")
    return (cell.text_content() or "").strip()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 380])
def test_without_keys_the_index_shows_the_model_and_how_to_ask_it(
    browser: Browser, iris_server: Server, scheme: Literal["light", "dark"], width: int
) -> None:
    with opened(browser, iris_server.url, scheme=scheme, width=width) as (page, _):
        expect(page.locator("#status")).to_have_text("ok")
        expect(page.locator("#name")).to_have_text("iris_logistic_regression")
        expect(page.locator("#features td:first-child")).to_have_text(FEATURES)
        expect(page.locator("#routes tr").filter(has_text="GET /model/info")).to_have_count(1)
        expect(page.locator("#curl")).to_contain_text("sepal_length")
        for hidden in ("#key-form", "#key-held", "#notice", "#no-features", "#answer"):
            expect(page.locator(hidden)).to_be_hidden()
        assert "X-API-Key" not in (page.text_content("#curl") or "")
        fits(page)
        page.click("text=History")
        page.wait_for_url("**/predictions/history")
        # JSON names no icon: Chromium then asks for /favicon.ico, and its console says so if there is none.
        page.wait_for_load_state("networkidle")


def fits(page: Page) -> None:
    """Nothing is wider than the screen."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 380])
def test_without_keys_swagger_predicts(
    browser: Browser, iris_server: Server, scheme: Literal["light", "dark"], width: int
) -> None:
    with opened(browser, f"{iris_server.url}/docs", scheme=scheme, width=width) as (page, _):
        predict_in_swagger(page)
        expect(page.locator(".live-responses-table")).to_contain_text('"predictions"')
        assert swagger_status(page).startswith("200")
        assert page.locator("button.authorize").count() == 0
        fits(page)


def test_every_operation_opens_in_swagger_with_its_description(browser: Browser, iris_server: Server) -> None:
    document = httpx.get(f"{iris_server.url}/docs.json", timeout=30).json()
    with opened(browser, f"{iris_server.url}/docs", width=380) as (page, _):
        for operations in document["paths"].values():
            for operation in operations.values():
                block = page.locator(f"[id$='-{operation['operationId']}']")
                block.locator(".opblock-summary-control").click()
                expect(block.locator(".opblock-description").first).to_be_visible()
        fits(page)


def test_with_keys_the_index_asks_for_one_and_keeps_it_for_the_tab(browser: Browser, keyed: Keyed) -> None:
    key = keyed.keys["reader"]
    with opened(browser, keyed.server.url) as (page, _):
        expect(page.locator("#key-form")).to_be_visible()
        expect(page.locator("#no-features")).to_be_visible()
        expect(page.locator("#curl")).to_contain_text("X-API-Key: YOUR_KEY")
        page.click("text=Health")
        expect(page.locator("#notice")).to_contain_text("needs an API key")
        give_key(page, key)
        expect(page.locator("#features td:first-child")).to_have_text(FEATURES)
        expect(page.locator("#status")).to_have_text("ok")
        for hidden in ("#key-form", "#notice", "#no-features"):
            expect(page.locator(hidden)).to_be_hidden()
        for link, text in (("History", '"items"'), ("Metrics", "tabento_requests_total")):
            page.click(f"nav >> text={link}")
            expect(page.locator("#answer-text")).to_contain_text(text)
        page.reload()
        expect(page.locator("#features td:first-child")).to_have_text(FEATURES)
        assert page.evaluate("JSON.stringify({...localStorage})") == "{}"
        assert page.context.cookies() == []
        fresh = page.context.new_page()  # Another tab.
        fresh.goto(keyed.server.url)
        expect(fresh.locator("#key-form")).to_be_visible()
        page.click("#forget")
        expect(page.locator("#key-form")).to_be_visible()
        page.reload()
        expect(page.locator("#key-form")).to_be_visible()
        assert page.evaluate("JSON.stringify({...sessionStorage})") == "{}"


def test_with_keys_the_index_says_what_is_wrong_with_one(browser: Browser, keyed: Keyed) -> None:
    with opened(browser, keyed.server.url, errors="status of 40[13]", width=380) as (page, _):
        notice = page.locator("#notice")
        for wrong in ("wrong", "schlüssel", "a b"):
            give_key(page, wrong)
            expect(notice).to_contain_text("The key is invalid")
            expect(page.locator("#key-form")).to_be_visible()
        give_key(page, keyed.keys["robot"])
        expect(page.locator("#status")).to_have_text("ok")
        page.click("nav >> text=History")
        expect(notice).to_contain_text("The API key 'robot' has no scope 'history'.")
        expect(page.locator("#key-form")).to_be_hidden()
        page.click("#forget")
        give_key(page, keyed.keys["short"])
        expect(page.locator("#status")).to_have_text("ok")
        keyed.revoke("short")

        def is_refused() -> bool:
            page.click("nav >> text=History")
            page.wait_for_timeout(500)
            return not notice.is_hidden()

        await_true(is_refused, "the service knows that the key is revoked")
        expect(notice).to_contain_text("revoked")
        expect(page.locator("#key-form")).to_be_visible()
        fits(page)


def test_with_keys_swagger_predicts_with_an_authorized_one_and_keeps_it_for_the_tab(
    browser: Browser, keyed: Keyed
) -> None:
    key = keyed.keys["robot"]
    with opened(browser, f"{keyed.server.url}/docs", errors="status of 401") as (page, _):
        predict_in_swagger(page)
        expect(page.locator(".live-responses-table")).to_contain_text("urn:tabento:key-invalid")
        authorize(page, key)
        page.click("#operations-predictions-predict button.execute")
        expect(page.locator(".live-responses-table")).to_contain_text('"predictions"')
        assert swagger_status(page).startswith("200")
        page.reload()
        predict_in_swagger(page)
        expect(page.locator(".live-responses-table")).to_contain_text('"predictions"')
        assert page.evaluate("JSON.stringify({...localStorage})") == "{}"
        page.click(".auth-wrapper button.authorize")
        page.click(".modal-ux button >> text=Logout >> nth=0")
        assert page.evaluate("JSON.stringify({...sessionStorage})") == "{}"


def test_a_page_says_so_when_the_service_does_not_answer(browser: Browser, iris_server: Server) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.route("**/model/info", lambda route: route.abort())
        page.route("**/docs.json", lambda route: route.abort())
        page.goto(iris_server.url)
        expect(page.locator("#notice")).to_contain_text("The service cannot be reached.")
        expect(page.locator("#curl")).to_contain_text("The service cannot be reached.")
    finally:
        context.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_not_shown_within_another_and_runs_no_other_script(
    browser: Browser, iris_server: Server, path: str
) -> None:
    answer = httpx.get(f"{iris_server.url}{path}", headers={"accept": "text/html"}, timeout=30)
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?! src=)|<style|\son\w+=|\sstyle=|javascript:", answer.text)
    context = browser.new_context()
    try:
        page = context.new_page()
        seen = watch(page)
        page.goto(f"{iris_server.url}{path}")
        page.evaluate(f"({ADD_SCRIPT})()")
        assert page.evaluate("window.ran") is None
        assert any("Content Security Policy" in error for error in seen.errors)
    finally:
        context.close()


def test_the_pages_work_under_a_name_that_is_not_of_this_machine(
    browser: Browser, iris_server: Server
) -> None:
    # Swagger UI asks an outside host about the documents of such services, unless it is told not to.
    url = f"http://{OTHER_HOST}:{urlsplit(iris_server.url).port}"
    with opened(browser, f"{url}/docs") as (page, _):
        expect(page.locator(".opblock").nth(len(ROUTES) // 2)).to_be_visible()
    with opened(browser, url) as (page, _):
        expect(page.locator("#status")).to_have_text("ok")
