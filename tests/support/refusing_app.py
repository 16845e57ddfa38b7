"""An ASGI app that refuses every other request with 429, and closes the connection after it."""

from itertools import count

from starlette.types import Receive, Scope, Send

turns = count()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    admitted = scope["path"] == "/readyz" or next(turns) % 2 == 0
    headers = [(b"content-length", b"2"), *([] if admitted else [(b"connection", b"close")])]
    await send({"type": "http.response.start", "status": 200 if admitted else 429, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})
