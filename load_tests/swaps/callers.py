"""The load: clients over HTTP and gRPC that send one row as fast as they are answered, and keep every answer.

The row is always the same, so each model answers it with probabilities of its own.
"""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from struct import unpack
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import grpc

from load_tests.bench.http_load import BODY
from load_tests.bench.infer_requests import one_tensor_call
from load_tests.users.infer_messages import INFER, ModelInferRequest, ModelInferResponse
from service.oip.outputs import MODEL_ID

_CALL = one_tensor_call()
_CALLS_A_CONNECTION = 200
"""A new connection goes to any worker; the first ones all go to the worker that is ready first."""
_PAUSE_S = 0.02
"""After a connection was lost, which is how the client of a killed worker sees it."""
_TIMEOUT_S = 30.0


class Answer(NamedTuple):
    """What a client got."""

    model_id: str
    probabilities: tuple[float, ...]


class Callers:
    """The clients of one service. It belongs to one event loop."""

    def __init__(self, url: str, grpc_address: str) -> None:
        self._address = urlsplit(url)
        self._grpc_address = grpc_address
        self.answers: dict[str, Answer] = {}
        """By request id."""
        self.refused: Counter[str] = Counter()
        """Answers that are no predictions, by status: there should be none."""
        self.lost = 0
        """Requests whose connection ended before their answer, as a kill does it; they were sent again."""
        self.longest_s = 0.0
        self.resident_mb: list[float] = []
        """Of the workers, after the first swaps and at the end."""
        self._until = float("inf")

    async def call(self, http_clients: int, grpc_clients: int) -> None:
        """Call until ``stop``."""
        http = [self._over_http() for _ in range(http_clients)]
        await asyncio.gather(*http, *(self._over_grpc() for _ in range(grpc_clients)))

    def stop(self) -> None:
        """Send no more."""
        self._until = 0.0

    async def _over_http(self) -> None:
        while monotonic() < self._until:
            with suppress(OSError, EOFError):
                await self._over_connection()
                continue
            self.lost += 1
            await asyncio.sleep(_PAUSE_S)

    async def _over_connection(self) -> None:
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        try:
            for _ in range(_CALLS_A_CONNECTION):
                if monotonic() >= self._until:
                    return
                request_id = uuid4().hex
                head = (
                    f"POST /predict HTTP/1.1\r\nHost: {self._address.netloc}\r\n"
                    f"X-Request-ID: {request_id}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
                )
                sent = monotonic()
                writer.write(head.encode() + BODY)
                headers = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(headers.partition(b"content-length: ")[2].partition(b"\r")[0])
                content = json.loads(await reader.readexactly(length))
                self._keep(request_id, int(headers.split(maxsplit=2)[1]), content, monotonic() - sent)
                if b"connection: close" in headers:
                    return
        finally:
            writer.close()

    def _keep(self, request_id: str, status: int, content: dict[str, Any], seconds: float) -> None:
        self.longest_s = max(self.longest_s, seconds)
        if status == 200:
            (probabilities,) = content["probabilities"]
            self.answers[request_id] = Answer(content["model_id"], tuple(probabilities))
        else:
            self.refused[f"HTTP {status}"] += 1

    async def _over_grpc(self) -> None:
        options = (("grpc.use_local_subchannel_pool", 1),)
        while monotonic() < self._until:
            async with grpc.aio.insecure_channel(self._grpc_address, options=options) as channel:
                infer = channel.unary_unary(INFER, bytes, bytes)
                try:
                    for _ in range(_CALLS_A_CONNECTION):
                        request_id, sent = uuid4().hex, monotonic()
                        # Concatenated messages are one message.
                        request = ModelInferRequest(id=request_id).SerializeToString() + _CALL.request
                        content = await infer(request, timeout=_TIMEOUT_S)
                        self.longest_s = max(self.longest_s, monotonic() - sent)
                        self.answers[request_id] = _answer(content)
                except grpc.aio.AioRpcError as error:
                    if error.code() is grpc.StatusCode.UNAVAILABLE:
                        self.lost += 1
                    else:
                        self.refused[f"gRPC {error.code().name}"] += 1
                    await asyncio.sleep(_PAUSE_S)


def _answer(content: bytes) -> Answer:
    response = ModelInferResponse.FromString(content)
    raw = response.raw_output_contents[-1]
    return Answer(response.parameters[MODEL_ID].string_param, unpack(f"<{len(raw) // 8}d", raw))
