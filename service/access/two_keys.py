"""The proof that persons agree to an act: valid keys that they show, in files."""

from collections.abc import Sequence
from pathlib import Path

from service.access.keyfile import read_file
from service.access.keyring import Key, Keyring
from service.errors import KeyMisuse
from service.routes import Scope

_COUNT = 2
_SCOPE: Scope = "privacy"


def names_of_two_keys(keys_file: Path | None, shown: Sequence[Path]) -> tuple[str, ...]:
    """The names of the keys of the scope ``privacy`` in the two files; raises KeyMisuse, or KeysUnusable."""
    if keys_file is None:
        raise KeyMisuse("--key-file needs TABENTO_API_KEYS_FILE, which is not set")
    if len(shown) != _COUNT:
        raise KeyMisuse(
            "This needs the keys of two persons: give --key-file twice, each with a file that holds a key "
            f"with the scope {_SCOPE}"
        )
    keyring = Keyring(keys_file)
    names = tuple(_valid_key(keyring, path, _SCOPE).name for path in shown)
    if len({*names}) != _COUNT:
        raise KeyMisuse(f"{shown[0]} and {shown[1]} hold the same key, and two persons have different ones")
    return names


def name_of_shown_key(keys_file: Path | None, shown: Path, scope: Scope) -> str:
    """The name of the key of this scope in a file; raises KeyMisuse, or KeysUnusable."""
    if keys_file is None:
        raise KeyMisuse("--key-file needs TABENTO_API_KEYS_FILE, which is not set")
    return _valid_key(Keyring(keys_file), shown, scope).name


def _valid_key(keyring: Keyring, path: Path, scope: Scope) -> Key:
    content, _ = read_file(path)
    key = keyring.find(content.strip())
    if key is None or not key.allows(scope):
        raise KeyMisuse(f"{path} holds no valid key with the scope {scope}")
    return key
