"""Whether a request's API key is valid for its route; routes.py has the scope of each."""

from collections.abc import Mapping, Sequence

from service.access.keyring import Key, Keyring
from service.errors import KeyExpired, KeyInvalid, ScopeMissing
from service.routes import ANY_KEY, AnyKey, Scope


def authorize(keyring: Keyring, scope: Scope | AnyKey | None, headers: Mapping[bytes, bytes]) -> Key | None:
    """The request's valid key; None for a route that needs none.

    A key is sent as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``; over gRPC as metadata.
    Raises KeyInvalid, KeyExpired or ScopeMissing.
    """
    if scope is None:
        return None
    given = headers.get(b"x-api-key", b"")
    kind, _, token = headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"bearer":
        given = token.strip()
    key = keyring.find_any(given) if given else None
    if key is None:
        raise KeyInvalid
    if key.revoked_utc is not None:
        raise KeyInvalid(key.name)
    if key.has_expired:
        raise KeyExpired(key.name)
    if scope != ANY_KEY and not key.allows(scope):
        raise ScopeMissing(key.name, scope)
    return key


def may_predict(keyring: Keyring, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a request with these headers may ask for a prediction."""
    try:
        authorize(keyring, "predict", dict(headers))
    except (KeyInvalid, ScopeMissing):
        return False
    return True
