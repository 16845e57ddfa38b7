"""The protocol's messages as HTTP has them: JSON, and raw tensors behind it where they are asked for.

The Binary Tensor Data extension: a header says where the JSON ends; behind it lie the raw bytes of those
inputs that have ``binary_data_size`` instead of ``data``, in their order. Outputs are raw where they, or the
request for all of them, ask for it. JSON is taken with NaN, which it does not have, because clients write it
into FP tensors.
"""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from pydantic_core import from_json, to_json

from service.errors import BodyMalformed, HeaderInvalid, InferenceInvalid, Side, TensorInvalid
from service.inference.engine import Predictions
from service.inference.json_reader import PIECE_BYTES, JsonReader, refuse_byte_order_mark
from service.model.contract import Values as RowValues
from service.oip.inputs import Got, Inputs
from service.oip.long_body import parse_long
from service.oip.outputs import NAMES, Outputs, flag_parameters
from service.oip.served_model import ServedModel
from service.system.steps import Steps
from service.wire.tensors import Head, JsonPieces, Values, from_json_pieces, from_raw
from service.wire.tensors import from_json as values_from_json

HEADER = "Inference-Header-Content-Length"

_UNSERVED: dict[str, Side] = {"classification": "Output", "shared_memory_region": "Input"}
"""Parameters of extensions that would change what a tensor is, and what has them."""

_VALUES_A_STEP = 1_024
"""Values of a tensor, from which on the event loop serves others before the next tensor is read."""

_MOST_US = 2**64
"""No parameter of gRPC's is larger; and a number beyond 1e308 has no place in a float."""

Members = Mapping[str, object]


class InferRequest(NamedTuple):
    """What a body asks for."""

    rows: Sequence[RowValues]
    outputs: Sequence[str]
    binary: frozenset[str]
    """Those of the outputs that are to be raw."""
    timeout_s: float


def json_length(header: bytes | None, body: bytes) -> int:
    """Where the JSON of a body ends, as the header says; raises HeaderInvalid."""
    if header is None:
        return len(body)
    if not header.isdigit() or len(header) > 12 or int(header) > len(body):
        raise HeaderInvalid(HEADER, "the length of the JSON in the body, in bytes")
    return int(header)


def parse(
    body: bytes, end: int, inputs: Inputs, *, piece_bytes: int = PIECE_BYTES
) -> Members | Steps[Members]:
    """The members of a body whose JSON ends there, in steps where it is long.

    Raises BodyMalformed, InferenceInvalid, TooManyRows.
    """
    refuse_byte_order_mark(body)
    text = body[:end]
    if end > piece_bytes:
        return parse_long(JsonReader(text, allow_nan=True, piece_bytes=piece_bytes), inputs)
    try:
        members = from_json(text)
    except ValueError as error:
        raise BodyMalformed(str(error)) from error
    if not isinstance(members, dict):
        raise InferenceInvalid("it is no JSON object")
    return members


def id_of(members: Members) -> str:
    """The request's id, empty if it has none; raises InferenceInvalid."""
    id_ = members.get("id", "")
    if not isinstance(id_, str):
        raise InferenceInvalid("its id is not a string")
    return id_


def read(members: Members, raw: memoryview, inputs: Inputs, outputs: Outputs) -> Steps[InferRequest]:
    """The request of a body's members and of the bytes behind them; raises RequestError."""
    parameters = _members(members, "parameters", "request")
    all_binary = parameters.get("binary_data_output") is True
    names, binary = _outputs(members, outputs, all_binary)
    limit_s = timeout_s(parameters.get("timeout"))
    got = yield from _inputs(members, raw, inputs)
    rows = yield from inputs.rows(got)
    return InferRequest(rows, names, binary, limit_s)


def timeout_s(parameter: object) -> float:
    """The time that the request's parameter ``timeout``, in µs, gives it; 0 is none, as in Triton."""
    if parameter is None or parameter == 0:
        return float("inf")
    if type(parameter) is not int or not 0 <= parameter < _MOST_US:
        raise InferenceInvalid("its parameter timeout is not a number of microseconds")
    return parameter / 1e6


