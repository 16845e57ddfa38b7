"""How long after an overload a service is back to normal, found out with a few light requests.

Normal is what the same light requests took before: a window of time is normal in which each was answered
with 200 and their p99 is at most twice that of before, or 10 ms more where twice is less.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import urlsplit

from load_tests.bench.http_load import ONE_ROW, ask, request_bytes
from load_tests.overload.histogram import Histogram

WINDOW_S = 0.25
_CONNECTIONS = 4
_REST_S = 0.005
_TIMEOUT_S = 5
_LEAST_SLACK_MS = 10


class Light(NamedTuple):
    """One light request."""

    moment_s: float
    """When it was sent, from the first on."""
    time_ms: float
    answered: bool
    """With 200."""


async def ask_lightly(url: str, seconds: float) -> list[Light]:
    """Ask over a few connections for so long, each resting between one answer and the next request."""
    found: list[Light] = []
    address, request = urlsplit(url), request_bytes(url, ONE_ROW)
    started = time.monotonic()

    async def ask_until_it_fails() -> None:
        writer, sent = None, time.monotonic()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
            while (sent := time.monotonic()) < started + seconds:
                async with asyncio.timeout(_TIMEOUT_S):
                    status = await ask(reader, writer, request)
                found.append(Light(sent - started, (time.monotonic() - sent) * 1e3, status == 200))
                await asyncio.sleep(_REST_S)
        except (OSError, EOFError):
            # A TimeoutError is an OSError too.
            found.append(Light(sent - started, (time.monotonic() - sent) * 1e3, answered=False))
            await asyncio.sleep(_REST_S)
        finally:
            if writer is not None:
                writer.close()

    async def keep_asking() -> None:
        while time.monotonic() < started + seconds:
            await ask_until_it_fails()

    await asyncio.gather(*(keep_asking() for _ in range(_CONNECTIONS)))
    return sorted(found)


def p99_ms(lights: Sequence[Light]) -> float | None:
    """Of their times."""
    times = Histogram()
    for light in lights:
        times.add(light.time_ms)
    return times.percentile_ms(99)


def recovery_s(before: Sequence[Light], after: Sequence[Light]) -> float | None:
    """Seconds after which two windows in a row were normal; None where it never came to that."""
    normal_ms = p99_ms(before)
    if normal_ms is None or not after:
        return None
    limit_ms = max(normal_ms * 2, normal_ms + _LEAST_SLACK_MS)
    windows: list[list[Light]] = [[] for _ in range(int(after[-1].moment_s / WINDOW_S) + 1)]
    for light in after:
        windows[int(light.moment_s / WINDOW_S)].append(light)
    normal = [_is_normal(window, limit_ms) for window in windows]
    for number, pair in enumerate(pairwise(normal)):
        if all(pair):
            return number * WINDOW_S
    return None


def _is_normal(window: Sequence[Light], limit_ms: float) -> bool:
    longest_ms = p99_ms(window)
    return longest_ms is not None and longest_ms <= limit_ms and all(light.answered for light in window)
