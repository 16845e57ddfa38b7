"""A call's deadline is the client's, however long the call stood in line."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import grpc

from service.grpc.grpc_request import Context, GrpcRequest


def test_a_deadline_does_not_shrink_while_the_call_waits() -> None:
    left: list[float] = []

    async def serve(messages: AsyncIterator[bytes], context: Context) -> bytes:
        call = GrpcRequest("/s/m", context)
        await asyncio.sleep(1.2)
        left.append(call.deadline(3_600_000) - monotonic() - context.time_remaining())
        return await anext(messages)

    async def run() -> None:
        server = grpc.aio.server()
        handlers: dict[str, Any] = {"m": grpc.stream_unary_rpc_method_handler(serve)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: Any = channel.unary_unary("/s/m")
            assert await call(b"a", timeout=60) == b"a"
        await server.stop(None)

    asyncio.run(run())
    # The service and the client have the same time left. The service had 1.2 s less.
    assert abs(left[0]) < 0.6
