"""Server reflection, asked in its own bytes: the clients' environment has no package for it."""

from typing import Any

import grpc


def file_of(address: str, symbol: str) -> bytes:
    """The serialized descriptor of the file that has a symbol."""
    # ServerReflectionRequest has file_containing_symbol as its field 4, ServerReflectionResponse has
    # file_descriptor_response as its field 4, and that the files as its field 1.
    request = bytes([4 << 3 | 2, len(symbol)]) + symbol.encode()
    with grpc.insecure_channel(address) as channel:
        ask: Any = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        (response,) = ask(iter([request]), timeout=60)
    return _field(_field(response, 4), 1)


def _field(message: bytes, number: int) -> bytes:
    """The first field of that number, which has a length."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        assert key & 7 == 2
        size, at = _varint(message, at)
        if key >> 3 == number:
            return message[at : at + size]
        at += size
    raise KeyError(number)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
