"""How long a connection waits for its client, and what the worker's connections hold together."""

from dataclasses import dataclass, field

from service.http.connection.descriptors import Descriptors
from service.http.connection.forwarded import NOBODY, TrustedProxies
from service.http.connection.incoming import IncomingBodies

BODIES_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class ConnectionLimits:
    """The limits of every connection of a worker."""

    silence_s: float = 10.0
    """From the accept to the first byte of a request."""
    head_s: float = 10.0
    """From the first byte of a request to the end of its headers."""
    body_s: float = 30.0
    """From the end of the headers to the end of the body."""
    linger_s: float = 2.0
    """After an answer that came before the end of its request, for which the rest is read and discarded.
    A connection that is closed with unread bytes is reset, and the client may never see the answer."""
    linger_bytes: int = 64 * 1024**2
    """How much of the rest is read."""
    last_request_s: float = 0.5
    """Once the worker stops: how long a connection without a request is kept for one that is on its way."""
    last_body_s: float = 2.0
    """Once the worker stops: how long a request may take to arrive."""
    bodies: IncomingBodies = field(default_factory=lambda: IncomingBodies(BODIES_BYTES))
    descriptors: Descriptors = field(default_factory=Descriptors)
    proxies: TrustedProxies = NOBODY
