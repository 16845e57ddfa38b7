"""The time that a service takes to return to normal after an overload, measured with a light load.

A window of time is normal if every request of the light load was answered with 200 and their p99 is at most
twice that before the overload, or 10 ms more if that is larger.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import urlsplit

from load_tests.bench.http_load import ONE_ROW, request_bytes, send_request
from load_tests.overload.histogram import Histogram

WINDOW_S = 0.25
_CONNECTIONS = 4
_REST_S = 0.005
_TIMEOUT_S = 5
_MIN_SLACK_MS = 10


class LightRequest(NamedTuple):
    """One request of the light load."""

    moment_s: float
    """When it was sent, counted from the start."""
    time_ms: float
    answered: bool
    """With 200."""


async def send_light_load(url: str, seconds: float) -> list[LightRequest]:
    """Send requests over a few connections for so long, with a pause after each answer."""
    found: list[LightRequest] = []
    address, request = urlsplit(url), request_bytes(url, ONE_ROW)
    started = time.monotonic()

    async def send_until_failure() -> None:
        writer, sent = None, time.monotonic()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
            while (sent := time.monotonic()) < started + seconds:
                async with asyncio.timeout(_TIMEOUT_S):
                    status = await send_request(reader, writer, request)
                found.append(LightRequest(sent - started, (time.monotonic() - sent) * 1e3, status == 200))
                await asyncio.sleep(_REST_S)
        except (OSError, EOFError):
            # TimeoutError is an OSError, too.
            found.append(LightRequest(sent - started, (time.monotonic() - sent) * 1e3, answered=False))
            await asyncio.sleep(_REST_S)
        finally:
            if writer is not None:
                writer.close()

    async def keep_sending() -> None:
        while time.monotonic() < started + seconds:
            await send_until_failure()

    await asyncio.gather(*(keep_sending() for _ in range(_CONNECTIONS)))
    return sorted(found)


def p99_ms(requests: Sequence[LightRequest]) -> float | None:
    """The 99th percentile of their times; None if there are none."""
    times = Histogram()
    for request in requests:
        times.add(request.time_ms)
    return times.percentile_ms(99)


def recovery_s(before: Sequence[LightRequest], after: Sequence[LightRequest]) -> float | None:
    """Seconds until two consecutive windows were normal; None if there were none."""
    normal_ms = p99_ms(before)
    if normal_ms is None or not after:
        return None
    limit_ms = max(normal_ms * 2, normal_ms + _MIN_SLACK_MS)
    windows: list[list[LightRequest]] = [[] for _ in range(int(after[-1].moment_s / WINDOW_S) + 1)]
    for request in after:
        windows[int(request.moment_s / WINDOW_S)].append(request)
    normal = [_is_normal(window, limit_ms) for window in windows]
    for number, pair in enumerate(pairwise(normal)):
        if all(pair):
            return number * WINDOW_S
    return None


def _is_normal(window: Sequence[LightRequest], limit_ms: float) -> bool:
    longest_ms = p99_ms(window)
    return longest_ms is not None and longest_ms <= limit_ms and all(request.answered for request in window)
