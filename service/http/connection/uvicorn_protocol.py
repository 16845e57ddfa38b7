"""uvicorn's HTTP connection, with limits on what comes before an answer, and without upgrades.

All that leans on uvicorn's internals is in the modules named after it, of which this is the first, and in the
fast connection made of them (connection.py). tests/unit/http/test_uvicorn.py holds what each expects:

- ``config.HTTP_PROTOCOLS``: BentoML leaves uvicorn's protocol at its default and has no option for it, so
  ``install`` puts another in the default's place.
- ``HttpToolsProtocol``: the connection. uvicorn limits neither headers nor the time that a request takes to
  arrive, loses the body of a request that offers an upgrade, and parses what follows as another request.
- ``RequestResponseCycle`` (uvicorn_cycle.py): one request and its answer.
- ``ProxyHeadersMiddleware`` (uvicorn_clock.py): believes 127.0.0.1 unless told otherwise, and BentoML has no
  option for it; it is taken out.
"""

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn import config

from service.errors import Overloaded, RequestError, RequestMalformed, RequestTimeout
from service.http.connection.httptools_parser import head_without_upgrade, meaning_of, new_parser
from service.http.connection.limits import ConnectionLimits
from service.http.connection.message_size import MessageSize
from service.http.connection.uvicorn_clock import (
    BODY,
    HEAD,
    NEVER,
    OVER,
    RESUMED,
    WAITING,
    ClockedProtocol,
    close_longest_waiting,
)
from service.http.connection.uvicorn_cycle import GuardedCycle, answer_of, complete_scope, name_client

_SLICE_BYTES = 16 * 1024
"""What is parsed before the limits are looked at."""


def install(protocol: "type[GuardedProtocol]", limits: ConnectionLimits) -> None:
    """Have uvicorn, in this process, keep its connections so."""
    GuardedProtocol.limits = limits
    config.HTTP_PROTOCOLS["auto"] = f"{protocol.__module__}:{protocol.__qualname__}"


