"""What cannot be shown as a message is left to be shown as the bytes that it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.query.display import display_message
from tests.support.animals import CONTRACT, DOG
from tests.support.transports import infer_request

GRPC, V2 = "/inference.GRPCInferenceService/ModelInfer", "/v2/models/animals/infer"


def test_a_message_is_shown_with_its_values() -> None:
    for is_raw in (True, False):
        message = infer_request(CONTRACT, [DOG], "animals", is_raw=is_raw, id="dog-1").SerializeToString()
        shown = json.loads(json.dumps(display_message("grpc", GRPC, message, is_request=True)))
        assert (shown["model_name"], shown["id"]) == ("animals", "dog-1")
        assert shown["inputs"][0] == {"name": "length", "datatype": "FP64", "shape": [1, 1], "data": [1.5]}
        assert shown["inputs"][1]["data"] == [None]
        assert shown["inputs"][6]["data"] == ["grün"]


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"inputs": []}', b"\xff", b"[1]x", b'{"inputs": [1]}x'])
def test_a_body_that_is_no_binary_request_is_left(body: bytes) -> None:
    assert display_message("http", V2, body, is_request=True) is None
    assert display_message("http", "/predict", body, is_request=True) is None
    assert display_message("grpc", GRPC, b"", is_request=True) is None


@given(cut=st.integers(0, 400), changed=st.integers(0, 400), to=st.integers(0, 255))
def test_any_recorded_body_is_displayed_or_left_as_it_is(cut: int, changed: int, to: int) -> None:
    message = bytearray(infer_request(CONTRACT, [DOG], "animals").SerializeToString())
    message[changed % len(message)] = to
    for transport, route in (("grpc", GRPC), ("http", V2)):
        for is_request in (True, False):
            json.dumps(display_message(transport, route, bytes(message[:cut]), is_request=is_request))
