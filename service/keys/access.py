"""What each route takes: a key with which scope, or none."""

from collections.abc import Mapping, Sequence

from service.errors import KeyInvalid, ScopeMissing
from service.http import paths
from service.keys.keyring import Key, Keyring, Scope

OPEN = frozenset(
    {paths.INDEX, paths.DOCS, paths.OPENAPI, paths.LIVE, paths.READY, paths.V2_LIVE, paths.V2_READY}
)
"""What orchestrators ask, and what says how to ask for the rest."""

_PREDICTIONS = frozenset({paths.PREDICT, paths.BATCH, paths.V2_INFER})


def scope_of(route: str) -> Scope | None:
    """The scope that a route takes; ``read`` where nothing is served, lest anybody could find out what is."""
    if route in OPEN:
        return None
    return "predict" if route in _PREDICTIONS else "read"


def admit(keyring: Keyring, scope: Scope | None, headers: Mapping[bytes, bytes]) -> Key | None:
    """The key that the request came with, none for what is open to all.

    It is sent as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``, over gRPC as metadata of these names.
    Raises KeyInvalid or ScopeMissing.
    """
    if scope is None:
        return None
    given = headers.get(b"x-api-key", b"")
    kind, _, token = headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"bearer":
        given = token.strip()
    key = keyring.find(given) if given else None
    if key is None:
        raise KeyInvalid
    if not key.may(scope):
        raise ScopeMissing(key.name, scope)
    return key


def may_predict(keyring: Keyring, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a request with these headers may ask for a prediction."""
    try:
        admit(keyring, "predict", dict(headers))
    except (KeyInvalid, ScopeMissing):
        return False
    return True
