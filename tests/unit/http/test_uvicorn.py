"""What the connection expects of uvicorn's internals.

If one of these fails after an upgrade of uvicorn or httptools, its name says what no longer holds. With
``TABENTO_FAST_CONNECTION=off`` less of it is needed.
"""

import asyncio
import inspect
from contextlib import closing

import httptools
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from service.http.connection.fast_connection import FastConnection
from service.http.connection.uvicorn_cycle import GuardedCycle
from service.http.connection.uvicorn_protocol import GuardedProtocol


async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Never asked."""


def configured() -> uvicorn.Config:
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    return config


def test_a_server_that_is_told_of_no_protocol_looks_it_up_by_the_name_auto() -> None:
    assert uvicorn.Config(app, log_config=None).http == "auto"
    assert "auto" in uvicorn.config.HTTP_PROTOCOLS


def test_a_connection_has_the_parts_that_are_used() -> None:
    with closing(asyncio.new_event_loop()) as loop:
        connection = HttpToolsProtocol(configured(), ServerState(), {}, loop)
    used = {
        "app", "app_state", "access_log", "access_logger", "client", "connections", "cycle", "flow",
        "expect_100_continue", "headers", "logger", "loop", "parser", "pipeline", "root_path", "scope",
        "server_state", "tasks", "timeout_keep_alive", "transport",
    }  # fmt: skip
    assert used <= vars(connection).keys()
    assert vars(connection.server_state).keys() >= {"default_headers", "total_requests"}


@pytest.mark.parametrize(
    "overridden",
    [
        name
        for protocol in (GuardedProtocol, FastConnection)
        for name in vars(protocol)
        if name.startswith(("on_", "data_", "connection_", "shutdown"))
    ],
)
def test_what_is_overridden_is_called_by_uvicorn_or_httptools(overridden: str) -> None:
    assert hasattr(HttpToolsProtocol, overridden)


def test_no_callback_of_the_parser_is_left_to_uvicorn() -> None:
    theirs = {name for name in vars(HttpToolsProtocol) if name.startswith("on_")}
    assert theirs <= vars(GuardedProtocol).keys()


def test_uvicorn_sets_no_timer_of_its_own_but_after_its_own_answers() -> None:
    setters = [
        name
        for name, function in inspect.getmembers(HttpToolsProtocol, inspect.isfunction)
        if "call_later" in inspect.getsource(function)
    ]
    assert setters == ["on_response_complete"]


def test_a_request_is_made_of_what_is_given_to_it() -> None:
    _, *given = inspect.signature(RequestResponseCycle.__init__).parameters
    assert given == [
        "scope", "transport", "flow", "logger", "access_logger", "access_log", "default_headers",
        "message_event", "expect_100_continue", "keep_alive", "on_response",
    ]  # fmt: skip
    source = inspect.getsource(RequestResponseCycle)
    for used in ("body", "more_body", "disconnected", "response_started", "response_complete", "keep_alive",
                 "waiting_for_100_continue", "on_response", "default_headers"):  # fmt: skip
        assert f"self.{used}" in source
    for method in ("run_asgi", "receive", "send", "send_500_response"):
        assert method in vars(GuardedCycle)
        assert method in vars(RequestResponseCycle)


def test_a_request_without_keep_alive_closes_the_connection_when_it_is_answered() -> None:
    assert "if not self.keep_alive:\n                    self.transport.close()" in inspect.getsource(
        RequestResponseCycle.send
    )


def test_flow_and_status_lines_are_there() -> None:
    assert STATUS_LINE[431].startswith(b"HTTP/1.1 431 ")
    assert HIGH_WATER_LIMIT > 0
    assert {"pause_reading", "resume_reading", "drain"} <= vars(FlowControl).keys()


def test_a_server_that_stops_tells_its_connections_and_waits_for_them() -> None:
    source = inspect.getsource(Server.shutdown) + inspect.getsource(Server._wait_tasks_to_complete)
    assert "connection.shutdown()" in source
    assert "while self.server_state.connections" in source


def test_nobody_is_trusted_because_uvicorn_trusts_him() -> None:
    config = configured()
    assert isinstance(config.loaded_app, ProxyHeadersMiddleware)
    with closing(asyncio.new_event_loop()) as loop:
        assert GuardedProtocol(config, ServerState(), {}, loop).app is app


def test_httptools_reports_an_upgrade_where_the_head_ends() -> None:
    parser = httptools.HttpRequestParser(object())
    head = b"POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as upgrade:
        parser.feed_data(head + b"{}")
    assert upgrade.value.args == (len(head),)
    assert parser.should_upgrade()
