"""Errors of a request's API key."""

from http import HTTPStatus
from typing import ClassVar

from service.errors.refusals import RequestError


class KeyInvalid(RequestError):
    """The request requires a valid API key and has none."""

    status, kind = HTTPStatus.UNAUTHORIZED, "key-invalid"
    recorded = False
    message: ClassVar[str] = "A valid API key is required: `Authorization: Bearer KEY` or `X-API-Key: KEY`."

    def __init__(self, key_name: str | None = None) -> None:
        """``key_name`` is for the ledger alone: that of a key which was valid once."""
        super().__init__(self.message)
        self.key_name = key_name


class KeyExpired(KeyInvalid):
    """The time of the request's API key is over."""

    kind = "key-expired"
    # Only a client that has the whole key learns that the key existed.
    message = "The API key has expired: the operator of the service can make a new one."


class ScopeMissing(RequestError):
    """The request's API key does not have the scope that the route requires."""

    status, kind = HTTPStatus.FORBIDDEN, "scope-missing"
    recorded = False

    def __init__(self, name: str, scope: str) -> None:
        super().__init__(f"The API key {name!r} has no scope {scope!r}.")
        self.key_name = name