class GuardedProtocol(ClockedProtocol):
    """One connection."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()

    cycle: GuardedCycle
    is_last = False
    """Whether the connection is closed after the next answer."""
    _unparsed = b""
    """What has come while a pipelined request waits for its turn."""
    _content_bytes = 0
    """Of the body that is received."""
    _slice_bytes = 0
    _has_ended = False
    """Whether a request ended within the slice."""
    _owed: RequestError | None = None
    """What is answered once the requests before it are."""
    _discarded_bytes = 0
    _is_proxied = False

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._size = MessageSize()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._is_proxied = self.client is not None and self.limits.proxies.trusts(self.client[0])
        self.wait(self.limits.silence_s)
        descriptor = transport.get_extra_info("socket").fileno()
        if self.limits.descriptors.are_scarce(descriptor):
            self._make_room(descriptor)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of all that belongs to it."""
        super().connection_lost(exc)
        self.phase = OVER
        self._unparsed = b""
        while self.pipeline:
            cycle, _ = self.pipeline.pop()
            cycle.release()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless it comes after the end."""
        if self.phase == OVER:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > self.limits.linger_bytes:
                self.transport.abort()
        elif self._unparsed or len(data) > _SLICE_BYTES:
            self._unparsed += data
            self._parse_unparsed()
        else:
            self._parse(data)
            if self.phase != WAITING:
                self._parsed()

    def _parse_unparsed(self) -> None:
        data, at = memoryview(self._unparsed), 0
        while at < len(data) and not self.pipeline and self.phase != OVER:
            self._parse(data[at : at + _SLICE_BYTES])
            at += _SLICE_BYTES
        self._unparsed = b"" if self.phase == OVER else bytes(data[at:])
        if self._unparsed:
            self.flow.pause_reading()
        self._parsed()

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
            self._refuse(meaning_of(error))
        except RequestError as error:
            self._refuse(error)

    def _parsed(self) -> None:
        """Have the clock run for what is unfinished."""
        if self.due == NEVER:
            if self.phase == HEAD:
                self.wait(self.limits.head_s)
            elif self.phase == BODY:
                self.wait(self.limits.body_s)

    def _ignore_upgrade(self, rest: bytes | memoryview) -> None:
        """Read the body of a request that offers an upgrade: as if it did not, RFC 9110 7.8."""
        head = head_without_upgrade(self.parser, self.headers)
        self.parser = new_parser(self)
        self.phase = RESUMED
        self._parse(head)
        if self.phase != OVER and rest:
            self._parse(rest)

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self.phase != RESUMED:
            super().on_message_begin()
            self.phase = HEAD
            self.due = NEVER

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        if self.phase != RESUMED:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, and leave a trailer: nothing here looks for any, RFC 9110 6.5.1."""
        if self.phase == HEAD:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))
        elif self.phase == BODY:
            self._size.add_trailer()

    def on_headers_complete(self) -> None:
        """Have the request begin."""
        if self.phase == HEAD:
            self._size.end_head(self._slice_bytes, self.url, self.headers)
            if self.parser.should_upgrade():
                if self.parser.get_method() == b"CONNECT":
                    raise RequestMalformed("CONNECT asks for a proxy")
                self.phase = RESUMED
                return
        self.phase = BODY
        self.due = NEVER
        self._content_bytes = 0
        if self._is_proxied:
            name_client(self)
        self._begin_request()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._content_bytes += len(body)
        self.cycle.take(body)

    def on_message_complete(self) -> None:
        """Have the request be complete."""
        if self.phase != RESUMED:
            self._end_message()
            self.cycle.complete()

    def _end_message(self) -> None:
        self.phase = WAITING
        self.due = NEVER
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
        """Go on with what was pipelined, or wait for the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._owed is not None:
            self.answer(self._owed)
        elif self.cycle.leaves_unread:
            self._linger()
        else:
            self._be_idle()
        if self._unparsed and not self.pipeline:
            self.loop.call_soon(self._parse_unparsed)
        self.read_on()

    def _be_idle(self) -> None:
        if self.phase == WAITING:
            self.wait(self.timeout_keep_alive)

    def read_on(self) -> None:
        """Read again, unless requests wait that were pipelined: who pipelines without end is not read."""
        if not (self.pipeline or self._unparsed):
            self.flow.resume_reading()

    def _is_answering(self) -> bool:
        # uvicorn does not say that there is none at first.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _has_begun(self) -> bool:
        """Whether the request that is received is the newest cycle's."""
        return self.phase == BODY

    def _refuse(self, error: RequestError) -> None:
        """Parse nothing more, and answer with the error once what came before it is answered."""
        if self.phase == OVER:
            return
        has_begun = self._has_begun()
        self.phase = OVER
        self.due = NEVER
        self._unparsed = b""
        if not self._is_answering():
            self.answer(error)
        elif has_begun:
            self.cycle.fail(error)
        else:
            self._owed = error

    def answer(self, error: RequestError) -> None:
        """Answer with the error, and close."""
        if not self.transport.is_closing():
            self.transport.write(answer_of(self, error))
            self._linger()

    def _linger(self) -> None:
        """Close the connection so that the client sees the answer: once it has ended, or after a while."""
        self.phase = OVER
        self.wait(self.limits.linger_s)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        """Answer what has come or is on its way, and close. uvicorn calls it when it stops."""
        self.is_last = True
        if self._is_answering():
            self.cycle.keep_alive = False
        elif self.phase == WAITING:
            self.wait(self.limits.last_request_s)
        elif self.phase != OVER:
            self.wait(min(self.limits.last_body_s, self.due - self.loop.time()))

    def give_up(self) -> None:
        """Stop to wait for the client."""
        if self.phase == OVER:
            self.transport.abort()
        elif self.phase == WAITING:
            self.transport.close()
        else:
            self._refuse(RequestTimeout("headers" if self.phase == HEAD else "body"))

    def _make_room(self, descriptor: int) -> None:
        """Close connections that wait for their clients; this one, too, after its first request."""
        others = [other for other in self.connections if isinstance(other, ClockedProtocol)]
        self.limits.descriptors.log(len(others))
        self.is_last = True
        others.remove(self)
        if not close_longest_waiting(others) and self.limits.descriptors.are_used_up(descriptor):
            self._refuse(Overloaded())
