"""HostileBody bodies on the wire: refused, with few words and little memory, while others are served."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import psutil
import pytest

from load_tests.hostile.bodies import MAX_BATCH_ROWS, HostileBody, hostile_bodies
from load_tests.hostile.sending import Answer, send
from load_tests.hostile.watcher import Watcher, watching
from load_tests.users.infer_messages import ModelInferResponse
from service.model.reference_profile import MAX_LISTED_FLAGS
from service.wire.protocol import INFER
from tests.support.animals import CONTRACT
from tests.support.servers import Server

NAME = "animals"
SIZE = 3_000_000
BODIES = hostile_bodies(CONTRACT, NAME, SIZE)
VALID = [one for one in BODIES if one.is_valid]
REFUSED = [one for one in BODIES if not one.is_valid]
GROWTH_BYTES = 100_000_000


def named(one: HostileBody) -> str:
    return f"{one.transport}: {one.name}"


@pytest.fixture(scope="module")
def watcher(animals_server: Server) -> Iterator[Watcher]:
    first = psutil.Process(animals_server.process.pid)
    pids = [process.pid for process in [first, *first.children(recursive=True)]]
    with watching(animals_server.url, pids) as watcher:
        yield watcher


def sent(server: Server, watcher: Watcher, request_: HostileBody) -> tuple[Answer, int]:
    """What is said to a request, and by how much the service's memory rises meanwhile."""
    before = watcher.observe().bytes_now
    answered = send(server.url, server.grpc, request_, request_.make())
    return answered, watcher.observe().max_bytes - before


@pytest.mark.parametrize("request_", REFUSED, ids=named)
def test_a_hostile_body_is_refused_in_few_words_and_little_memory(
    animals_server: Server, watcher: Watcher, request_: HostileBody
) -> None:
    answered, rise_bytes = sent(animals_server, watcher, request_)
    assert answered.status in ("400", "413", "422", "INVALID_ARGUMENT")
    assert len(answered.content) < 100_000
    assert rise_bytes < GROWTH_BYTES
    assert httpx.get(f"{animals_server.url}/readyz", timeout=30).status_code == 200


def flags(request_: HostileBody, answer: bytes) -> tuple[int, int]:
    """How many are listed, and how many there are."""
    if request_.transport == "grpc":
        parameters = ModelInferResponse.FromString(answer).parameters
        return len(json.loads(parameters["flags"].string_param)), parameters["flags_total"].int64_param
    told = json.loads(answer)
    if request_.transport == "native":
        return len(told["flags"]), told["flags_total"]
    return len(json.loads(told["parameters"]["flags"])), told["parameters"]["flags_total"]


@pytest.mark.parametrize("request_", VALID, ids=named)
def test_a_batch_of_nothing_that_training_saw_is_answered_in_bounded_words_and_memory(
    animals_server: Server, watcher: Watcher, request_: HostileBody
) -> None:
    answered, rise_bytes = sent(animals_server, watcher, request_)
    assert answered.status in ("200", "OK")
    assert len(answered.content) < 3_000_000
    assert flags(request_, answered.content) == (MAX_LISTED_FLAGS, 3 * MAX_BATCH_ROWS)
    assert rise_bytes < GROWTH_BYTES


def test_many_long_messages_at_once_do_not_take_what_all_of_them_are_long(
    animals_server: Server, watcher: Watcher
) -> None:
    request = next(one for one in BODIES if one.name == "packed doubles")
    body = hostile_bodies(CONTRACT, NAME, 20_000_000)[BODIES.index(request)].make()
    before = watcher.observe().bytes_now
    with grpc.insecure_channel(animals_server.grpc) as channel:
        method: Any = channel.unary_unary(INFER)
        calls = [method.future(body, timeout=120) for _ in range(30)]
        codes = {call.code() for call in calls}
    assert codes <= {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert watcher.observe().max_bytes - before < 400_000_000  # Of 600 MB that are sent.


def test_calls_whose_deadline_passes_leave_no_traceback(animals_server: Server) -> None:
    request = b"\x0a\x07animals"
    with grpc.insecure_channel(animals_server.grpc) as channel:
        method: Any = channel.unary_unary(INFER)
        calls = [method.future(request, timeout=each * 0.0002) for each in range(1, 100) for _ in range(10)]
        for call in calls:
            call.code()
    assert "Traceback" not in animals_server.log
