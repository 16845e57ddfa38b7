"""A client names the person that a request is about; over every transport only a keyed hash is kept."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from service.audit.file.subject_key import SubjectKey, key_path
from service.audit.query.reader import AuditReader, LoggedRequest
from tests.support.animals import CONTRACT, DOG
from tests.support.audit.logs import command
from tests.support.servers import Serve, Server
from tests.support.transports import columns as columns_of
from tests.support.transports import infer_request, json_data, method

PERSON = "customer-17@example.com"
WRONG: dict[str, list[bytes]] = {
    "empty": [b""],
    "twice": [b"a", b"a"],
    "10 kB": [b"x" * 10_240],
    "not ASCII": ["größe".encode()],
    "with a comma": [b"a,b"],
}


@pytest.fixture(scope="module")
def server(serve: Serve, animals: str) -> Server:
    return serve(model=animals, with_grpc=True, TABENTO_ACCESS_LOG="true")


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


def native(server: Server, values: Sequence[bytes], body: object = DOG) -> httpx.Response:
    headers = [(b"x-subject-id", value) for value in values]
    return httpx.post(f"{server.url}/predict", json=body, headers=headers, timeout=30)


def v2(server: Server, values: Sequence[bytes]) -> httpx.Response:
    inputs = [
        {"name": name, "datatype": of, "shape": [1], "data": json_data(data, of)}
        for name, of, data in columns_of(CONTRACT, [DOG])
    ]
    headers = [(b"x-subject-id", value) for value in values]
    url = f"{server.url}/v2/models/animals/infer"
    return httpx.post(url, json={"inputs": inputs}, headers=headers, timeout=30)


def grpc_call(channel: grpc.Channel, values: Sequence[bytes]) -> Any:
    metadata = [("x-subject-id", value.decode("latin-1")) for value in values]
    return method(channel, "ModelInfer")(
        infer_request(CONTRACT, [DOG], "animals"), timeout=30, metadata=metadata
    )


def last(server: Server, count: int) -> list[LoggedRequest]:
    return AuditReader(server.audit_db).last_records(count)


def test_every_transport_keeps_the_same_hash_and_the_identifier_is_nowhere(
    server: Server, channel: grpc.Channel
) -> None:
    sent = [PERSON.encode()]
    assert native(server, sent).status_code == 200
    assert v2(server, sent).status_code == 200
    grpc_call(channel, sent)
    assert native(server, sent, body={}).status_code == 422

    key = SubjectKey.read(key_path(None, server.audit_db))
    records = last(server, 4)
    assert [record.transport for record in records] == ["http", "http", "grpc", "http"]
    assert {record.subject for record in records} == {key.hashed((PERSON.encode(),))}
    for file in filter(Path.is_file, server.audit_db.parent.rglob("*")):
        assert PERSON.encode() not in file.read_bytes()
    exported = command(
        "--db", server.audit_db, "subject", "export", PERSON, "--by", "Ada", "--reason", "access request"
    )
    assert len(exported.stdout.splitlines()) == 4


@pytest.mark.parametrize("values", WRONG.values(), ids=WRONG.keys())
def test_an_invalid_identifier_gets_400_with_a_sentence_and_is_recorded(
    server: Server, values: list[bytes]
) -> None:
    for answer in (native(server, values), v2(server, values)):
        assert answer.status_code == 400
        assert "The header X-Subject-ID must be sent once, as 1 to 256 visible ASCII" in answer.text
        (record,) = last(server, 1)
        assert (record.status, record.subject) == (400, None)
        assert record.request != ""


@pytest.mark.parametrize("name", ["empty", "twice", "10 kB", "with a comma"])
def test_invalid_metadata_are_an_invalid_argument_and_recorded(
    server: Server, channel: grpc.Channel, name: str
) -> None:
    values = [b"x" * 4_096] if name == "10 kB" else WRONG[name]  # gRPC itself refuses metadata of over 8 kB.
    with pytest.raises(grpc.RpcError) as caught:
        grpc_call(channel, values)
    call: Any = caught.value
    assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "X-Subject-ID" in call.details()
    (record,) = last(server, 1)
    assert (record.transport, record.status, record.subject) == ("grpc", 400, None)


def test_a_request_about_nobody_has_no_hash(server: Server) -> None:
    assert native(server, []).status_code == 200
    assert last(server, 1)[0].subject is None
