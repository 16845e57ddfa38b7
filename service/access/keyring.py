"""The keys of a file that holds their hashes, with those that have expired or were revoked.

A key has 256 random bits, so one plain SHA-256 protects it: nobody can guess it. A slow hash, made for
passwords, would cost time on every request. The key contains an identifier, which is not secret, and by which
it is found among any number of keys. A thread checks the file four times a second, so a revoked key stops
working within a second, without a restart. An expired one stops by the clock of each request. The event loop
never waits for the file.
"""

import hmac
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from hashlib import sha256
from math import inf
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep, time
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from service.access.keyfile import Stamp, locked, read_file, replace_file, stamp
from service.errors import KeysUnusable
from service.routes import INCLUDED, Scope

_PREFIX = "tabento_"
"""By this prefix, secret scanners recognize a key that was published by mistake."""
_REFRESH_INTERVAL_S = 0.25
_SETTLED_S = 3.0
"""Longer than the tick of any file system's clock; that of FAT is 2 s."""
_KEYS_PER_TURN = 100
"""Keys that are validated before other threads get a turn."""
_NO_HASH = "0" * 64

logger = logging.getLogger(__name__)


def _require_moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a date and time with its time zone is needed")
    return text


class Key(BaseModel):
    """What is stored of a key: its hash, not the key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = Field(default=None, pattern=r"^[0-9a-f]{12}$")
    """The part of the key that is not secret; keys of earlier versions have none."""
    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Who the key was given to; the audit log records it."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    created_utc: str
    expires_utc: Annotated[str, AfterValidator(_require_moment)] | None = None
    """From when on it is refused."""
    revoked_utc: Annotated[str, AfterValidator(_require_moment)] | None = None
    """When it was revoked. The entry stays, so that its name is not given to another."""

    @cached_property
    def _expires_s(self) -> float:
        return inf if self.expires_utc is None else datetime.fromisoformat(self.expires_utc).timestamp()

    @property
    def has_expired(self) -> bool:
        """Whether its time is over."""
        return time() >= self._expires_s

    @property
    def is_valid(self) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_utc is None and not self.has_expired

    def allows(self, scope: Scope) -> bool:
        """Whether the key has this scope, or one that includes it."""
        return any(scope == held or scope in INCLUDED.get(held, ()) for held in self.scopes)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[Any]
    """Each is validated by itself: all at once would block other threads."""


def read_keys(path: Path) -> list[Key]:
    """The keys of a file; raises KeysUnusable."""
    content, _ = read_file(path)
    return _parse(path, content)


class LockedKeys(NamedTuple):
    """The file of keys while no other command can change it."""

    keys: Sequence[Key]
    replace: Callable[[Sequence[Key]], None]
    """Replaces all keys in one step, and creates the file if there is none."""


@contextmanager
def locked_keys(path: Path) -> Iterator[LockedKeys]:
    """The keys of a file, locked; raises KeysUnusable."""
    with locked(path) as target:
        yield LockedKeys(read_keys(path) if target.exists() else (), partial(_write, target))


def make_key(name: str, scopes: Sequence[Scope], days: float | None = None) -> tuple[str, Key]:
    """A new key, and what is stored of it; raises ValidationError for an invalid name."""
    id_, now = secrets.token_hex(6), datetime.now(UTC)
    text = f"{_PREFIX}{id_}_{secrets.token_urlsafe(32)}"
    key = Key(
        id=id_,
        name=name,
        sha256=_hash(text.encode()),
        scopes=tuple(scopes),
        created_utc=_utc_text(now),
        expires_utc=None if days is None else _utc_text(now + timedelta(days=days)),
    )
    return text, key


def revoked(key: Key) -> Key:
    """The key as it stays in the file after it was revoked now."""
    return key.model_copy(update={"revoked_utc": _utc_text(datetime.now(UTC))})


class _Table(NamedTuple):
    """The keys by id and by hash."""

    by_id: Mapping[str, Key]
    by_hash: Mapping[str, Key]
    """Only keys without an id."""

    def find(self, text: bytes) -> Key | None:
        """The key with this text, if there is one.

        The time may reveal which identifiers exist, which is not secret. The hash is compared in constant
        time.
        """
        given = _hash(text)
        key = self.by_id.get(_id_in(text)) or self.by_hash.get(given)
        is_it = hmac.compare_digest(_NO_HASH if key is None else key.sha256, given)
        return key if is_it else None


class Keyring:
    """The keys of a file, kept up to date."""

    def __init__(self, path: Path, settled_s: float = _SETTLED_S) -> None:
        """Read the file; raises KeysUnusable."""
        self._path = path
        self._settled_s = settled_s
        self._stamp: Stamp | None = None
        self._first_read = 0.0
        """When the file was first read with this stamp."""
        self._is_settled = False
        """Whether an equal stamp proves that the file is unchanged."""
        self.digest = b""
        """SHA-256 of the content whose keys are in use."""
        self._last_error: str | None = None
        self._closing = Event()
        self._table = _Table({}, {})
        self._read()

    def watch(self) -> None:
        """Follow changes of the file in a thread, until ``close``."""
        Thread(target=self._watch, name="keys", daemon=True).start()

    def close(self) -> None:
        """Stop following the file."""
        self._closing.set()

    def find(self, text: bytes) -> Key | None:
        """The valid key with this text, found by one look-up for any number of keys."""
        key = self._table.find(text)
        return key if key is not None and key.is_valid else None

    def find_any(self, text: bytes) -> Key | None:
        """The key with this text, also if it has expired or was revoked."""
        return self._table.find(text)

    def refresh(self) -> None:
        """Read the file if it changed. While it cannot be read, the keys stay as they were."""
        try:
            if not (self._is_settled and stamp(self._path) == self._stamp):
                self._read()
        except KeysUnusable as error:
            # The keys that were valid stay valid until the file can be read.
            self._stamp, self._is_settled = None, False
            if str(error) != self._last_error:
                logger.error("%s The keys stay as they were.", error)
            self._last_error = str(error)
        else:
            if self._last_error is not None:
                logger.warning("The API keys %s can be read again.", self._path)
            self._last_error = None

    def _watch(self) -> None:
        while not self._closing.wait(_REFRESH_INTERVAL_S):
            try:
                self.refresh()
            except Exception:
                # If this thread ended, every revoked key would go on working.
                logger.exception("The API keys %s could not be refreshed.", self._path)

    def _read(self) -> None:
        began = monotonic()
        content, seen = read_file(self._path)
        digest = sha256(content).digest()
        if digest != self.digest:
            self._table = _table(_parse(self._path, content))
            self.digest = digest
        if seen != self._stamp:
            self._stamp, self._first_read = seen, began
        self._is_settled = began - self._first_read > self._settled_s


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
            if not len(keys) % _KEYS_PER_TURN:
                sleep(0)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (*place, *first["loc"])))
        raise KeysUnusable(path, f"{where}: {first['msg']}" if where else first["msg"]) from error
    except ValueError as error:
        raise KeysUnusable(path, f"it is not JSON: {error}") from error
    return keys


def _write(target: Path, keys: Sequence[Key]) -> None:
    text = _File(keys=[key.model_dump(exclude_none=True) for key in keys]).model_dump_json(indent=2)
    replace_file(target, f"{text}\n".encode())


def _utc_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _id_in(text: bytes) -> str:
    """The identifier within a key, or any text in its place."""
    _, _, rest = text.partition(b"_")
    return rest.partition(b"_")[0].decode("latin-1")


def _hash(text: bytes) -> str:
    return sha256(text).hexdigest()
