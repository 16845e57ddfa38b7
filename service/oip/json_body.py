"""The protocol's messages over HTTP: JSON, optionally followed by raw tensors.

In the Binary Tensor Data extension, a header states where the JSON ends. After it come the raw bytes of the
inputs that have ``binary_data_size`` instead of ``data``, in their order. Outputs are raw if their own
parameters, or the request's, ask for it. NaN is accepted although JSON does not have it, because clients
write it into FP tensors.
"""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from pydantic_core import from_json, to_json

from service.errors import BodyMalformed, HeaderInvalid, InferenceInvalid, Side, TensorInvalid
from service.inference.engine import Predictions
from service.inference.json_reader import PIECE_BYTES, JsonReader, refuse_byte_order_mark
from service.model.contract import Values as RowValues
from service.model.model_id import ModelIdentity
from service.oip.inputs import Got, Inputs
from service.oip.long_body import parse_long
from service.oip.outputs import MODEL_ID, NAMES, Outputs, flag_parameters
from service.system.steps import Steps
from service.wire.tensors import Head, JsonPieces, Values, from_json_pieces, from_raw
from service.wire.tensors import from_json as values_from_json

HEADER = "Inference-Header-Content-Length"

_UNSERVED: dict[str, Side] = {"classification": "Output", "shared_memory_region": "Input"}
"""Parameters of extensions that would change a tensor's meaning, and the tensors that have them."""

_VALUES_A_STEP = 1_024
"""After a tensor with so many values, the event loop serves others before the next tensor is read."""

_MAX_US = 2**64
"""The largest parameter of gRPC; a number beyond 1e308 would also overflow a float."""

Members = Mapping[str, object]


class InferRequest(NamedTuple):
    """The request that a body contains."""

    rows: Sequence[RowValues]
    outputs: Sequence[str]
    binary: frozenset[str]
    """The outputs that the answer has as raw bytes."""
    timeout_s: float


def json_length(header: bytes | None, body: bytes) -> int:
    """The length of a body's JSON, as the header states; raises HeaderInvalid."""
    if header is None:
        return len(body)
    if not header.isdigit() or len(header) > 12 or int(header) > len(body):
        raise HeaderInvalid(HEADER, "the length of the JSON in the body, in bytes")
    return int(header)


def parse(
    body: bytes, end: int, inputs: Inputs, *, piece_bytes: int = PIECE_BYTES
) -> Members | Steps[Members]:
    """The members of a body whose JSON ends at ``end``, in steps if it is long.

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
        raise InferenceInvalid("it is not a JSON object")
    return members


def id_of(members: Members) -> str:
    """The request's id, empty if it has none; raises InferenceInvalid."""
    id_ = members.get("id", "")
    if not isinstance(id_, str):
        raise InferenceInvalid("its id is not a string")
    return id_


def read(members: Members, raw: memoryview, inputs: Inputs, outputs: Outputs) -> Steps[InferRequest]:
    """The request from a body's members and the bytes after them; raises RequestError."""
    parameters = _members(members, "parameters", "request")
    all_binary = parameters.get("binary_data_output") is True
    names, binary = _outputs(members, outputs, all_binary)
    limit_s = timeout_s(parameters.get("timeout"))
    got = yield from _inputs(members, raw, inputs)
    rows = yield from inputs.rows(got)
    return InferRequest(rows, names, binary, limit_s)


def timeout_s(parameter: object) -> float:
    """The time limit of the request's parameter ``timeout``, in µs; 0 is no limit, as in Triton."""
    if parameter is None or parameter == 0:
        return float("inf")
    if type(parameter) is not int or not 0 <= parameter < _MAX_US:
        raise InferenceInvalid("its parameter timeout is not a number of microseconds")
    return parameter / 1e6


def write(
    request: InferRequest,
    predictions: Predictions,
    id_: str,
    name: str,
    model: ModelIdentity,
    outputs: Outputs,
) -> tuple[bytes, int | None]:
    """The body of the answer, and the length of its JSON if raw tensors follow it."""
    raws = []
    tensors = []
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
        tensors.append(about)
    answer: dict[str, object] = {
        "model_name": name,
        "model_version": model.model_version,
        "id": id_,
        "outputs": tensors,
    }
    parameters: dict[str, object] = {MODEL_ID: model.model_id}
    if predictions.flags.listed:
        parameters |= flag_parameters(predictions.flags)
    answer["parameters"] = parameters
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
            raise InferenceInvalid("an input is not a JSON object")
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
        raise InferenceInvalid(f"{len(raw) - at} bytes after its JSON belong to no input")
    return got


def _binary_size(head: Head, given: Members) -> int | None:
    parameters = given.get("parameters")
    if not parameters:
        return None
    if not isinstance(parameters, dict):
        head.refuse("has parameters that are not a JSON object")
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
        head.refuse(f"has a binary_data_size of {size}, but {len(raw) - at} bytes are left after the JSON")
    return from_raw(head, raw[at : at + size])


def _outputs(request: Members, outputs: Outputs, all_binary: bool) -> tuple[Sequence[str], frozenset[str]]:
    requested = request.get("outputs")
    if requested is None or requested == []:
        return NAMES, frozenset(NAMES) if all_binary else frozenset()
    if not isinstance(requested, list):
        raise InferenceInvalid("its outputs are not a list")
    names: list[str] = []
    binary: list[str] = []
    for each in requested:
        if not isinstance(each, dict):
            raise InferenceInvalid("an output is not a JSON object")
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
        raise InferenceInvalid(f"the {name} of the {whose} are not a JSON object")
    return members


def refuse_unserved(tensor: str, parameters: Container[str]) -> None:
    """Raise TensorInvalid if a tensor has a parameter of an extension that is not supported."""
    for name, side in _UNSERVED.items():
        if name in parameters:
            raise TensorInvalid(tensor, f"has the parameter {name}, which is not supported", side=side)
