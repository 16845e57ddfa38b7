"""The JSON of a long inference request, read piece by piece.

The values of a tensor are read in pieces of their list, up to the number that the tensor may have. All other
members of the protocol are short. Unknown members are skipped, if they are short.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from service.errors import InferenceInvalid
from service.inference.json_reader import JsonReader, PieceTooLong
from service.oip.inputs import Inputs
from service.system.steps import Steps
from service.wire.tensors import JsonPieces

_ITEMS_A_STEP = 4_000
"""The number of values that one step reads one by one."""
_MEMBERS = 64
"""The maximum number of members of a request or of a tensor, known or unknown."""
_KNOWN = frozenset({"name", "datatype", "shape", "parameters"})
_MEMBER_BYTES = 64 * 1024
"""The maximum length of a member other than data and inputs."""
_DATA = "data"
_VALUE_TYPES = frozenset({float, int, str, bool, type(None)})


def parse_long(reader: JsonReader, inputs: Inputs) -> Steps[Mapping[str, object]]:
    """The members of a request; raises BodyMalformed, InferenceInvalid."""
    try:
        if reader.peek() != b"{":
            reader.value()
            raise InferenceInvalid("it is not a JSON object")
        members: dict[str, object] = {}
        for count, name in enumerate(reader.members()):
            if count == _MEMBERS:
                raise InferenceInvalid(f"it has more than {_MEMBERS} members")
            if name == "inputs" and reader.peek() == b"[":
                members[name] = yield from _tensors(reader, inputs)
            else:
                members[name] = reader.value(_MEMBER_BYTES)
                yield
        reader.end()
    except PieceTooLong:
        raise InferenceInvalid(
            "it has a member other than data over 64 KiB, or a text that is over 128 KiB or not closed"
        ) from None
    return members


def _tensors(reader: JsonReader, inputs: Inputs) -> Steps[list[object]]:
    reader.expect(b"[")
    tensors: list[object] = []
    if reader.take(b"]"):
        return tensors
    while True:
        if len(tensors) > inputs.most_tensors:
            raise InferenceInvalid(f"it has more than {inputs.most_tensors} inputs")
        tensors.append(
            (yield from _tensor(reader, inputs)) if reader.peek() == b"{" else reader.value(_MEMBER_BYTES)
        )
        yield
        if reader.take(b"]"):
            return tensors
        reader.expect(b",")


def _tensor(reader: JsonReader, inputs: Inputs) -> Steps[dict[str, object]]:
    tensor: dict[str, object] = {}
    for count, name in enumerate(reader.members()):
        if count == _MEMBERS:
            raise InferenceInvalid(f"an input has more than {_MEMBERS} members")
        if name == _DATA and reader.peek() == b"[":
            tensor[name] = yield from _data(reader, inputs.most_values(tensor.get("name")))
        else:
            value = reader.value(_MEMBER_BYTES)
            if name in _KNOWN or name == _DATA:
                tensor[name] = value
    return tensor


def _data(reader: JsonReader, most: int) -> Steps[list[Any] | JsonPieces]:
    reader.expect(b"[")
    if reader.take(b"]"):
        return []
    pieces: list[list[Any]] = []
    count = 0
    inner: int | None = None
    while True:
        read = reader.next_items(_ITEMS_A_STEP)
        items, length = _flat(read)
        if pieces and length != inner:
            raise InferenceInvalid("an input has data that are only partly nested")
        inner = length
        pieces.append(items)
        count += max(len(items), len(read))  # Lists may be empty.
        if count > most:
            raise InferenceInvalid(f"an input has more than {most} values")
        if reader.take(b"]"):
            return JsonPieces(pieces, inner)
        reader.expect(b",")
        yield


def _flat(items: list[Any]) -> tuple[list[Any], int | None]:
    """The values of a piece, and the length of its inner lists if it is nested."""
    length: int | None = None
    if type(items[0]) is list:
        lengths = {len(item) if type(item) is list else None for item in items}
        length = lengths.pop()
        if lengths or length is None:
            raise InferenceInvalid("an input has data whose nesting matches no shape")
        items = [*chain.from_iterable(items)]
    if not _VALUE_TYPES.issuperset(map(type, items)):
        raise InferenceInvalid("an input has data that are not values, or are nested too deeply")
    return items, length
