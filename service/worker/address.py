"""The addresses that the service listens on, and the warning if they are open without API keys.

gRPC listens on the address of HTTP unless ``TABENTO_GRPC_HOST`` is set.
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
    """A host as in a URL or a gRPC address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


@contextmanager
def reserve_http_port(host: str, port: int) -> Iterator[None]:
    """Raise HttpUnusable unless HTTP can listen there, and reserve the port within this process meanwhile.

    The socket does not listen, so another service can still take the port.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )[0]
    except socket.gaierror:  # BentoML accepts only IP addresses, and reports others itself.
        yield
        return
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As circus does.
        try:
            probe.bind(address)
        except OSError as error:
            raise HttpUnusable(host, port, error.strerror or str(error)) from error
        yield


def warn_of_open_access(settings: Settings, http_host: str | None, grpc_host: str) -> None:
    """Log a warning if other machines can reach the service without a key."""
    if settings.api_keys_file is not None:
        return
    open_to = []
    if http_host is not None and not _is_loopback(http_host):
        open_to.append(f"HTTP on {http_host}")
    # A client certificate restricts access as a key does.
    if settings.grpc_port and settings.grpc_tls_client_ca is None and not _is_loopback(grpc_host):
        open_to.append(f"gRPC on {grpc_host}")
    if open_to:
        logger.warning(
            "Anyone who can reach this machine can request predictions and read the history (%s). Listen on "
            "127.0.0.1 (`bentoml serve --host 127.0.0.1`, %sGRPC_HOST), create keys with "
            "`python -m service.access new NAME` and set %sAPI_KEYS_FILE, or put a proxy that controls "
            "access in front of the service.",
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
