"""Keys and certificates over gRPC."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import grpc

from service.wire.protocol import INFER
from tests.support.api_keys import new_key
from tests.support.certificates import make_certificate
from tests.support.grpc_calls import MESSAGES, NAME, dog, reason, refused
from tests.support.servers import Serve, Server
from tests.support.transports import method
from tests.support.waiting import PATIENCE_S


def test_keys_come_by_metadata_and_certificates_from_both_sides(
    serve: Serve, animals: str, tmp_path: Path
) -> None:
    server_side, client_side = make_certificate(tmp_path, "server"), make_certificate(tmp_path, "client")
    file = tmp_path / "keys.json"
    robot, auditor = new_key(file, "robot", "predict"), new_key(file, "auditor", "read")
    server = serve(
        model=animals,
        with_grpc=True,
        is_measured=True,
        TABENTO_API_KEYS_FILE=str(file),
        TABENTO_GRPC_TLS_CERT=str(server_side.cert),
        TABENTO_GRPC_TLS_KEY=str(server_side.key),
        TABENTO_GRPC_TLS_CLIENT_CA=str(client_side.cert),
    )
    root = server_side.cert.read_bytes()
    both = grpc.ssl_channel_credentials(root, client_side.key.read_bytes(), client_side.cert.read_bytes())
    with grpc.secure_channel(server.grpc, both) as channel:
        assert method(channel, "ServerLive")(MESSAGES["ServerLiveRequest"](), timeout=30).live
        infer, ready = method(channel, "ModelInfer"), method(channel, "ModelReady")
        named = MESSAGES["ModelReadyRequest"](name=NAME)
        for call, message in ((infer, dog()), (ready, named)):
            without = refused(call, message, timeout=30)
            assert reason(without) == "UNAUTHENTICATED key-invalid"
        assert_refused_before_its_message_is_there(channel)
        bearer = (("authorization", f"Bearer {robot}"),)
        assert infer(dog(id="dog-k"), timeout=30, metadata=bearer).id == "dog-k"
        of_auditor = (("x-api-key", auditor),)
        narrow = refused(infer, dog(), timeout=30, metadata=of_auditor)
        assert reason(narrow) == "PERMISSION_DENIED scope-missing"
        for metadata in (bearer, of_auditor):
            assert ready(named, timeout=30, metadata=metadata).ready
    assert_closed_to_strangers(server, root)
    with closing(sqlite3.connect(server.audit_db)) as log:
        rows = log.execute("SELECT request_id, transport, key_name FROM request").fetchall()
    assert rows == [("dog-k", "grpc", "robot")]
    assert server.stop() == 0


def assert_refused_before_its_message_is_there(channel: grpc.Channel) -> None:
    told = Event()

    def no_message() -> Iterator[bytes]:
        told.wait(PATIENCE_S)
        yield b""

    infer: Any = channel.stream_unary(INFER)
    call = infer.future(no_message(), timeout=60)
    assert call.code() == grpc.StatusCode.UNAUTHENTICATED
    told.set()


def assert_closed_to_strangers(server: Server, root: bytes) -> None:
    """Nothing is answered to who has no certificate."""
    without = grpc.ssl_channel_credentials(root)
    for stranger in (grpc.secure_channel(server.grpc, without), grpc.insecure_channel(server.grpc)):
        with stranger as channel:
            live = method(channel, "ServerLive")
            call = refused(live, MESSAGES["ServerLiveRequest"](), timeout=30)
            assert call.code() is grpc.StatusCode.UNAVAILABLE
