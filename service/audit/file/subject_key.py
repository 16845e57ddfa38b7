"""Persons in the log: a keyed hash of the identifier that a client sends, never the identifier itself.

The hash is HMAC-SHA256 with a random key that is kept in a file of its own, not in the log. Without the key,
nobody can find out whose records are in a log by trying identifiers. A lost key cannot be replaced: the
records of a person are no longer found by the identifier.
"""

import os
import re
from contextlib import suppress
from hmac import digest
from pathlib import Path
from secrets import token_bytes

from service.audit.file.permissions import PRIVATE, make_private
from service.errors import SubjectKeyUnusable
from service.system.durable import sync

SUBJECT_RULE = "sent once, as 1 to 256 visible ASCII characters without commas"
"""A proxy joins two headers of one name with a comma."""

_IDENTIFIER = re.compile(rb"[!-+\--~]{1,256}")
_HASH = re.compile(r"[0-9a-f]{64}")
_KEY_BYTES = 32


def key_path(configured: Path | None, log: Path) -> Path:
    """The file of the key: the configured one, else one beside the log."""
    return configured or log.with_name(f"{log.name}.subject-key")


def is_subject_hash(text: str) -> bool:
    """Whether a text has the form of a person's hash."""
    return _HASH.fullmatch(text) is not None


class SubjectKey:
    """The key by which identifiers of persons are hashed."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def read(cls, path: Path) -> "SubjectKey":
        """Read the key from its file; raises SubjectKeyUnusable."""
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise SubjectKeyUnusable(path, getattr(error, "strerror", None) or "it is not text") from error
        if not _HASH.fullmatch(text.strip()):
            raise SubjectKeyUnusable(path, f"it does not hold {_KEY_BYTES} bytes as hexadecimal digits")
        return cls(bytes.fromhex(text))

    @classmethod
    def read_or_create(cls, path: Path) -> "SubjectKey":
        """Read the key; create it, on disk and for its owner alone, if there is none."""
        if not path.exists():
            _create(path)
        make_private(path)
        return cls.read(path)

    def hashed(self, identifiers: tuple[bytes, ...]) -> str | None:
        """The hash of the one identifier, in hexadecimal; None if there are several or it is not valid."""
        if len(identifiers) != 1 or not _IDENTIFIER.fullmatch(identifiers[0]):
            return None
        return digest(self._key, identifiers[0], "sha256").hex()


def _create(path: Path) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, PRIVATE), "w") as file:
            file.write(f"{token_bytes(_KEY_BYTES).hex()}\n")
        sync(part)
        with suppress(FileExistsError):  # Another process was first.
            os.link(part, path)  # Unlike a rename, it never replaces a key.
        sync(path.parent)
    except OSError as error:
        raise SubjectKeyUnusable(path, f"it cannot be created: {error.strerror}") from error
    finally:
        with suppress(OSError):  # The file system is read-only.
            part.unlink(missing_ok=True)
