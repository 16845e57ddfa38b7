"""Where the service listens: found out, tried, and told to whoever starts it.

gRPC listens where HTTP does unless it is told otherwise. Whether anybody can ask is a question of both.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from service.errors import HttpUnusable
from service.settings import PREFIX, Settings

logger = logging.getLogger(__name__)


def url_host(host: str) -> str:
    """A host as a URL, and gRPC, have it before the port."""
    return f"[{host}]" if ":" in host else host


@contextmanager
def hold_http(host: str, port: int) -> Iterator[None]:
    """Raise HttpUnusable unless HTTP could listen there; meanwhile nothing else of this process can.

    It does not listen, so it keeps no other service from the port.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )[0]
    except socket.gaierror:  # BentoML takes addresses alone, and says so.
        yield
        return
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As circus does.
        try:
            probe.bind(address)
        except OSError as error:
            raise HttpUnusable(host, port, error.strerror or str(error)) from error
        yield


def warn_if_anybody_can_ask(settings: Settings, http_host: str | None, grpc_host: str) -> None:
    """Log a warning where others than this machine's users reach the service, and need no key."""
    if settings.api_keys_file is not None:
        return
    open_to = []
    if http_host is not None and not _is_loopback(http_host):
        open_to.append(f"HTTP on {http_host}")
    # Who needs a certificate that a CA signed is not anybody.
    if settings.grpc_port and settings.grpc_tls_client_ca is None and not _is_loopback(grpc_host):
        open_to.append(f"gRPC on {grpc_host}")
    if open_to:
        logger.warning(
            "Anybody who reaches this machine can ask for predictions and read the history (%s). Listen on "
            "127.0.0.1 (`bentoml serve --host 127.0.0.1`, %sGRPC_HOST), or make keys with "
            "`python -m service.access new NAME` and set %sAPI_KEYS_FILE, unless something in front of the "
            "service decides who may.",
            " and ".join(open_to),
            PREFIX,
            PREFIX,
        )


def _is_loopback(host: str) -> bool:
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ip_address(address.partition("%")[0]).is_loopback for address in addresses)
