"""The client's address behind proxies, from the part of ``X-Forwarded-For`` that trusted proxies wrote.

Each proxy appends the address of its peer. The list is therefore read from its end: the first address that
is not a trusted proxy's is the client's. Any client can forge the addresses before it.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_HEADER = b"x-forwarded-for"


class TrustedProxies:
    """The addresses of proxies whose ``X-Forwarded-For`` is trusted."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def trusts(self, host: str | None) -> bool:
        """Whether a host is a trusted proxy."""
        if not self._networks or host is None:
            return False
        address = _parse(host)
        return address is not None and self._has(address)

    def client(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The client's address of a request from a trusted proxy."""
        client = peer
        listed = b",".join(value for name, value in headers if name == _HEADER)
        for entry in reversed(listed.decode("latin-1").split(",")):
            address = _parse(entry.strip())
            if address is None:  # "unknown", or forged: the last valid address is the client's.
                break
            client = str(address)
            if not self._has(address):
                break
        return client

    def _has(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


NO_PROXIES = TrustedProxies(())


def _parse(entry: str) -> Address | None:
    """The address of ``A``, ``A:PORT``, ``[A]`` or ``[A]:PORT``."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        address = ip_address(entry)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
