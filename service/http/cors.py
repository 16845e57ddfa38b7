"""Cross-origin resource sharing: which pages of other origins may read the service's answers.

If ``TABENTO_CORS_ORIGINS`` is set, a middleware wraps the gateway. It answers preflights, which carry no API
key, and adds its headers to all other answers. BentoML's option ``http.cors`` has no effect here: it belongs
to BentoML's application, which gets no requests.

Cookies and other ambient credentials are not allowed: the page itself sends an API key in a header.
"""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.oip.json_body import HEADER
from service.settings import ANY_ORIGIN, Origins

METHODS = ("GET", "HEAD", "POST")

REQUEST_HEADERS = (
    "Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "X-Request-Timeout-Ms", "X-Subject-ID",
    HEADER, "traceparent", "tracestate",
)  # fmt: skip
"""Request headers that the service reads, in addition to the CORS-safelisted ones."""

ANSWER_HEADERS = ("X-Request-ID", "Retry-After", "WWW-Authenticate", "Allow", HEADER)
"""Response headers that a page may read, in addition to the CORS-safelisted ones."""

PREFLIGHT_VALID_S = 600
"""How long a browser caches the answer to a preflight."""


def with_cors(app: ASGIApp, origins: Origins) -> ASGIApp:
    """The application, wrapped in the middleware if any origin is allowed.

    A page from a public address may call a service at a private one (Private Network Access) only if its
    origin is listed. Otherwise, under ``*``, any page on the internet could read the service through a
    browser in the private network.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=ANSWER_HEADERS,
        allow_private_network=ANY_ORIGIN not in origins,
        max_age=PREFLIGHT_VALID_S,
    )
