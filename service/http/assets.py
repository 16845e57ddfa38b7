"""The files of the pages, with headers that isolate a page.

A page runs only scripts of this service, fetches nothing from other hosts, and cannot be framed. Swagger
UI's files come with BentoML.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path

from service.http.http_request import Reply

_HERE = Path(__file__).parent
_HTML = b"text/html; charset=utf-8"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_NO_SNIFFING = (b"x-content-type-options", b"nosniff")

_PAGE_HEADERS = (
    (b"cache-control", b"no-cache"),
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    _NO_SNIFFING,
)

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".png": b"image/png",
}

_OWN_FILES = ("index.css", "index.js", "key.js", "docs.css", "docs.js")
FAVICON = "favicon-light-32x32.png"
_BENTOML_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", FAVICON)


def page(name: str) -> Reply:
    """The answer with a page."""
    return Reply(200, _content(name), _HTML, _PAGE_HEADERS)


def asset(name: str) -> Reply | None:
    """The answer with a file that pages load; None if there is no such file."""
    if name in _OWN_FILES:
        # Not cached: after an upgrade, an old file would not fit the new page.
        return Reply(
            200, _content(f"static/{name}"), _type(name), [_NO_SNIFFING, (b"cache-control", b"no-cache")]
        )
    if name in _BENTOML_FILES:
        headers = [_NO_SNIFFING, (b"cache-control", b"max-age=86400")]
        return Reply(200, _swagger(name), _type(name), headers)
    return None


def _type(name: str) -> bytes:
    return _TYPES[Path(name).suffix]


@cache
def _content(name: str) -> bytes:
    return (_HERE / name).read_bytes()


@cache
def _swagger(name: str) -> bytes:
    return files("bentoml").joinpath("_internal/server/static_content", name).read_bytes()
