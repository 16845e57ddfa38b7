"""The gRPC load of the benchmarks: one call of ModelInfer again and again, over kept connections.

nghttp2's ``h2load`` puts it on where it is installed: in HTTP/2, a unary call is a POST of a framed message.
It takes no notice of trailers, where gRPC has its status, but a call that failed has no message: the bytes
that are missing tell how many did. Otherwise gRPC's own client does, which takes as much of the processor as
a server in Python, and so finds its own limit as often as the server's.
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import grpc

from load_tests.bench.http_load import Measured
from load_tests.users.infer_messages import INFER

_CALL_TIMEOUT_S = 10
_SAMPLE_TRIES = 3
_RESULT = re.compile(
    r"finished in [\d.]+m?s, (?P<per_second>[\d.]+) req/s.*"
    r"requests: .*, (?P<done>\d+) done,.*"
    r"traffic: .*\((?P<data_bytes>\d+)\) data",
    re.DOTALL,
)


class Call(NamedTuple):
    """The call that a load repeats."""

    request: bytes
    """A ModelInferRequest."""


def generator() -> str:
    """The name of what puts on the load, with its version where it has one."""
    h2load = shutil.which("h2load")
    if h2load is None:
        return "grpc.aio"
    return subprocess.run([h2load, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def call_once(address: str, call: Call) -> bytes:
    """The ModelInferResponse to the call; raises grpc.RpcError."""
    with grpc.insecure_channel(address) as channel:
        return channel.unary_unary(INFER, bytes, bytes)(call.request, timeout=_CALL_TIMEOUT_S)


def load_grpc(address: str, connections: int, seconds: float, call: Call) -> Measured:
    """Load the service at that address; raises grpc.RpcError where not even a single call is answered."""
    answer = _sample(address, call)
    if shutil.which("h2load"):
        return _h2load(address, connections, seconds, call, len(answer))
    return asyncio.run(_channels(address, connections, seconds, call))


def _h2load(address: str, connections: int, seconds: float, call: Call, answer_bytes: int) -> Measured:
    with TemporaryDirectory(prefix="tabento-h2load-") as folder:
        frame, log = Path(folder) / "frame", Path(folder) / "log"
        frame.write_bytes(_framed(call.request))
        command = ["h2load", f"--clients={connections}", "--max-concurrent-streams=1"]
        command += [f"--duration={round(seconds * 1e3)}ms", f"--data={frame}", f"--log-file={log}"]
        command += ["--header=content-type: application/grpc", "--header=te: trailers"]
        command += [f"--connection-inactivity-timeout={_CALL_TIMEOUT_S}s", f"http://{address}{INFER}"]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        times_ms = [int(line.split("\t")[2]) / 1e3 for line in log.read_text().splitlines()]
    result = _RESULT.search(output)
    if result is None:
        raise SystemExit(f"h2load said what is not understood:\n{output}")
    after = _sample(address, call)  # h2load does not tell that a server went away, either
    if len(after) != answer_bytes:
        raise SystemExit(
            f"{answer_bytes} and {len(after)} bytes answer the same call: failures cannot be told"
        )
    # Those that were under way at the end may have had their message; they are not done.
    answered = min(int(result["done"]), int(result["data_bytes"]) // len(_framed(after)))
    return _measured(times_ms, float(result["per_second"]), int(result["done"]) - answered)


def _sample(address: str, call: Call) -> bytes:
    for _ in range(_SAMPLE_TRIES - 1):
        # A server that was loaded until now may refuse another call.
        with suppress(grpc.RpcError):
            return call_once(address, call)
    return call_once(address, call)


def _framed(message: bytes) -> bytes:
    """A message as gRPC sends it: whether it is compressed, its length, itself."""
    return b"\0" + len(message).to_bytes(4, "big") + message


async def _channels(address: str, connections: int, seconds: float, call: Call) -> Measured:
    times_ms: list[float] = []

    async def call_on() -> int:
        errors = 0
        # Channels to the same address share a connection otherwise.
        async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            infer = channel.unary_unary(INFER, bytes, bytes)
            while perf_counter() < until:
                sent = perf_counter()
                try:
                    await infer(call.request, timeout=_CALL_TIMEOUT_S)
                except grpc.RpcError:
                    errors += 1
                times_ms.append((perf_counter() - sent) * 1e3)
        return errors

    started = perf_counter()
    until = started + seconds
    errors = sum(await asyncio.gather(*(call_on() for _ in range(connections))))
    return _measured(times_ms, len(times_ms) / (perf_counter() - started), errors)


def _measured(times_ms: Sequence[float], per_second: float, errors: int) -> Measured:
    if not times_ms:
        raise SystemExit("no call of the load was answered")
    ordered = sorted(times_ms)
    p50_ms, p99_ms = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    return Measured(per_second, p50_ms, p99_ms, errors)
