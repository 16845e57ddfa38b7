"""``python -m service.access``: make, list and revoke API keys.

Exit code 0; 2 with one sentence on stderr where a command cannot do what it is asked for.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from service.access.keyring import Key, changing_keys, make_key, read_keys
from service.errors import KeyMisuse, StartError
from service.routes import SCOPES, Scope


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        path: Path = options.file or _configured_path()
        if options.command == "new":
            _new(path, options.name, options.scope or ["predict"])
        elif options.command == "revoke":
            _revoke(path, options.name)
        else:
            _list(path)
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _new(path: Path, name: str, scopes: Sequence[Scope]) -> None:
    try:
        text, key = make_key(name, sorted(set(scopes), key=SCOPES.index))
    except ValidationError as error:
        raise KeyMisuse(f"{name!r} is no name: at most 64 letters, digits, dots, _ and -") from error
    with changing_keys(path) as keys:
        if any(each.name == name for each in keys):
            raise KeyMisuse(f"{path} has a key named {name!r} already")
        keys.append(key)
    sys.stderr.write(f"{name} may {', '.join(key.scopes)}. The key is shown this once:\n")
    sys.stdout.write(f"{text}\n")


def _revoke(path: Path, name: str) -> None:
    if not path.exists():
        read_keys(path)  # Says so.
    with changing_keys(path) as keys:
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            raise KeyMisuse(f"{path} has no key named {name!r}")
        keys[:] = kept


def _list(path: Path) -> None:
    keys: list[Key] = read_keys(path)
    for key in keys:
        sys.stdout.write(f"{key.name}\t{','.join(key.scopes)}\t{key.created_utc}\t{key.id or '-'}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.access", description="Make and revoke API keys.")
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="of hashed keys; by default TABENTO_API_KEYS_FILE"
    )
    added = parser.add_subparsers(dest="command", required=True)
    one = added.add_parser("new", help="make a key, show it once, and keep its hash")
    one.add_argument("name", metavar="NAME", help="who it is for; the audit log has it")
    one.add_argument(
        "--scope", action="append", choices=SCOPES, help="may be repeated; by default predict; admin is all"
    )
    one = added.add_parser("revoke", help="have a key no longer work, within a second")
    one.add_argument("name", metavar="NAME")
    added.add_parser("list", help="the names, scopes, ages and identifiers of the keys")
    return parser


def _configured_path() -> Path:
    from service.settings import load_settings

    path = load_settings().api_keys_file
    if path is None:
        raise KeyMisuse("No file of keys is named: set TABENTO_API_KEYS_FILE, or give --file")
    return path


if __name__ == "__main__":
    sys.exit(main())
