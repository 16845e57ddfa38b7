"""An open-loop load: requests arrive by a schedule, whether or not earlier ones are answered.

    python -m load_tests.overload.open_loop --url http://127.0.0.1:3000 --rate 1000 --seconds 10 --at CLOCK

It is a separate process, so that its processor time can be told from the service's. Several processes can
share a higher rate. Prints one JSON object, ``Arrivals``.

An arrival uses an idle kept connection, or opens one. Its latency counts from the scheduled moment, not from
when it was sent, so a slow client does not make the service look faster. If all connections are busy and no
more are allowed, the arrival is not sent and counts as ``unsent``.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import uvloop
from httptools import HttpParserError, HttpResponseParser

from load_tests.bench.http_load import ONE_ROW, request_bytes
from load_tests.overload.histogram import Histogram

_TICK_S = 0.001
"""The resolution of the event loop's timers."""
_BURST = 64
"""Arrivals after which answers are read, if the schedule leaves no time to wait."""
_DRAIN_S = 10
"""After the last arrival; a request without an answer by then is ``unanswered``."""


class Arrivals(NamedTuple):
    """The outcomes of one process's arrivals."""

    outcomes: dict[str, int]
    """The count of each outcome: a status, ``unsent``, ``refused``, ``broken`` or ``unanswered``."""
    good: int
    """The number of answers with 200 before the last arrival."""
    admitted_ms: dict[str, int]
    """From the scheduled arrival to an answer with 200."""
    late_ms: dict[str, int]
    """From the scheduled arrival until it was sent."""
    connections: int
    """The highest number that was open at a time."""
    cpu_s: float


def schedule(rate: float, seconds: float, kind: str, seed: int) -> Iterator[float]:
    """Moments of arrival, in seconds from the start: evenly spaced (``constant``) or ``poisson``."""
    rng = random.Random(seed)
    moment = 0.0
    while (moment := moment + (rng.expovariate(rate) if kind == "poisson" else 1 / rate)) < seconds:
        yield moment


class Connection(asyncio.Protocol):
    """One kept connection, with at most one request in progress."""

    _transport: asyncio.Transport

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._parser = HttpResponseParser(self)
        self.due: float | None = None
        """The scheduled arrival of the request in progress."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports have asyncio's interface without its base class.
        self._transport = cast(asyncio.Transport, transport)

    def send(self, due: float) -> None:
        """Send a request."""
        self.due = due
        self._transport.write(self._client.request)

    def data_received(self, data: bytes) -> None:
        """Parse the next part of the answer."""
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self.close()

    def on_message_complete(self) -> None:
        """Become idle again, or close if the service asked for that."""
        due, self.due = self.due, None
        if due is None:
            self.close()
            return
        self._client.answered(self._parser.get_status_code(), due)
        if self._parser.should_keep_alive():
            self._client.idle.append(self)
        else:
            self._transport.close()

    def close(self) -> None:
        """Abort the connection."""
        self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        """Tell the client."""
        self._client.lost(self)


class Client:
    """All connections of this process, and the counts."""

    def __init__(self, url: str, most_connections: int) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self.request = request_bytes(url, ONE_ROW)
        self.idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self.outcomes: Counter[str] = Counter()
        self.admitted, self.late = Histogram(), Histogram()
        self.good = 0
        self.peak_connections = 0
        self._most_connections = most_connections
        self._open = 0
        self._in_progress = 0
        self._last_arrived = False
        self._drained = asyncio.Event()
        self._openings: set[asyncio.Task[None]] = set()

    async def run(self, moments: Iterator[float], start: float) -> None:
        """Send the requests by the schedule, and wait for the pending answers."""
        for number, moment in enumerate(moments):
            if (wait_s := start + moment - time.monotonic()) > 0:
                await asyncio.sleep(wait_s + _TICK_S)
            elif number % _BURST == 0:
                await asyncio.sleep(0)
            self._arrive(start + moment)
        self._last_arrived = True
        if self._in_progress:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), _DRAIN_S)
        if self._in_progress:
            self.outcomes["unanswered"] += self._in_progress
        for connection in self._connections:
            connection.due = None
            connection.close()
        await asyncio.sleep(0)

    def _arrive(self, due: float) -> None:
        if self.idle:
            self._in_progress += 1
            self._send(self.idle.pop(), due)
        elif self._open < self._most_connections:
            self._in_progress += 1
            self._open += 1
            self.peak_connections = max(self.peak_connections, self._open)
            opening = asyncio.create_task(self._open_one(due))
            self._openings.add(opening)
            opening.add_done_callback(self._openings.discard)
        else:
            self.outcomes["unsent"] += 1

    async def _open_one(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: Connection(self), self._host, self._port)
        except OSError:
            self._open -= 1
            self._ended("refused")
        else:
            self._connections.add(connection)
            self._send(connection, due)

    def _send(self, connection: Connection, due: float) -> None:
        self.late.add((time.monotonic() - due) * 1e3)
        connection.send(due)

    def answered(self, status: int, due: float) -> None:
        """Count an answer."""
        if status == 200:
            self.good += not self._last_arrived
            self.admitted.add((time.monotonic() - due) * 1e3)
        self._ended(str(status))

    def lost(self, connection: Connection) -> None:
        """Remove a connection, and count its request in progress as broken."""
        self._open -= 1
        self._connections.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        if connection.due is not None:
            connection.due = None
            self._ended("broken")

    def _ended(self, outcome: str) -> None:
        self._in_progress -= 1
        self.outcomes[outcome] += 1
        if self._last_arrived and not self._in_progress:
            self._drained.set()


async def offer(url: str, moments: Iterator[float], connections: int, start: float | None = None) -> Arrivals:
    """Send requests at these moments, in seconds from ``start`` of the monotonic clock."""
    client = Client(url, connections)
    before_s = time.process_time()
    await client.run(moments, time.monotonic() if start is None else start)
    cpu_s = time.process_time() - before_s
    admitted, late = client.admitted.as_json(), client.late.as_json()
    return Arrivals(dict(client.outcomes), client.good, admitted, late, client.peak_connections, cpu_s)


def allow_connections() -> None:
    """Raise the limit of open files to the system's maximum; child processes inherit it."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def main() -> None:
    """Run the load that the options describe."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.overload.open_loop", description=__doc__)
    parser.add_argument("--url", required=True, help="the service")
    parser.add_argument("--rate", type=float, required=True, help="arrivals a second")
    parser.add_argument("--seconds", type=float, required=True, help="the length of the load")
    parser.add_argument("--arrivals", choices=("poisson", "constant"), default="poisson")
    parser.add_argument("--connections", type=int, default=1_000, help="the maximum")
    parser.add_argument("--at", type=float, help="the start, by the monotonic clock; by default now")
    parser.add_argument("--seed", type=int, default=0, help="of the arrivals")
    options = parser.parse_args()
    allow_connections()
    moments = schedule(options.rate, options.seconds, options.arrivals, options.seed)
    arrivals = uvloop.run(offer(options.url, moments, options.connections, options.at))
    sys.stdout.write(json.dumps(arrivals._asdict()) + "\n")


if __name__ == "__main__":
    main()
