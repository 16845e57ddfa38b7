"""With TABENTO_AUDIT_REFUSED_BODIES=digest the body of a refused request is in no file of the log."""

import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from service.audit.prove.verify import verify
from service.audit.query.reader import AuditReader, LoggedRequest
from tests.support.animals import CONTRACT, DOG
from tests.support.audit.logs import command
from tests.support.servers import Serve, Server
from tests.support.transports import infer_request

MARK = b"secret-of-a-person"


@pytest.fixture(scope="module")
def server(serve: Serve, animals: str) -> Server:
    return serve(model=animals, with_grpc=True, TABENTO_AUDIT_REFUSED_BODIES="digest")


def last(server: Server) -> LoggedRequest:
    (record,) = AuditReader(server.audit_db).last_records(1)
    return record


def expected(body: bytes) -> tuple[Any, int]:
    return {"sha256": sha256(body).hexdigest(), "bytes": len(body)}, len(body)


def check(server: Server, body: bytes) -> None:
    record = last(server)
    assert record.status >= 400
    assert (record.request, record.request_cut_bytes) == expected(body)
    assert verify(server.audit_db).ok
    for file in filter(Path.is_file, server.audit_db.parent.rglob("*")):
        assert MARK not in file.read_bytes()


def post(server: Server, path: str, body: bytes) -> int:
    headers = {"content-type": "application/json"}
    return httpx.post(f"{server.url}{path}", content=body, headers=headers, timeout=30).status_code


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/v2/models/animals/infer"])
@pytest.mark.parametrize("fill", [b"", b"x" * 70_000, b"\xff\x00"], ids=["short", "long", "not text"])
def test_over_http_only_the_digest_is_recorded(server: Server, path: str, fill: bytes) -> None:
    body = b'{"unknown": "' + MARK + fill + b'"}'
    if post(server, path, body) != 413:  # That is not read.
        check(server, body)


def test_a_body_of_megabytes_is_hashed_as_well(server: Server) -> None:
    body = b'{"instances": [' + (b'{"unknown": "' + MARK + b'"},') * 60_000 + b"{}]}"
    assert len(body) > 1024**2
    assert post(server, "/predict/batch", body) in (413, 422)
    check(server, body)


def test_over_grpc_only_the_digest_is_recorded(server: Server) -> None:
    body = infer_request(CONTRACT, [DOG], "animals", id=MARK.decode()).SerializeToString() + b"\xff" + MARK
    with grpc.insecure_channel(server.grpc) as channel, suppress(grpc.RpcError):
        channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(body, timeout=30)
    assert last(server).transport == "grpc"
    check(server, body)


def test_an_answered_body_is_recorded_whole(server: Server) -> None:
    assert post(server, "/predict", json.dumps(DOG).encode()) == 200
    assert (last(server).request, last(server).request_cut_bytes) == (DOG, 0)


def test_history_and_export_show_the_digest(server: Server) -> None:
    body = b'{"unknown": "' + MARK + b'"}'
    post(server, "/predict", body)
    exported = command("--db", server.audit_db, "export").stdout.splitlines()[-1]
    assert json.loads(exported)["request"] == expected(body)[0]
    assert httpx.get(f"{server.url}/predictions/history", timeout=30).status_code == 200
