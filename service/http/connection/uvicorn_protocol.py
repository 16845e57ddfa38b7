"""uvicorn's HTTP connection, with limits on requests and without upgrades.

Only the modules named after uvicorn, and fast_connection.py, which is based on them, use its internals.
tests/unit/http/test_uvicorn.py checks what they rely on:

- ``config.HTTP_PROTOCOLS``: BentoML uses uvicorn's default protocol and has no option for another, so
  ``install`` replaces the default.
- ``HttpToolsProtocol``: the connection. uvicorn limits neither the headers nor the arrival time of a request.
  It loses the body of a request that offers an upgrade, and parses what follows as another request.
- ``RequestResponseCycle`` (uvicorn_cycle.py): one request and its answer.
- ``ProxyHeadersMiddleware`` (uvicorn_clock.py): trusts 127.0.0.1 by default, and BentoML has no option for
  it, so it is removed.
"""

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn import config

from service.errors import Overloaded, RequestError, RequestMalformed, RequestTimeout
from service.http.connection.httptools_parser import as_request_error, head_without_upgrade, new_parser
from service.http.connection.limits import ConnectionLimits
from service.http.connection.message_size import MessageSize
from service.http.connection.uvicorn_clock import (
    BODY,
    ENDED,
    HEAD,
    NEVER,
    RESUMED,
    WAITING,
    ClockedProtocol,
    close_longest_waiting,
)
from service.http.connection.uvicorn_cycle import GuardedCycle, complete_scope, error_answer, set_client

_SLICE_BYTES = 16 * 1024
"""Bytes that are parsed between two checks of the limits."""


def install(protocol: "type[GuardedProtocol]", limits: ConnectionLimits) -> None:
    """Make uvicorn, in this process, use this protocol with these limits."""
    GuardedProtocol.limits = limits
    config.HTTP_PROTOCOLS["auto"] = f"{protocol.__module__}:{protocol.__qualname__}"


