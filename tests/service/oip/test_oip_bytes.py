"""Whatever a client of the protocol sends is answered or refused: no 5xx, no INTERNAL, and no hanging."""

from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.wire.protocol import INFER
from tests.support.changed_requests import NAME, bodies, messages
from tests.support.servers import Server

quick = settings(max_examples=120, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def channel(animals_server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(animals_server.grpc) as channel:
        yield channel


@pytest.fixture(scope="module")
def client(animals_server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=animals_server.url, timeout=30) as client:
        yield client


@quick
@given(message=st.one_of(messages(), messages(), st.binary(max_size=60)))
def test_no_message_is_answered_with_internal_or_not_at_all(channel: grpc.Channel, message: bytes) -> None:
    infer: Any = channel.unary_unary(INFER)
    try:
        infer(message, timeout=30)
    except grpc.RpcError as error:
        call: Any = error
        code, words = call.code().name, call.details()
    else:
        code, words = "OK", ""
    assert code in ("OK", "INVALID_ARGUMENT", "NOT_FOUND", "DEADLINE_EXCEEDED"), words
    assert words != "Deadline Exceeded", "it hung"


@quick
@given(sent=bodies())
def test_no_body_is_answered_with_5xx_or_not_at_all(
    client: httpx.Client, sent: tuple[bytes, dict[str, str]]
) -> None:
    content, headers = sent
    answer = client.post(f"/v2/models/{NAME}/infer", content=content, headers=headers)
    assert answer.status_code in (200, 400, 413, 422), answer.text
    if answer.status_code != 200:
        assert list(answer.json()) == ["error"]
        assert len(answer.json()["error"]) < 2_100
