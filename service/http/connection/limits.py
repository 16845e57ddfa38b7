"""The limits of connections: time to wait for a client, and bytes and descriptors of a worker."""

from dataclasses import dataclass, field

from service.http.connection.descriptors import Descriptors
from service.http.connection.forwarded import NO_PROXIES, TrustedProxies
from service.http.connection.incoming import IncomingBodies

BODIES_BYTES = 256 * 1024**2
"""Bytes that the bodies of a worker may hold together."""


@dataclass(frozen=True)
class ConnectionLimits:
    """The limits of a worker's connections: time limits, and the shared limits of bytes and descriptors."""

    silence_s: float = 10.0
    """From the accept to the first byte of a request."""
    head_s: float = 10.0
    """From the first byte of a request to the end of its headers."""
    body_s: float = 30.0
    """From the end of the headers to the end of the body."""
    linger_s: float = 2.0
    """How long the rest of a request is read and discarded, if it was answered before its end. Closing a
    connection with unread bytes resets it, and the client may not get the answer."""
    linger_bytes: int = 64 * 1024**2
    """How many bytes of that rest are read."""
    last_request_s: float = 0.5
    """How long an idle connection stays open for a last request when the worker stops."""
    last_body_s: float = 2.0
    """How long a partial request may take to arrive when the worker stops."""
    bodies: IncomingBodies = field(default_factory=lambda: IncomingBodies(BODIES_BYTES))
    descriptors: Descriptors = field(default_factory=Descriptors)
    proxies: TrustedProxies = NO_PROXIES
