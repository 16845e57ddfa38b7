"""The gRPC load of the benchmarks: one call of ModelInfer, repeated over kept connections.

nghttp2's ``h2load`` generates it if it is installed: in HTTP/2, a unary call is a POST of a framed message.
h2load ignores trailers, which hold gRPC's status. But a failed call has no message, so the missing bytes show
how many calls failed. Without h2load, gRPC's own client generates the load. It uses as much of the processor
as a server in Python, and so often measures its own limit instead of the server's.
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

from load_tests.bench.http_load import LoadResult
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
    """The name of the load generator, with its version if it has one."""
    h2load = shutil.which("h2load")
    if h2load is None:
        return "grpc.aio"
    return subprocess.run([h2load, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def call_once(address: str, call: Call) -> bytes:
    """The ModelInferResponse to the call; raises grpc.RpcError."""
    with grpc.insecure_channel(address) as channel:
        return channel.unary_unary(INFER, bytes, bytes)(call.request, timeout=_CALL_TIMEOUT_S)


def load_grpc(address: str, connections: int, seconds: float, call: Call) -> LoadResult:
    """Load the service at that address; raises grpc.RpcError if it does not answer a single call."""
    answer = _sample(address, call)
    if shutil.which("h2load"):
        return _h2load(address, connections, seconds, call, len(answer))
    return asyncio.run(_channels(address, connections, seconds, call))


def _h2load(address: str, connections: int, seconds: float, call: Call, answer_bytes: int) -> LoadResult:
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
        raise SystemExit(f"h2load printed no result that can be parsed:\n{output}")
    after = _sample(address, call)  # h2load does not report that a server has ended, either.
    if len(after) != answer_bytes:
        raise SystemExit(
            f"The same call got {answer_bytes} and then {len(after)} bytes, so failures cannot be counted."
        )
    # Calls in progress at the end may have received their message without being counted as done.
    answered = min(int(result["done"]), int(result["data_bytes"]) // len(_framed(after)))
    return _measured(times_ms, float(result["per_second"]), int(result["done"]) - answered)


def _sample(address: str, call: Call) -> bytes:
    for _ in range(_SAMPLE_TRIES - 1):
        # A server that is still busy with the load may refuse another call.
        with suppress(grpc.RpcError):
            return call_once(address, call)
    return call_once(address, call)


def _framed(message: bytes) -> bytes:
    """A message as gRPC sends it: a byte for compression, the length, the message."""
    return b"\0" + len(message).to_bytes(4, "big") + message


async def _channels(address: str, connections: int, seconds: float, call: Call) -> LoadResult:
    times_ms: list[float] = []

    async def repeat_call() -> int:
        errors = 0
        # Otherwise channels to the same address share a connection.
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
    errors = sum(await asyncio.gather(*(repeat_call() for _ in range(connections))))
    return _measured(times_ms, len(times_ms) / (perf_counter() - started), errors)


def _measured(times_ms: Sequence[float], per_second: float, errors: int) -> LoadResult:
    if not times_ms:
        raise SystemExit("The server answered no call of the load.")
    ordered = sorted(times_ms)
    p50_ms, p99_ms = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    return LoadResult(per_second, p50_ms, p99_ms, errors)
