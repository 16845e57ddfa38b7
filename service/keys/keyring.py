"""The keys that are valid, from a file that holds their hashes.

A key is 256 random bits, so that one plain SHA-256 keeps it: there is nothing to guess, and a slow hash,
made for passwords, would have to be paid on every request. The file is looked at once a second, so that a key
that is revoked stops working without a restart.
"""

import hmac
import logging
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import monotonic

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import KeysUnusable
from service.routes import Scope

_PREFIX = "tabento_"
"""By which a key that came into the open is recognized."""
_LOOK_INTERVAL_S = 1.0

logger = logging.getLogger(__name__)


class Key(BaseModel):
    """A key, without the key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Who it was given to; the audit log has it."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    created_utc: str

    def may(self, scope: Scope) -> bool:
        """Whether it is good for that; ``admin`` is good for all."""
        return scope in self.scopes or "admin" in self.scopes


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[Key]


def read_keys(path: Path) -> list[Key]:
    """The keys of a file; raises KeysUnusable."""
    try:
        return _File.model_validate_json(path.read_bytes()).keys
    except OSError as error:
        raise KeysUnusable(path, error.strerror or str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise KeysUnusable(path, f"{where}: {first['msg']}" if where else first["msg"]) from error


def write_keys(path: Path, keys: Sequence[Key]) -> None:
    """Replace the file, at once and for its owner's eyes alone; raises KeysUnusable."""
    text = _File(keys=list(keys)).model_dump_json(indent=2)
    try:
        with NamedTemporaryFile("w", dir=path.absolute().parent, delete=False) as file:
            file.write(text + "\n")
        Path(file.name).replace(path)
    except OSError as error:
        raise KeysUnusable(path, error.strerror or str(error)) from error


def make_key(name: str, scopes: Sequence[Scope]) -> tuple[str, Key]:
    """A new key, and what is kept of it; raises ValidationError for a name that cannot be one."""
    text = _PREFIX + secrets.token_urlsafe(32)
    created_utc = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return text, Key(name=name, sha256=_hash(text.encode()), scopes=tuple(scopes), created_utc=created_utc)


class Keyring:
    """The keys of a file, as it is now."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises KeysUnusable."""
        self._path = path
        self._seen = _stamp(path)
        self._next_look = monotonic() + _LOOK_INTERVAL_S
        self._keys = read_keys(path)

    def find(self, text: bytes) -> Key | None:
        """Whose key this is. Every key is compared, in constant time, so that the time tells nothing."""
        if monotonic() >= self._next_look:
            self._look()
        given = _hash(text)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, given):
                found = key
        return found

    def _look(self) -> None:
        self._next_look = monotonic() + _LOOK_INTERVAL_S
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._keys = read_keys(self._path)
        except KeysUnusable as error:
            # Neither nobody nor everybody: those that were valid stay so until it can be read.
            logger.error("%s The keys stay as they were.", error)


def _hash(text: bytes) -> str:
    return sha256(text).hexdigest()


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = os.stat(path)  # noqa: PTH116 - a third of the time of Path.stat, once a second on the loop
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size
