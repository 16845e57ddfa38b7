"""A connection answers as uvicorn's own does, whichever way its requests go."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.connection.fast_connection import FastConnection, install_connection
from service.http.connection.uvicorn_cycle import GuardedCycle
from service.http.connection.uvicorn_protocol import GuardedProtocol
from service.http.http_request import SLOT
from service.inference.admission import Admission
from service.settings import Settings
from tests.support.byte_streams import streams
from tests.support.connections import (
    REQUEST,
    TURNS,
    App,
    Heard,
    accepted,
    failing,
    heard,
    measureless,
    send_pieces,
    streaming,
    telling,
)
from tests.support.event_loop import turns
from tests.support.waiting import PATIENCE_S, until_true


def of_both(
    pieces: Sequence[bytes], app: App = telling, theirs: type[HttpToolsProtocol] = HttpToolsProtocol
) -> tuple[Heard, Heard]:
    async def run() -> tuple[Heard, Heard]:
        return await heard(theirs, app, pieces), await heard(FastConnection, app, pieces)

    return asyncio.run(run())


@st.composite
def in_pieces(draw: st.DrawFn) -> list[bytes]:
    stream = draw(st.one_of(streams(), st.integers(1, 4).map(lambda times: REQUEST * times)))
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=3)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@given(pieces=in_pieces())
def test_any_bytes_in_any_pieces_are_answered_the_same_with_the_fast_way_and_without(
    pieces: list[bytes],
) -> None:
    theirs, ours = of_both(pieces, theirs=GuardedProtocol)
    assert ours == theirs


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        REQUEST.replace(b"/predict", b"/predict/batch"),
        REQUEST.replace(b"/predict", b"/v2/models/iris/versions/1/infer"),
        REQUEST.replace(b"/predict", b"/v2/models/%69ris/infer"),
        REQUEST.replace(b"/predict", b"/predict?a=b"),
        REQUEST.replace(b"/predict", b"http://x/predict"),
        REQUEST.replace(b"POST", b"PUT"),
        REQUEST.replace(b"1.1", b"1.0"),
        REQUEST.replace(b"Host", b"Connection: close\r\nHost"),
        REQUEST.replace(b"Host", b"Expect: 100-continue\r\nHost"),
        REQUEST.replace(b"Host", b"X-Request-Timeout-Ms: 100000\r\nHost"),
        REQUEST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")[:-2] + b"2\r\n{}\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_a_request_is_answered_as_uvicorn_answers_it(request_: bytes) -> None:
    theirs, ours = of_both([request_, request_])
    assert theirs.answer.startswith(b"HTTP/1.1 ")
    assert ours == theirs


@pytest.mark.parametrize(
    ("pieces", "is_short"),
    [
        ([REQUEST], True),
        ([REQUEST, REQUEST], True),
        ([REQUEST.replace(b"/predict", b"/v2/models/iris/infer")], True),
        ([REQUEST.replace(b"/predict", b"/health")], False),
        ([REQUEST.replace(b"POST", b"PUT")], False),
        ([REQUEST[:-1], REQUEST[-1:]], False),
        ([REQUEST * 2], False),
    ],
)
def test_whole_requests_for_a_prediction_go_the_short_way(pieces: list[bytes], is_short: bool) -> None:
    async def run() -> HttpToolsProtocol:
        client, transport, protocol = await accepted(FastConnection, telling)
        with client:
            await send_pieces(client, transport, pieces)
        return protocol

    assert (type(asyncio.run(run()).cycle) is not GuardedCycle) == is_short


@pytest.mark.parametrize("app", [streaming, measureless])
def test_an_answer_of_any_form_is_sent_as_uvicorn_sends_it(app: App) -> None:
    theirs, ours = of_both([REQUEST, REQUEST], app)
    assert theirs.answer.count(b"HTTP/1.1 200 OK") == 2
    assert ours == theirs


def test_an_application_that_fails_is_answered_as_by_uvicorn(caplog: pytest.LogCaptureFixture) -> None:
    theirs, ours = of_both([REQUEST], failing)
    assert ours == theirs
    assert ours.answer.startswith(b"HTTP/1.1 500 ")
    assert len(caplog.records) == 2


def test_an_answer_that_comes_when_the_client_has_gone_is_sent_to_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> list[str]:
        met: list[str] = []
        done = asyncio.Event()

        async def app(_scope: Scope, receive: Receive, send: Send) -> None:
            met.append((await receive())["type"])
            client.close()
            met.append((await receive())["type"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            met.append((await receive())["type"])
            done.set()

        client, *_ = await accepted(FastConnection, app)
        client.send(REQUEST)
        await done.wait()
        return met

    met = asyncio.run(asyncio.wait_for(run(), PATIENCE_S))
    assert met == ["http.request", "http.disconnect", "http.disconnect"]
    assert caplog.records == []


def test_an_idle_connection_is_closed_after_its_time_and_a_busy_one_is_not() -> None:
    async def run() -> float:
        client, transport, _ = await accepted(FastConnection, telling, 3)
        with client:
            for _ in range(7):
                client.send(REQUEST)
                await asyncio.sleep(0.5)
                assert not transport.is_closing()
            started = time.monotonic()
            await until_true(transport.is_closing, "the idle connection is closed")
            return time.monotonic() - started + 0.5

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE_S)) >= 2.9


def test_a_connection_is_not_closed_while_its_request_is_answered() -> None:
    async def run() -> bytes:
        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            if slow_from_now:
                await asyncio.sleep(1.2)
            await telling(scope, receive, send)

        slow_from_now: list[bool] = []
        client, *_ = await accepted(FastConnection, slow, 1)
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(REQUEST)
        assert await reader.read(2**16)
        slow_from_now.append(True)
        writer.write(REQUEST)
        answer = await reader.read(2**16)
        writer.close()
        return answer

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE_S)).startswith(b"HTTP/1.1 200 ")


def test_a_request_begins_when_it_gets_a_slot() -> None:
    async def run() -> None:
        async def held(scope: Scope, receive: Receive, send: Send) -> None:
            begun.append(dict(scope["headers"])[b"host"])
            waited.append(scope[SLOT].waited_s)
            await may_end.wait()
            await telling(scope, receive, send)

        begun: list[bytes] = []
        waited: list[float] = []
        may_end = asyncio.Event()
        admission = Admission(100, max_in_progress=lambda: 2)
        clients = [(await accepted(FastConnection, held, 5, admission))[0] for _ in range(5)]
        for number, client in enumerate(clients):
            client.send(REQUEST.replace(b"Host: x", b"Host: %d" % number))
            await turns(TURNS)
        assert begun == [b"0", b"1"]
        assert waited == [0, 0]
        assert admission.single_rows == 5
        may_end.set()
        for client in clients:
            reader, writer = await asyncio.open_connection(sock=client)
            assert (await reader.read(2**16)).startswith(b"HTTP/1.1 200 ")
            writer.close()
        assert all(waited_s > 0 for waited_s in waited[2:])
        assert begun == [b"0", b"1", b"2", b"3", b"4"]
        assert admission.single_rows == 0

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


async def silent(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """End without an answer."""


@pytest.mark.parametrize("app", [telling, streaming, failing, silent])
def test_the_slot_is_given_back_whatever_the_application_does(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            in_hand.append(admission.single_rows)
            await app(scope, receive, send)

        in_hand: list[int] = []
        admission = Admission(100)
        client, *_ = await accepted(FastConnection, counted, 5, admission)
        with client:
            client.send(REQUEST)
            await until_true(lambda: in_hand == [1] and admission.single_rows == 0, "the slot is given back")

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))
    assert len(caplog.records) <= 2


def test_a_queued_request_whose_client_disconnects_leaves_the_queue() -> None:
    async def run() -> list[str]:
        met: list[str] = []

        async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
            met.append((await receive())["type"])

        admission = Admission(100, max_in_progress=lambda: 1)
        with ExitStack() as slot:
            admission.request_slot(slot.enter_context)
            client, transport, _ = await accepted(FastConnection, app, 5, admission)
            await send_pieces(client, transport, [REQUEST])
            client.close()
            await until_true(transport.is_closing, "the connection is closed")
        await until_true(lambda: admission.single_rows == 0, "the slot is given back")
        return met

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE_S)) == ["http.disconnect"]


@pytest.mark.parametrize(("setting", "protocol"), [("on", FastConnection), ("off", GuardedProtocol)])
def test_the_setting_chooses_the_connection_class_of_a_default_server(
    monkeypatch: pytest.MonkeyPatch, setting: str, protocol: type[GuardedProtocol]
) -> None:
    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", uvicorn.config.HTTP_PROTOCOLS["auto"])
    monkeypatch.setattr(GuardedProtocol, "limits", GuardedProtocol.limits)
    monkeypatch.setenv("TABENTO_FAST_CONNECTION", setting)
    monkeypatch.setenv("TABENTO_BODY_TIMEOUT_SECONDS", "7")
    install_connection(Settings())
    config = uvicorn.Config(telling, lifespan="off", log_config=None)
    config.load()
    assert config.http_protocol_class is protocol
    assert protocol.limits.body_s == 7
