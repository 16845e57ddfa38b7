"""The key that signs the checkpoints of a log: Ed25519, in a private file beside the log.

The package ``cryptography`` is imported here alone, when a checkpoint is signed or checked: a worker starts
without it.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from service.audit.file.permissions import PRIVATE
from service.errors import SigningKeyUnusable
from service.system.durable import sync

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def default_key_file(log: Path) -> Path:
    """The key file of a log without TABENTO_AUDIT_SIGNING_KEY_FILE."""
    return log.with_name(f"{log.name}-signing-key.pem")


class SigningKey:
    """The private key of a log."""

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of a message."""
        return self._key.sign(message)


def load_key(path: Path, *, create: bool = False) -> SigningKey:
    """Read the key of a file; with ``create``, make it if there is no file; raises SigningKeyUnusable."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if create and not path.exists():
            _create(path)
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise SigningKeyUnusable(path, str(error.strerror)) from error
    except (ValueError, TypeError) as error:
        raise SigningKeyUnusable(path, "it is not a private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyUnusable(path, "it is not an Ed25519 key")
    return SigningKey(key)


def is_signature(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature of a message is that of a public key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _create(path: Path) -> None:
    """Write a new key; the file appears under its name when it is complete and on disk."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE), "wb") as file:
            file.write(pem)
        sync(part)
        with suppress(FileExistsError):  # Another process made it at the same time.
            os.link(part, path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)
