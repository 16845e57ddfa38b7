"""Before there are workers it is known whether they will be able to listen."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from service.errors import GrpcUnusable, SettingInvalid, StartError
from service.grpc.listening import check_certificate, claim
from service.settings import Settings
from tests.support.certificates import make_certificate
from tests.support.servers import free_port


@pytest.fixture
def settings() -> Settings:
    return Settings(grpc_port=free_port())


def test_a_port_is_held_against_services_that_would_share_it(settings: Settings) -> None:
    with closing(claim(settings, "127.0.0.1")):
        with pytest.raises(
            GrpcUnusable, match=r"^TABENTO_GRPC_PORT=\d+ cannot be used: Address already in use"
        ):
            claim(settings, "127.0.0.1")
        # The workers, of the same user, may.
        with socket.socket() as worker:
            for option in (socket.SO_REUSEPORT, socket.SO_REUSEADDR):  # As gRPC does.
                worker.setsockopt(socket.SOL_SOCKET, option, 1)
            worker.bind(("127.0.0.1", settings.grpc_port))
            worker.listen()
            with socket.create_connection(("127.0.0.1", settings.grpc_port)) as connection:
                worker.accept()[0].close()
                assert connection.recv(1) == b""
    # And it is free again although a connection has just ended on it.
    claim(settings, "127.0.0.1").close()


def test_a_port_on_which_somebody_listens_is_refused(settings: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", settings.grpc_port), reuse_port=True),
        pytest.raises(GrpcUnusable, match="Set another port, or 0 to disable gRPC"),
    ):
        claim(settings, "127.0.0.1")


def test_an_address_that_is_none_is_refused(settings: Settings) -> None:
    with pytest.raises(GrpcUnusable):
        claim(settings, "nowhere.invalid")


def test_a_certificate_that_can_be_used_is_accepted(tmp_path: Path) -> None:
    check_certificate(Settings())
    one, other = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "other")
    check_certificate(Settings(grpc_tls_cert=one.cert, grpc_tls_key=one.key, grpc_tls_client_ca=other.cert))


def test_a_certificate_that_cannot_be_used_is_refused_with_the_settings_name(tmp_path: Path) -> None:
    one, other = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "other")
    none, text = tmp_path / "none.pem", tmp_path / "text"
    text.write_text("text")
    for cert, key, client_ca, said in (
        (one.cert, None, None, "TABENTO_GRPC_TLS_CERT=.* TABENTO_GRPC_TLS_KEY is not set"),
        (None, one.key, None, "TABENTO_GRPC_TLS_KEY=.* TABENTO_GRPC_TLS_CERT is not set"),
        (None, None, one.cert, "TABENTO_GRPC_TLS_CLIENT_CA=.* TABENTO_GRPC_TLS_CERT is not set"),
        (none, one.key, None, f"TABENTO_GRPC_TLS_CERT={none} .*No such file"),
        (text, one.key, None, f"TABENTO_GRPC_TLS_CERT={text} "),
        (one.cert, other.key, None, "TABENTO_GRPC_TLS_CERT=.*MISMATCH"),
        (one.cert, one.key, none, f"TABENTO_GRPC_TLS_CLIENT_CA={none} .*No such file"),
        (one.cert, one.key, text, f"TABENTO_GRPC_TLS_CLIENT_CA={text} "),
    ):
        settings = Settings(grpc_tls_cert=cert, grpc_tls_key=key, grpc_tls_client_ca=client_ca)
        with pytest.raises((SettingInvalid, GrpcUnusable), match=said) as caught:
            check_certificate(settings)
        assert isinstance(caught.value, StartError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may bind any port")
def test_a_port_that_only_root_may_have_is_refused() -> None:
    with pytest.raises(GrpcUnusable, match="Permission denied"):
        claim(Settings(grpc_port=1), "127.0.0.1")
