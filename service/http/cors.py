"""Cross-origin resource sharing: which pages of other origins may read what the service answers.

One layer round the gateway, and only where ``TABENTO_CORS_ORIGINS`` is set: it answers preflights, which
carry no API key and reach neither the gateway nor BentoML, and adds its headers to every other answer,
whatever made it. BentoML's own option ``http.cors`` belongs to its application, which gets no request.

Cookies and other ambient credentials are not allowed: an API key is sent in a header, by the page itself.
"""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.oip.json_body import HEADER
from service.settings import ANY_ORIGIN, Origins

METHODS = ("GET", "HEAD", "POST")

REQUEST_HEADERS = (
    "Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "X-Request-Timeout-Ms", HEADER,
    "traceparent", "tracestate",
)  # fmt: skip
"""What the service reads of a request, beside what a page may always send."""

ANSWER_HEADERS = ("X-Request-ID", "Retry-After", "WWW-Authenticate", "Allow", HEADER)
"""What a page may read of an answer, beside what it always may."""

PREFLIGHT_VALID_S = 600
"""How long a browser keeps the answer to a preflight."""


def with_cors(app: ASGIApp, origins: Origins) -> ASGIApp:
    """The application with the layer, or as it is if no origin is allowed.

    A page of a public address reaches a service at a private one (Private Network Access) only if its origin
    is listed: under ``*`` any page on the internet could otherwise read it through a browser within the
    network.
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
