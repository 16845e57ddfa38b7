"""The keys that are valid, from a file that holds their hashes.

A key is 256 random bits, so that one plain SHA-256 keeps it: there is nothing to guess, and a slow hash,
made for passwords, would have to be paid on every request. It carries an identifier, which is no secret, and
by which it is found among however many. A thread looks at the file four times a second, so that a key that
is revoked stops working within a second, without a restart; the event loop never waits for the file.
"""

import hmac
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from service.access.keyfile import Stamp, locked, read_file, replace_file, stamp
from service.errors import KeysUnusable
from service.routes import Scope

_PREFIX = "tabento_"
"""By which a key that came into the open is recognized."""
_LOOK_INTERVAL_S = 0.25
_SETTLED_S = 3.0
"""Longer than a tick of the clock of any file system; FAT's is 2 s."""
_KEYS_AT_ONCE = 100
"""Keys that are checked between two turns of the other threads."""
_NO_HASH = "0" * 64

logger = logging.getLogger(__name__)


class Key(BaseModel):
    """A key, without the key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = Field(default=None, pattern=r"^[0-9a-f]{12}$")
    """The part of the key that may be known; keys of earlier versions have none."""
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

    keys: list[Any]
    """Each is checked by itself: all at once would keep other threads waiting."""


def read_keys(path: Path) -> list[Key]:
    """The keys of a file; raises KeysUnusable."""
    content, _ = read_file(path)
    return _parse(path, content)


@contextmanager
def changing_keys(path: Path) -> Iterator[list[Key]]:
    """The keys of a file, to be changed in place; nobody else changes them until they are written.

    A file that does not exist is made. Raises KeysUnusable.
    """
    with locked(path) as target:
        before = read_keys(path) if target.exists() else []
        keys = list(before)
        yield keys
        if keys != before:
            _write(target, keys)


def make_key(name: str, scopes: Sequence[Scope]) -> tuple[str, Key]:
    """A new key, and what is kept of it; raises ValidationError for a name that cannot be one."""
    id_ = secrets.token_hex(6)
    text = f"{_PREFIX}{id_}_{secrets.token_urlsafe(32)}"
    created_utc = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    key = Key(id=id_, name=name, sha256=_hash(text.encode()), scopes=tuple(scopes), created_utc=created_utc)
    return text, key


class _Table(NamedTuple):
    """The keys by what they are found by."""

    by_id: Mapping[str, Key]
    by_hash: Mapping[str, Key]
    """Those without an id."""

    def find(self, text: bytes) -> Key | None:
        """Whose key this is, if anybody's.

        How long it takes may tell which identifiers there are, which are no secret; the hash is compared in
        constant time.
        """
        given = _hash(text)
        key = self.by_id.get(_id_in(text)) or self.by_hash.get(given)
        is_it = hmac.compare_digest(_NO_HASH if key is None else key.sha256, given)
        return key if is_it else None


class Keyring:
    """The keys of a file, as it is now."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises KeysUnusable."""
        self._path = path
        self._stamp: Stamp | None = None
        self._first_read = 0.0
        """When the file was first read with that stamp."""
        self._is_settled = False
        """Whether the stamp alone tells that the file is unchanged."""
        self._digest = b""
        self._complaint: str | None = None
        self._closing = Event()
        self._table = _Table({}, {})
        self._read()

    def watch(self) -> None:
        """Follow the file from here on, in a thread of its own, until ``close``."""
        Thread(target=self._watch, name="keys", daemon=True).start()

    def close(self) -> None:
        """Follow the file no more."""
        self._closing.set()

    def find(self, text: bytes) -> Key | None:
        """Whose key this is; one look-up, however many keys there are."""
        return self._table.find(text)

    def look(self) -> None:
        """Take over what the file has become. What cannot be read changes nothing, and is tried again."""
        try:
            if not (self._is_settled and stamp(self._path) == self._stamp):
                self._read()
        except KeysUnusable as error:
            # Neither nobody nor everybody: those that were valid stay so until it can be read.
            self._stamp, self._is_settled = None, False
            if str(error) != self._complaint:
                logger.error("%s The keys stay as they were.", error)
            self._complaint = str(error)
        else:
            if self._complaint is not None:
                logger.warning("The API keys %s can be read again.", self._path)
            self._complaint = None

    def _watch(self) -> None:
        while not self._closing.wait(_LOOK_INTERVAL_S):
            try:
                self.look()
            except Exception:
                # Whatever it is, a thread that ends here would let every revoked key go on working.
                logger.exception("The API keys %s could not be looked at.", self._path)

    def _read(self) -> None:
        began = monotonic()
        content, seen = read_file(self._path)
        digest = sha256(content).digest()
        if digest != self._digest:
            self._table = _table(_parse(self._path, content))
            self._digest = digest
        if seen != self._stamp:
            self._stamp, self._first_read = seen, began
        self._is_settled = began - self._first_read > _SETTLED_S


def _table(keys: Sequence[Key]) -> _Table:
    return _Table(
        {key.id: key for key in keys if key.id is not None},
        {key.sha256: key for key in keys if key.id is None},
    )


def _parse(path: Path, content: bytes) -> list[Key]:
    keys: list[Key] = []
    place: tuple[str | int, ...] = ()
    try:
        for value in _File.model_validate(from_json(content)).keys:
            place = ("keys", len(keys))
            keys.append(Key.model_validate(value))
            if not len(keys) % _KEYS_AT_ONCE:
                sleep(0)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (*place, *first["loc"])))
        raise KeysUnusable(path, f"{where}: {first['msg']}" if where else first["msg"]) from error
    except ValueError as error:
        raise KeysUnusable(path, f"it is no JSON: {error}") from error
    return keys


def _write(target: Path, keys: Sequence[Key]) -> None:
    text = _File(keys=[key.model_dump(exclude_none=True) for key in keys]).model_dump_json(indent=2)
    replace_file(target, f"{text}\n".encode())


def _id_in(text: bytes) -> str:
    """The identifier that a key carries, or what stands in its place."""
    _, _, rest = text.partition(b"_")
    return rest.partition(b"_")[0].decode("latin-1")


def _hash(text: bytes) -> str:
    return sha256(text).hexdigest()
