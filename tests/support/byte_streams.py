"""Streams of bytes that a client may send: pipelined requests, some of them cut off or damaged."""

import json

from hypothesis import strategies as st

from tests.support.iris_rows import SETOSA

GOOD = json.dumps(SETOSA).encode()
DEEP = b"[" * 2_000
BODIES = [
    GOOD,
    b'{"instances":[' + GOOD + b"]}",
    b"",
    b"\xff\xfe",
    b'{"sepal_length": "\xed\xa0\x80"}',
    DEEP,
    b'{"instances":' * 300,
    GOOD.replace(b"5.1", b"1e999"),
    GOOD.replace(b"5.1", b"9" * 1_000),
    GOOD.replace(b"5.1", b"-" + b"1" * 400 + b".5e-400"),
    GOOD[:-1] + b',"sepal_length":1}',
    GOOD + GOOD,
    b"\0" * 100,
]
HEADERS = [
    b"Content-Type: application/json",
    b"Content-Type: text/plain",
    b"content-type: application/json; charset=\xff",
    b"X-Request-ID: a",
    b"X-Request-ID: \xff\r\nX-Request-ID: b",
    b"X-Request-Timeout-Ms: 100000",
    b"X-Request-Timeout-Ms: \xb2",
    b"Content-Encoding: gzip",
    b"Expect: 100-continue",
    b"Connection: close",
    b"Connection: Upgrade\r\nUpgrade: websocket",
    b"Transfer-Encoding: chunked",
    b"Content-Length: 3",
    b"Content-Length: -1",
    b"Content-Length: 18446744073709551616",
    b"X: " + b"y" * 2_000,
    b"broken header",
    b": empty",
]


def chunked(body: bytes) -> bytes:
    parts = [body[i : i + 7] for i in range(0, min(len(body), 200), 7)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    line = draw(st.sampled_from([b"POST /predict", b"POST /predict/batch", b"GET /health", b"PUT /predict"]))
    headers = draw(st.lists(st.sampled_from(HEADERS), max_size=4))
    body = draw(st.sampled_from(BODIES))
    kind = draw(st.sampled_from(["length", "chunked", "as drawn"]))
    if kind == "length":
        headers = [HEADERS[0], b"Content-Length: %d" % len(body), *headers]
    elif kind == "chunked":
        headers = [HEADERS[0], b"Transfer-Encoding: chunked", *headers]
        body = chunked(body)
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: x", *headers, b"", body])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Pipelined requests, of which the last may be cut off, and a byte may be another."""
    sent = b"".join(draw(st.lists(requests(), min_size=1, max_size=3)))
    if draw(st.booleans()):
        sent = sent[: draw(st.integers(0, len(sent)))]
    if sent and draw(st.booleans()):
        at = draw(st.integers(0, len(sent) - 1))
        sent = sent[:at] + draw(st.binary(min_size=1, max_size=1)) + sent[at + 1 :]
    return sent
