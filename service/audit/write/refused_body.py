"""The digest that can stand for the body of a refused request: ``{"sha256": HEX, "bytes": LENGTH}``.

A body that was refused may be anything: a table of persons that was sent to the wrong address, or a password.
With ``TABENTO_AUDIT_REFUSED_BODIES=digest`` the log can still show that a given body was refused, and holds
nothing of it.
"""

import asyncio
from hashlib import sha256
from typing import Literal

from pydantic_core import to_json

RefusedBodies = Literal["keep", "digest"]

_LONG_BYTES = 1024**2
"""From here on, a digest is computed in a thread: it would stop the event loop for milliseconds."""


async def refused_digest(body: bytes) -> bytes:
    """The digest of a body, for the record of its request."""
    return body_digest(body) if len(body) < _LONG_BYTES else await asyncio.to_thread(body_digest, body)


def body_digest(body: bytes) -> bytes:
    """The digest of a body, as JSON."""
    return to_json({"sha256": sha256(body).hexdigest(), "bytes": len(body)})