def write(
    request: InferRequest, predictions: Predictions, id_: str, model: ServedModel, outputs: Outputs
) -> tuple[bytes, int | None]:
    """The body that answers a request with an id, and where its JSON ends if there is more."""
    raws = []
    told = []
    for tensor in outputs.tensors(predictions, request.outputs):
        about: dict[str, object] = {
            "name": tensor.name,
            "datatype": tensor.datatype.name,
            "shape": tensor.shape,
        }
        if tensor.name in request.binary:
            raws.append(tensor.raw)
            about["parameters"] = {"binary_data_size": len(raws[-1])}
        else:
            about["data"] = tensor.values
        told.append(about)
    answer: dict[str, object] = {
        "model_name": model.name,
        "model_version": model.version,
        "id": id_,
        "outputs": told,
    }
    if predictions.flags.listed:
        answer["parameters"] = flag_parameters(predictions.flags)
    text = to_json(answer)
    return (b"".join((text, *raws)), len(text)) if raws else (text, None)


def _inputs(request: Members, raw: memoryview, inputs: Inputs) -> Steps[dict[str, Got]]:
    given = request.get("inputs")
    if not isinstance(given, list) or not given:
        raise InferenceInvalid("it has no list of inputs")
    got: dict[str, Got] = {}
    at = 0
    for each in given:
        if not isinstance(each, dict):
            raise InferenceInvalid("an input is no JSON object")
        head = inputs.head(each.get("name"), each.get("datatype"), each.get("shape"), got)
        size = _binary_size(head, each)
        if size is None:
            data = each.get("data")
            if isinstance(data, JsonPieces):
                values = yield from from_json_pieces(head, data)
            else:
                values = values_from_json(head, data)
        else:
            values, at = _raw_values(head, raw, at, size), at + size
        got[head.name] = Got(head, values)
        if len(values) >= _VALUES_A_STEP:
            yield
    if at != len(raw):
        raise InferenceInvalid(f"{len(raw) - at} bytes behind its JSON belong to no input")
    return got


def _binary_size(head: Head, given: Members) -> int | None:
    parameters = given.get("parameters")
    if not parameters:
        return None
    if not isinstance(parameters, dict):
        head.refuse("has parameters that are no JSON object")
    refuse_unserved(head.name, parameters)
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        head.refuse("has a binary_data_size that is not a number of bytes")
    if "data" in given:
        head.refuse("has both data and a binary_data_size")
    return size


def _raw_values(head: Head, raw: memoryview, at: int, size: int) -> Values:
    if size > len(raw) - at:
        head.refuse(f"has a binary_data_size of {size}, but {len(raw) - at} bytes are left behind the JSON")
    return from_raw(head, raw[at : at + size])


def _outputs(request: Members, outputs: Outputs, all_binary: bool) -> tuple[Sequence[str], frozenset[str]]:
    asked = request.get("outputs")
    if asked is None or asked == []:
        return NAMES, frozenset(NAMES) if all_binary else frozenset()
    if not isinstance(asked, list):
        raise InferenceInvalid("its outputs are no list")
    names: list[str] = []
    binary: list[str] = []
    for each in asked:
        if not isinstance(each, dict):
            raise InferenceInvalid("an output is no JSON object")
        names.append(outputs.check(each.get("name"), names))
        parameters = _members(each, "parameters", f"output {names[-1]}")
        refuse_unserved(names[-1], parameters)
        if parameters.get("binary_data", all_binary) is True:
            binary.append(names[-1])
    return names, frozenset(binary)


def _members(of: Members, name: str, whose: str) -> Members:
    members = of.get(name)
    if members is None:
        return {}
    if not isinstance(members, dict):
        raise InferenceInvalid(f"the {name} of the {whose} are no JSON object")
    return members


def refuse_unserved(tensor: str, parameters: Container[str]) -> None:
    """Raise TensorInvalid where a tensor's parameters ask for what is not served."""
    for name, side in _UNSERVED.items():
        if name in parameters:
            raise TensorInvalid(tensor, f"has the parameter {name}, which is not served", side=side)
