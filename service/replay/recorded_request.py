"""Recorded requests become rows again, by the same reading and validation as when they were served.

The header of the Binary Tensor Data extension, which says where the JSON of a body ends, is not recorded. It
follows from the body: the raw tensors come last, and the JSON states their lengths.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from json import JSONDecoder
from typing import Any

from service.audit.columns import BodyValue
from service.audit.file.kept_body import body_bytes
from service.model.contract import Contract, Values
from service.native.messages import Messages
from service.oip import json_body
from service.oip.inputs import Inputs
from service.oip.outputs import Outputs
from service.oip.served_model import ServedNames
from service.routes import BATCH, PREDICT, is_v2
from service.system.steps import finish_at_once

_SPACES = " \t\r\n"


class RouteNotReplayable(Exception):
    """The record is of a route that this version does not know."""


class RequestReader:
    """Reads the recorded requests of one model."""

    def __init__(self, contract: Contract, names: ServedNames, max_batch_rows: int) -> None:
        self.messages = Messages(contract, max_batch_rows)
        """The native API's."""
        self._inputs = Inputs(contract, max_batch_rows)
        self._outputs = Outputs(contract)
        self._served = names

    def rows(self, transport: str, route: str, body: BodyValue) -> Sequence[Values]:
        """The rows of a recorded body; raises RequestError if it is refused, RouteNotReplayable."""
        content = body_bytes(body)
        if transport == "grpc":
            return finish_at_once(self._read_grpc(content))
        if route == PREDICT:
            return finish_at_once(self.messages.parse_row(content))
        if route == BATCH:
            return finish_at_once(self.messages.parse_batch(content))
        if is_v2(route):
            return self._v2_rows(content)
        raise RouteNotReplayable

    def _v2_rows(self, content: bytes) -> Sequence[Values]:
        end = json_end(content)
        members = finish_at_once(json_body.parse(content, end, self._inputs))
        json_body.id_of(members)
        raw = memoryview(content)[end:]
        return finish_at_once(json_body.read(members, raw, self._inputs, self._outputs)).rows

    @cached_property
    def _read_grpc(self) -> Callable[[bytes], Any]:
        # Imported here, because the import takes a quarter of a second and most logs do not need it.
        from service.grpc.infer_codec import GrpcCodec
        from service.wire.protocol import make_protocol

        return GrpcCodec(make_protocol(), self._inputs, self._outputs, self._served).rows_of


def json_end(content: bytes) -> int:
    """Where the JSON of a body ends, which raw tensors may follow; the body's end if it is not JSON."""
    # In Latin-1 a character is a byte, so the end of the JSON is an offset in bytes.
    text = content.decode("latin-1")
    try:
        message, end = JSONDecoder().raw_decode(text, len(text) - len(text.lstrip(_SPACES)))
        tensors = message["inputs"]
        sizes = [(tensor.get("parameters") or {}).get("binary_data_size", 0) for tensor in tensors]
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return len(content)
    raw_bytes = sum(size for size in sizes if type(size) is int and size > 0)
    return max(end, len(content) - raw_bytes) if raw_bytes else len(content)
