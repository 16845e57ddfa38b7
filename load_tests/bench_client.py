"""The load of the benchmarks: one row a request, over kept connections, as fast as they are answered.

``wrk`` puts it on where it is installed; otherwise a client of bare sockets does, which takes more of the
processor away from the service.
"""

import asyncio
import re
import shutil
import subprocess
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlsplit

BODY = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'

_SCRIPT = f"""
wrk.method = "POST"
wrk.body = '{BODY.decode()}'
wrk.headers["Content-Type"] = "application/json"
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %f %f\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99)))
  io.write(string.format("ERRORS %d\\n", errors.connect + errors.read + errors.write
    + errors.status + errors.timeout))
end
"""


class Measured(NamedTuple):
    """What one load found."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def generator() -> str:
    """The name of what puts on the load."""
    return "wrk" if shutil.which("wrk") else "sockets"


def load(url: str, connections: int, seconds: float) -> Measured:
    """Load the service at that address."""
    if generator() == "wrk":
        return _wrk(url, connections, seconds)
    return asyncio.run(_sockets(url, connections, seconds))


def _wrk(url: str, connections: int, seconds: float) -> Measured:
    with TemporaryDirectory(prefix="tabento-wrk-") as folder:
        script = Path(folder) / "post.lua"
        script.write_text(_SCRIPT)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{ceil(seconds)}s", "--timeout", "10s"]
        command += ["-s", str(script), f"{url}/predict"]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    result = re.search(r"RESULT (\d+) (\d+) (\S+) (\S+)\nERRORS (\d+)", output)
    if result is None:
        raise SystemExit(f"wrk said what is not understood:\n{output}")
    requests, duration_us, p50_us, p99_us, errors = map(float, result.groups())
    return Measured(requests / duration_us * 1e6, p50_us / 1e3, p99_us / 1e3, int(errors))


async def _sockets(url: str, connections: int, seconds: float) -> Measured:
    address = urlsplit(url)
    head = f"POST /predict HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    times_ms: list[float] = []

    async def ask() -> int:
        errors = 0
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while perf_counter() < until:
            sent = perf_counter()
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r")[0]))
            times_ms.append((perf_counter() - sent) * 1e3)
            errors += not answer.startswith(b"http/1.1 200")
        writer.close()
        return errors

    started = perf_counter()
    until = started + seconds
    errors = sum(await asyncio.gather(*(ask() for _ in range(connections))))
    took_s = perf_counter() - started
    times_ms.sort()
    p50_ms, p99_ms = (times_ms[int(len(times_ms) * part)] for part in (0.5, 0.99))
    return Measured(len(times_ms) / took_s, p50_ms, p99_ms, errors)
