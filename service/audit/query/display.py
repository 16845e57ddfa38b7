"""Recorded messages of the Open Inference Protocol as JSON, in whatever form they were sent.

The log holds every message as it was sent, because the hash chain proves exactly that: protobuf over gRPC, or
raw tensors after the JSON over HTTP. Here both become the JSON of the protocol. A message that cannot be
read, such as the beginning of one that was refused, is displayed as its bytes.
"""

from functools import lru_cache
from json import JSONDecoder
from math import prod
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue
from pydantic_core import from_json

from service.routes import is_v2
from service.wire.datatypes import DATATYPES
from service.wire.tensors import Head, from_raw

if TYPE_CHECKING:
    from service.wire.protocol import Protocol

_ABOUT = ("model_name", "model_version", "id")


def display_message(transport: str, route: str, body: bytes, *, is_request: bool) -> JsonValue:
    """A message of the protocol as JSON; None for any other body, and for a message that is plain JSON."""
    if not body:  # It was redacted.
        return None
    try:
        if transport == "grpc":
            return _of_grpc(body, "input" if is_request else "output")
        if is_v2(route):
            return _of_http(body, "inputs" if is_request else "outputs")
    except Exception:
        # A client can have anything recorded: values nested deeper than Python's stack, numbers with too many
        # digits, values of unexpected types. Readers of the log must not fail on them.
        return None
    return None


@lru_cache
def _protocol() -> "Protocol":
    # Imported here, because most logs do not need it.
    from service.wire.protocol import make_protocol

    return make_protocol()


def _of_grpc(body: bytes, side: str) -> JsonValue:
    kind = _protocol().messages["ModelInferRequest" if side == "input" else "ModelInferResponse"]
    message = kind.FromString(body)
    raws = getattr(message, f"raw_{side}_contents")
    tensors: list[JsonValue] = [
        _tensor(tensor, raws[place] if raws else None)
        for place, tensor in enumerate(getattr(message, f"{side}s"))
    ]
    about: dict[str, JsonValue] = {name: text for name in _ABOUT if (text := getattr(message, name))}
    return {**about, f"{side}s": tensors}


def _tensor(tensor: Any, raw: bytes | None) -> dict[str, JsonValue]:
    if raw is None:
        # At most one field has values.
        contents = [values for _, values in tensor.contents.ListFields()]
        data = [_plain(value) for values in contents for value in values]
    else:
        data = _data(tensor.name, tensor.datatype, [*tensor.shape], raw)
    shape: list[JsonValue] = [*tensor.shape]
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": shape, "data": data}


def _of_http(body: bytes, side: str) -> JsonValue:
    # In Latin-1 a character is a byte, so the end of the JSON is an offset in bytes.
    _, end = JSONDecoder().raw_decode(body.decode("latin-1"))
    if end == len(body):
        return None
    message = from_json(body[:end])
    for tensor in message[side]:
        size = (tensor.get("parameters") or {}).get("binary_data_size")
        if size is not None:
            raw, end = body[end : end + size], end + size
            tensor["data"] = _data(tensor["name"], tensor["datatype"], tensor["shape"], raw)
    displayed: JsonValue = message
    return displayed if end == len(body) else None


def _data(name: str, datatype: str, shape: list[int], raw: bytes) -> list[JsonValue]:
    head = Head(name, DATATYPES[datatype], shape, shape[0], prod(shape), is_double=False)
    return [_plain(value) for value in from_raw(head, raw)]


def _plain(value: Any) -> JsonValue:
    """A value as JSON: bytes as text, NaN as null."""
    if isinstance(value, bytes):
        return value.decode()
    return None if value != value else value
