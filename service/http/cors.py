"""Cross-origin resource sharing: which pages of other origins may read what the service answers.

One layer round the gateway, and only where ``TABENTO_CORS_ORIGINS`` is set: it answers preflights, which
carry no API key and reach neither the gateway nor BentoML, and adds its headers to every other answer,
whatever made it. BentoML's own option ``http.cors`` belongs to its application, which gets no request.

Cookies and other ambient credentials are not allowed: an API key is sent in a header, by the page itself.
Starlette's middleware would do, but takes six times as long for each answer.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Mapping, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.call import new_uuid7
from service.errors import HeaderInvalid
from service.http.problem import MEDIA_TYPE, problem_json
from service.oip.body import HEADER
from service.origins import ANY_ORIGIN, Origins

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

_ALWAYS_ALLOWED = ("accept", "accept-language", "content-language")
_ASKED = "Access-Control-Request-"
_METHOD, _HEADERS, _PRIVATE_NETWORK = (
    f"{_ASKED}{what}".lower().encode() for what in ("Method", "Headers", "Private-Network")
)

Headers = Sequence[tuple[bytes, bytes]]


def with_cors(app: ASGIApp, origins: Origins) -> ASGIApp:
    """The application with the layer, or as it is if no origin is allowed."""
    return CrossOrigin(app, origins) if origins else app


class CrossOrigin:
    """The layer."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = origins
        self._is_public = ANY_ORIGIN in origins
        # Caches must not give one origin what another was answered.
        self._to_nobody: Headers = [(b"vary", b"Origin")]
        exposed = (b"access-control-expose-headers", ", ".join(ANSWER_HEADERS).encode())
        self._to_listed: Mapping[bytes, Headers] = {
            origin.encode(): [(b"access-control-allow-origin", origin.encode()), exposed, *self._to_nobody]
            for origin in origins
        }
        self._may_send = {*_ALWAYS_ALLOWED, *(name.lower() for name in REQUEST_HEADERS)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or let a request be answered and say who may read the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        added = self._to_nobody
        if origin is not None:
            added = self._to_listed.get(b"*" if self._is_public else origin, added)
            if scope["method"] == "OPTIONS":
                asked = dict(scope["headers"])
                if _METHOD in asked:
                    await self._answer_preflight(asked, added, send)
                    return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_on)

    async def _answer_preflight(self, asked: Mapping[bytes, bytes], added: Headers, send: Send) -> None:
        request_id = new_uuid7()
        try:
            self._check(asked, is_listed=added is not self._to_nobody)
        except HeaderInvalid as error:
            status, body = int(error.status), problem_json(error, request_id)
            headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
        else:
            status, body = 204, b""
            headers = [
                (b"access-control-allow-methods", ", ".join(METHODS).encode()),
                (b"access-control-allow-headers", ", ".join(REQUEST_HEADERS).encode()),
                (b"access-control-max-age", b"%d" % PREFLIGHT_VALID_S),
            ]
            if _PRIVATE_NETWORK in asked:
                headers.append((b"access-control-allow-private-network", b"true"))
        headers += [(b"x-request-id", request_id.encode()), *added]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _check(self, asked: Mapping[bytes, bytes], *, is_listed: bool) -> None:
        """Raise HeaderInvalid for a preflight that asks for what is not allowed."""
        if not is_listed:
            raise HeaderInvalid("Origin", "one that TABENTO_CORS_ORIGINS lists")
        if asked[_METHOD].decode("latin-1") not in METHODS:
            raise HeaderInvalid(f"{_ASKED}Method", f"one of {', '.join(METHODS)}")
        names = asked.get(_HEADERS, b"").decode("latin-1").lower().split(",")
        if not {name.strip() for name in names} - {""} <= self._may_send:
            raise HeaderInvalid(f"{_ASKED}Headers", f"among {', '.join(REQUEST_HEADERS)}")
        # Under * any page on the internet could otherwise read, through a browser within the network, a
        # service that only the network reaches.
        if self._is_public and _PRIVATE_NETWORK in asked:
            raise HeaderInvalid(f"{_ASKED}Private-Network", "left out unless the origin is listed by name")
