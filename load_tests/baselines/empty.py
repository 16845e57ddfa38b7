"""An ASGI app that answers every request with the same bytes: the upper limit that the server itself sets.

    uvicorn load_tests.baselines.empty:app --loop uvloop --http httptools --no-access-log

It reads the body of each request, as every prediction must, and ignores it.
"""

from starlette.types import Receive, Scope, Send

BODY = (
    b'{"predictions":["setosa"],"probabilities":[[0.9808127381969144,0.01918699212198889,2.6968109686919945e-7'
    b']],"model_name":"iris_logistic_regression","model_version":"1","processing_time_ms":2.658,'
    b'"timestamp":"2026-07-04T09:30:00.000000Z","request_id":"01a20ac6-5831-7467-b8cb-96eb918aceba"}'
)
"""As long as the service's answer to one row."""

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": BODY})
