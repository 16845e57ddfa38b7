"""What other clients see meanwhile, and the memory: watched from a process of its own."""

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


class Seen(NamedTuple):
    """What was seen since it was last asked."""

    longest_ms: float
    """That /livez took."""
    asked: int
    most_bytes: int
    """Resident, of all processes together."""
    bytes_now: int


class Watcher:
    """The process that watches."""

    def __init__(self, end: "Connection[None, Seen]") -> None:
        self._end = end

    def seen(self) -> Seen:
        """What it saw since the last time, or since it began."""
        self._end.send(None)
        return self._end.recv()


@contextmanager
def watching(url: str, pids: Sequence[int]) -> Iterator[Watcher]:
    """Watch a service while it lasts."""
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


def _watch(url: str, pids: Sequence[int], end: "Connection[Seen | None, None]") -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    longest_s, asked, most, now, next_look = 0.0, 0, 0, 0, 0.0
    end.send(None)
    while True:
        started = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        longest_s = max(longest_s, time.perf_counter() - started)
        asked += 1
        if started >= next_look:
            now = sum(map(_resident_bytes, pids))
            most = max(most, now)
            next_look = started + _MEMORY_INTERVAL_S
        if end.poll():
            end.recv()
            end.send(Seen(longest_s * 1e3, asked, most, now))
            longest_s, asked, most, next_look = 0.0, 0, 0, 0.0
        time.sleep(max(0.0, started + _INTERVAL_S - time.perf_counter()))


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * getpagesize()
    except (OSError, IndexError):
        return 0
