"""A long message is taken apart without being parsed, whatever is in it."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.hostile.bodies import hostile_bodies
from load_tests.hostile.hostile_models import CONTRACTS, WIDE
from service.errors import InferenceInvalid, RequestError
from service.grpc.long_message import check_tensor, take_apart
from service.oip.inputs import Inputs
from service.wire.protocol import make_protocol
from tests.support.garbage_collector import uncollected

PROTOCOL = make_protocol()
REQUEST = PROTOCOL.messages["ModelInferRequest"]
TENSOR = PROTOCOL.messages["ModelInferRequest.InferInputTensor"]

contents = st.one_of(
    st.fixed_dictionaries({"int64_contents": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9)}),
    st.fixed_dictionaries({"bool_contents": st.lists(st.booleans(), max_size=9)}),
    st.fixed_dictionaries({"fp64_contents": st.lists(st.floats(), max_size=9)}),
    st.fixed_dictionaries({"fp32_contents": st.lists(st.floats(width=32), max_size=9)}),
    st.fixed_dictionaries({"bytes_contents": st.lists(st.binary(max_size=300), max_size=9)}),
)


@given(st.lists(contents, max_size=5), st.lists(st.binary(max_size=300), max_size=5), st.text(max_size=200))
def test_the_parts_of_a_message_are_the_message(
    tensors: list[dict[str, list[object]]], raws: list[bytes], id_: str
) -> None:
    request = REQUEST(id=id_, model_name="m", raw_input_contents=raws)
    request.parameters["timeout"].int64_param = 7
    for place, values in enumerate(tensors):
        tensor = request.inputs.add(name=f"t{place}", datatype="FP64", shape=[place, 3])
        for name, values_of in values.items():
            getattr(tensor.contents, name).extend(values_of)
    parts = take_apart(request.SerializeToString(), 5)
    again = REQUEST.FromString(parts.rest)
    again.inputs.extend(TENSOR.FromString(bytes(tensor)) for tensor in parts.tensors)
    again.raw_input_contents.extend(map(bytes, parts.raws))
    assert again.SerializeToString(deterministic=True) == request.SerializeToString(deterministic=True)


@given(contents)
def test_the_values_of_a_tensor_are_counted_without_being_parsed(values: dict[str, list[object]]) -> None:
    tensor = TENSOR(name="t", shape=[3])
    ((name, values_of),) = values.items()
    getattr(tensor.contents, name).extend(values_of)
    message = memoryview(tensor.SerializeToString())
    check_tensor(message, len(values_of), 10)
    if values_of:
        with pytest.raises(InferenceInvalid, match=f"more than {len(values_of) - 1} values"):
            check_tensor(message, len(values_of) - 1, 10)


@given(st.binary(max_size=60))
def test_bytes_are_taken_apart_only_if_they_are_fields_to_their_end(message: bytes) -> None:
    try:
        parts = take_apart(message, 5)
    except InferenceInvalid:
        return
    taken = len(parts.rest) + sum(map(len, parts.tensors)) + sum(map(len, parts.raws))
    assert taken <= len(message)


INPUTS = Inputs(CONTRACTS[WIDE], 10_000)
BODIES = {
    each.name: each for each in hostile_bodies(CONTRACTS[WIDE], WIDE, 8_000_000) if each.transport == "grpc"
}


@pytest.mark.parametrize("name", BODIES)
@uncollected()
def test_a_hostile_message_is_refused_in_short_steps(name: str) -> None:
    message = BODIES[name].make()
    started = process_time()
    try:
        parts = take_apart(message, INPUTS.most_tensors)
        for tensor in parts.tensors:
            check_tensor(tensor, INPUTS.most_values(None), 10_064)
    except RequestError as error:
        assert len(str(error)) < 500  # noqa: PT017
    assert process_time() - started < 3  # 0.02 on a machine that does nothing else, without coverage.
