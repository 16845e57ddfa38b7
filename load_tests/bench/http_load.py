"""The HTTP load of the benchmarks: one request, repeated over kept connections in a closed loop.

Between an answer and the next request of a connection there may be a pause, of random length, so that the
load is less than what the service can answer.

``wrk`` generates it if it is installed. Otherwise a client on plain sockets does, which uses more of the
processor that it shares with the service.
"""

import asyncio
import json
import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from service.routes import BATCH, PREDICT

BODY = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'
BATCH_ROWS = 1_000

_SCRIPT = """
local file = io.open("{body}", "rb")
wrk.method = "{method}"
wrk.body = file:read("*a")
{headers}
file:close()
if {pause_ms} > 0 then
  delay = function() return -math.log(1 - math.random()) * {pause_ms} end
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %f %f\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99)))
  io.write(string.format("ERRORS %d\\n", errors.connect + errors.read + errors.write
    + errors.status + errors.timeout))
end
"""


class Work(NamedTuple):
    """The request that a load repeats."""

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    method: str = "POST"


class LoadResult(NamedTuple):
    """The figures of one load, or the medians of several."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    """Answers other than 200, and requests without an answer."""
    requests: int = 0

    @classmethod
    def medians(cls, rounds: Sequence[Self]) -> Self:
        """The median of each figure; the errors and requests of all rounds."""
        return cls(
            median(one.per_second for one in rounds),
            median(one.p50_ms for one in rounds),
            median(one.p99_ms for one in rounds),
            sum(one.errors for one in rounds),
            sum(one.requests for one in rounds),
        )


def iris_rows(count: int) -> bytes:
    """A batch of different rows within the observed ranges; the same rows at every call."""
    rng = random.Random(0)
    ranges = {
        "sepal_length": (4.3, 7.9),
        "sepal_width": (2.0, 4.4),
        "petal_length": (1.0, 6.9),
        "petal_width": (0.1, 2.5),
    }
    rows = [{name: round(rng.uniform(*ends), 1) for name, ends in ranges.items()} for _ in range(count)]
    return json.dumps({"instances": rows}, separators=(",", ":")).encode()


ONE_ROW = Work(PREDICT, BODY)
ROWS = Work(BATCH, iris_rows(BATCH_ROWS))


def generator() -> str:
    """The name of the load generator, with its version if it has one."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return "sockets"
    # wrk prints its usage after the version, and exits with 1.
    output = subprocess.run([wrk, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return " ".join(output.split()[:2])


def load(
    url: str, connections: int, seconds: float, work: Work = ONE_ROW, *, pause_s: float = 0.0
) -> LoadResult:
    """Load the service at that address; wrk rounds the seconds up to whole ones.

    ``pause_s`` is the mean of the pauses, which are exponentially distributed.
    """
    if shutil.which("wrk"):
        return _wrk(url, connections, seconds, work, pause_s)
    return asyncio.run(_sockets(url, connections, seconds, work, pause_s))


def _wrk(url: str, connections: int, seconds: float, work: Work, pause_s: float) -> LoadResult:
    with TemporaryDirectory(prefix="tabento-wrk-") as folder:
        script, body = Path(folder) / "post.lua", Path(folder) / "body"
        body.write_bytes(work.body)
        headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in work.headers)
        filled = _SCRIPT.replace("{method}", work.method).replace("{body}", str(body))
        filled = filled.replace("{pause_ms}", str(pause_s * 1e3))
        script.write_text(filled.replace("{headers}", headers))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{ceil(seconds)}s", "--timeout", "10s"]
        command += ["-s", str(script), f"{url}{work.path}"]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    result = re.search(r"RESULT (\d+) (\d+) (\S+) (\S+)\nERRORS (\d+)", output)
    if result is None:
        raise SystemExit(f"wrk printed no result that can be parsed:\n{output}")
    requests, duration_us, p50_us, p99_us, errors = map(float, result.groups())
    per_second = requests / duration_us * 1e6
    return LoadResult(per_second, p50_us / 1e3, p99_us / 1e3, int(errors), int(requests))


def request_bytes(url: str, work: Work) -> bytes:
    """The request as it is sent."""
    headers = [("Host", urlsplit(url).netloc), *work.headers, ("Content-Length", str(len(work.body)))]
    lines = [f"{work.method} {work.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + work.body


async def send_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send a request over a kept connection and read its answer; returns the status."""
    writer.write(request)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r")[0]))
    return int(answer.split(maxsplit=2)[1])


async def _sockets(url: str, connections: int, seconds: float, work: Work, pause_s: float) -> LoadResult:
    address = urlsplit(url)
    request = request_bytes(url, work)
    times_ms: list[float] = []

    async def repeat_request() -> int:
        errors = 0
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while perf_counter() < until:
            sent = perf_counter()
            errors += await send_request(reader, writer, request) != 200
            times_ms.append((perf_counter() - sent) * 1e3)
            if pause_s:
                await asyncio.sleep(random.expovariate(1 / pause_s))
        writer.close()
        return errors

    started = perf_counter()
    until = started + seconds
    errors = sum(await asyncio.gather(*(repeat_request() for _ in range(connections))))
    took_s = perf_counter() - started
    times_ms.sort()
    p50_ms, p99_ms = (times_ms[int(len(times_ms) * part)] for part in (0.5, 0.99))
    return LoadResult(len(times_ms) / took_s, p50_ms, p99_ms, errors, len(times_ms))