class GuardedProtocol(ClockedProtocol):
    """A connection with limits."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()

    cycle: GuardedCycle
    is_last = False
    """Whether the connection is closed after the next answer."""
    _unparsed = b""
    """Data received while a pipelined request waits."""
    _content_bytes = 0
    """Bytes of content of the body being received."""
    _slice_bytes = 0
    _has_ended = False
    """Whether a request ended within the slice."""
    _pending_error: RequestError | None = None
    """The error to answer with after the previous requests are answered."""
    _discarded_bytes = 0
    _is_proxied = False

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._size = MessageSize()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._is_proxied = self.client is not None and self.limits.proxies.trusts(self.client[0])
        self.set_timeout(self.limits.silence_s)
        descriptor = transport.get_extra_info("socket").fileno()
        if self.limits.descriptors.are_scarce(descriptor):
            self._free_descriptors(descriptor)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release what the connection holds."""
        super().connection_lost(exc)
        self.phase = ENDED
        self._unparsed = b""
        while self.pipeline:
            cycle, _ = self.pipeline.pop()
            cycle.release()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Parse the data, or discard it if parsing has ended."""
        if self.phase == ENDED:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > self.limits.linger_bytes:
                self.transport.abort()
        elif self._unparsed or len(data) > _SLICE_BYTES:
            self._unparsed += data
            self._parse_unparsed()
        else:
            self._parse(data)
            if self.phase != WAITING:
                self._after_parsing()

    def _parse_unparsed(self) -> None:
        data, at = memoryview(self._unparsed), 0
        while at < len(data) and not self.pipeline and self.phase != ENDED:
            self._parse(data[at : at + _SLICE_BYTES])
            at += _SLICE_BYTES
        self._unparsed = b"" if self.phase == ENDED else bytes(data[at:])
        if self._unparsed:
            self.flow.pause_reading()
        self._after_parsing()

    def _parse(self, data: bytes | memoryview) -> None:
        self._slice_bytes = len(data)
        self._has_ended = False
        try:
            self.parser.feed_data(data)
            if self.phase == HEAD and not self._has_ended:
                self._size.grow_head(len(data), len(self.headers))
            elif self.phase == BODY:
                self._size.grow_body(len(data), self._content_bytes)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(as_request_error(error))
        except RequestError as error:
            self._refuse(error)

    def _after_parsing(self) -> None:
        """Set the timeout for an unfinished head or body."""
        if self.deadline == NEVER:
            if self.phase == HEAD:
                self.set_timeout(self.limits.head_s)
            elif self.phase == BODY:
                self.set_timeout(self.limits.body_s)

    def _ignore_upgrade(self, rest: bytes | memoryview) -> None:
        """Read the body of a request that offers an upgrade, and ignore the offer (RFC 9110, 7.8)."""
        head = head_without_upgrade(self.parser, self.headers)
        self.parser = new_parser(self)
        self.phase = RESUMED
        self._parse(head)
        if self.phase != ENDED and rest:
            self._parse(rest)

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self.phase != RESUMED:
            super().on_message_begin()
            self.phase = HEAD
            self.deadline = NEVER

    def on_url(self, url: bytes) -> None:
        """Add a part of the target."""
        if self.phase != RESUMED:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, or count a trailer; trailers are ignored (RFC 9110, 6.5.1)."""
        if self.phase == HEAD:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))
        elif self.phase == BODY:
            self._size.add_trailer()

    def on_headers_complete(self) -> None:
        """Begin the request, or parse its head again if it offers an upgrade."""
        if self.phase == HEAD:
            self._size.end_head(self._slice_bytes, self.url, self.headers)
            if self.parser.should_upgrade():
                if self.parser.get_method() == b"CONNECT":
                    raise RequestMalformed("CONNECT is for proxies")
                self.phase = RESUMED
                return
        self.phase = BODY
        self.deadline = NEVER
        self._content_bytes = 0
        if self._is_proxied:
            set_client(self)
        self._begin_request()

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        self._content_bytes += len(body)
        self.cycle.add_body(body)

    def on_message_complete(self) -> None:
        """Complete the request."""
        if self.phase != RESUMED:
            self._end_message()
            self.cycle.end_body()

    def _end_message(self) -> None:
        self.phase = WAITING
        self.deadline = NEVER
        self._has_ended = True

    def _begin_request(self) -> None:
        complete_scope(self)
        parser, is_answering = self.parser, self._is_answering()
        keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive() and not self.is_last
        self.cycle = cycle = GuardedCycle(self, keep_alive)
        if is_answering:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        else:
            self._start_asgi_task(cycle, self.app)

    def on_response_complete(self) -> None:
        """Begin the next pipelined request, or wait for a request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._pending_error is not None:
            self.answer(self._pending_error)
        elif self.cycle.answered_early:
            self._linger()
        else:
            self._become_idle()
        if self._unparsed and not self.pipeline:
            self.loop.call_soon(self._parse_unparsed)
        self.continue_reading()

    def _become_idle(self) -> None:
        if self.phase == WAITING:
            self.set_timeout(self.timeout_keep_alive)

    def continue_reading(self) -> None:
        """Read again, unless pipelined requests wait: this bounds how many a client can send ahead."""
        if not (self.pipeline or self._unparsed):
            self.flow.resume_reading()

    def _is_answering(self) -> bool:
        # Before the first request the cycle is None, which uvicorn does not declare.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _has_begun(self) -> bool:
        """Whether the request being received belongs to the newest cycle."""
        return self.phase == BODY

    def _refuse(self, error: RequestError) -> None:
        """Stop parsing, and answer with the error after the previous requests are answered."""
        if self.phase == ENDED:
            return
        has_begun = self._has_begun()
        self.phase = ENDED
        self.deadline = NEVER
        self._unparsed = b""
        if not self._is_answering():
            self.answer(error)
        elif has_begun:
            self.cycle.fail_body(error)
        else:
            self._pending_error = error

    def answer(self, error: RequestError) -> None:
        """Answer with the error and close the connection."""
        if not self.transport.is_closing():
            self.transport.write(error_answer(self, error))
            self._linger()

    def _linger(self) -> None:
        """Close when the client has closed, or after ``linger_s``, so that the client gets the answer."""
        self.phase = ENDED
        self.set_timeout(self.limits.linger_s)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        """Answer requests that are received or arriving, then close. uvicorn calls this when it stops."""
        self.is_last = True
        if self._is_answering():
            self.cycle.keep_alive = False
        elif self.phase == WAITING:
            self.set_timeout(self.limits.last_request_s)
        elif self.phase != ENDED:
            self.set_timeout(min(self.limits.last_body_s, self.deadline - self.loop.time()))

    def expire(self) -> None:
        """Reject a partial request, or close an idle connection."""
        if self.phase == ENDED:
            self.transport.abort()
        elif self.phase == WAITING:
            self.transport.close()
        else:
            self._refuse(RequestTimeout("headers" if self.phase == HEAD else "body"))

    def _free_descriptors(self, descriptor: int) -> None:
        """Close connections that wait for their clients, and this one after its first request."""
        others = [other for other in self.connections if isinstance(other, ClockedProtocol)]
        self.limits.descriptors.log(len(others))
        self.is_last = True
        others.remove(self)
        if not close_longest_waiting(others) and self.limits.descriptors.are_used_up(descriptor):
            self._refuse(Overloaded())
