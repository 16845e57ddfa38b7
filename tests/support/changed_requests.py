"""Requests of the Open Inference Protocol with something of them changed, for a model of animals."""

import json
from typing import Any

from hypothesis import strategies as st

from service.wire.datatypes import DATATYPES
from tests.support.animals import CONTRACT, DOG
from tests.support.transports import HEADER, PROTOCOL, columns, infer_request, raw

NAME = "animals"
FIELDS = [field.name for field in PROTOCOL.messages["InferTensorContents"].DESCRIPTOR.fields]
sizes = st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 10_001, 2**31, 2**62, 2**63 - 1])
names = st.sampled_from([*DOG, "features", "", "other", "x" * 20_000])
datatypes = st.sampled_from([*DATATYPES, "FP128", ""])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A good message with some of it changed, perhaps in its bytes."""
    request: Any = infer_request(CONTRACT, [DOG] * draw(st.integers(1, 3)), NAME, is_raw=draw(st.booleans()))
    for _ in range(draw(st.integers(0, 3))):
        tensor = request.inputs[draw(st.integers(0, 7))]
        change = draw(
            st.sampled_from(["name", "datatype", "shape", "contents", "raw", "output", "parameter"])
        )
        if change == "name":
            tensor.name = draw(names)
        elif change == "datatype":
            tensor.datatype = draw(datatypes)
        elif change == "shape":
            tensor.shape[:] = draw(st.lists(sizes, max_size=4))
        elif change == "contents":
            value = b"\xff" if (field := draw(st.sampled_from(FIELDS))) == "bytes_contents" else 1
            getattr(tensor.contents, field).extend([value] * draw(st.integers(0, 3)))
        elif change == "raw":
            request.raw_input_contents.append(draw(st.binary(max_size=30)))
        elif change == "output":
            request.outputs.add(name=draw(st.sampled_from(["label", "probabilities", "", "x" * 20_000])))
        else:
            request.parameters["timeout"].int64_param = draw(sizes)
    message = bytearray(request.SerializeToString())
    if draw(st.booleans()):
        message = message[: draw(st.integers(0, len(message)))]
    if message and draw(st.booleans()):
        message[draw(st.integers(0, len(message) - 1))] = draw(st.integers(0, 255))
    return bytes(message)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, dict[str, str]]:
    """A good binary request with some of it changed, and its headers."""
    rows = [DOG] * draw(st.integers(1, 3))
    inputs: list[dict[str, Any]] = []
    behind = b""
    for name, of, values in columns(CONTRACT, rows):
        bytes_ = raw(values, of)
        size = {"binary_data_size": len(bytes_)}
        inputs.append({"name": name, "datatype": of, "shape": [len(rows)], "parameters": size})
        behind += bytes_
    for _ in range(draw(st.integers(0, 2))):
        tensor = inputs[draw(st.integers(0, 7))]
        change = draw(st.sampled_from(["name", "datatype", "shape", "size", "data"]))
        if change == "size":
            tensor["parameters"] = {"binary_data_size": draw(sizes)}
        elif change == "shape":
            tensor["shape"] = draw(st.lists(sizes, max_size=4))
        elif change == "data":
            tensor["data"] = [draw(st.sampled_from([1, 1.5, "a", None, True, 10**400]))]
            tensor.pop("parameters", None)
        else:
            tensor[change] = draw(names if change == "name" else datatypes)
    text = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": draw(st.booleans())}}).encode()
    end = draw(st.sampled_from([str(len(text))] * 4 + ["0", "-1", "5", "99999999", "9" * 40, "x", ""]))
    content = text + behind
    content = content[: draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    return content, {HEADER: end}
