"""Checks of the supervising process before the workers start: the gRPC port and the certificate.

Workers share their port, and the kernel would let another service of the same user share it too, which would
then get half of the calls. So the port is first bound exclusively, and then held, without listening, as long
as the process runs. Another service that does the same finds the port in use.
"""

import socket
import ssl

from service.errors import GrpcUnusable, SettingInvalid
from service.settings import PREFIX, Settings

_CERT, _KEY, _CLIENT_CA = (f"{PREFIX}GRPC_TLS_{name}" for name in ("CERT", "KEY", "CLIENT_CA"))


def claim(settings: Settings, host: str) -> socket.socket:
    """Hold the port until the socket is closed; raises GrpcUnusable."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, settings.grpc_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without it, the closed connections that linger on a port would block it.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        held = socket.socket(family, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as error:
        raise GrpcUnusable(f"{PREFIX}GRPC_PORT", settings.grpc_port, error.strerror or str(error)) from error
    return held


def check_certificate(settings: Settings) -> None:
    """Raise SettingInvalid or GrpcUnusable unless certificate, key and the clients' CA can be used."""
    cert, key, client_ca = settings.grpc_tls_cert, settings.grpc_tls_key, settings.grpc_tls_client_ca
    if (cert is None) != (key is None):
        missing, value = (_CERT, key) if cert is None else (_KEY, cert)
        raise SettingInvalid(_KEY if cert is None else _CERT, value, f"{missing} is not set")
    if cert is None or key is None:
        if client_ca is not None:
            raise SettingInvalid(_CLIENT_CA, client_ca, f"{_CERT} is not set")
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is an OSError.
        raise GrpcUnusable(_CERT, cert, f"with {_KEY}={key}: {error.strerror or error}") from error
    try:
        if client_ca is not None:
            context.load_verify_locations(client_ca)
    except OSError as error:
        raise GrpcUnusable(_CLIENT_CA, client_ca, error.strerror or str(error)) from error
