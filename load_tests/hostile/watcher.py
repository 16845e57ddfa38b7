"""A separate process that measures the latency of /livez and the memory of a service."""

import http.client
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from resource import getpagesize
from typing import NamedTuple
from urllib.parse import urlsplit

_INTERVAL_S = 0.01
_MEMORY_INTERVAL_S = 0.02


class Observation(NamedTuple):
    """The measurements since the previous observation."""

    longest_ms: float
    """The longest latency of /livez."""
    requests: int
    max_bytes: int
    """Resident memory of all processes together."""
    bytes_now: int


class Watcher:
    """The process that measures."""

    def __init__(self, end: "Connection[None, Observation]") -> None:
        self._end = end

    def observe(self) -> Observation:
        """The measurements since the previous call, or since the start."""
        self._end.send(None)
        return self._end.recv()


@contextmanager
def watching(url: str, pids: Sequence[int]) -> Iterator[Watcher]:
    """Run a watcher for a service."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_watch, args=(url, pids, theirs), daemon=True)
    process.start()
    ours.recv()
    try:
        yield Watcher(ours)
    finally:
        process.terminate()
        process.join()


def _watch(url: str, pids: Sequence[int], end: "Connection[Observation | None, None]") -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    longest_s, requests, most, now, next_memory = 0.0, 0, 0, 0, 0.0
    end.send(None)
    while True:
        started = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        longest_s = max(longest_s, time.perf_counter() - started)
        requests += 1
        if started >= next_memory:
            now = sum(map(_resident_bytes, pids))
            most = max(most, now)
            next_memory = started + _MEMORY_INTERVAL_S
        if end.poll():
            end.recv()
            end.send(Observation(longest_s * 1e3, requests, most, now))
            longest_s, requests, most, next_memory = 0.0, 0, 0, 0.0
        time.sleep(max(0.0, started + _INTERVAL_S - time.perf_counter()))


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * getpagesize()
    except (OSError, IndexError):
        return 0
