"""``python -m service.access``: make, list and revoke API keys.

Exit code 0; 2 with one sentence on stderr if a command cannot do what it is asked to.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from pydantic import ValidationError

from service.access.keyring import changing_keys, make_key, read_keys
from service.errors import KeyMisuse
from service.routes import SCOPES, Scope
from service.system.command_line import HELP, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    return run(access, "python -m service.access", arguments)


@click.group(context_settings=HELP)
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="the file of hashed keys; by default TABENTO_API_KEYS_FILE",
)
@click.pass_context
def access(context: click.Context, file: Path | None) -> None:
    """Make, list and revoke API keys."""
    context.obj = file


def _path(file: Path | None) -> Path:
    if file is None:
        from service.settings import load_settings

        file = load_settings().api_keys_file
    if file is None:
        raise KeyMisuse("No file of keys is named: set TABENTO_API_KEYS_FILE, or give --file")
    return file


@access.command
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    default=["predict"],
    help="may be repeated; by default predict; admin includes all",
)
@click.pass_obj
def new(file: Path | None, name: str, scopes: Sequence[Scope]) -> None:
    """Make a key for NAME, show it once and keep its hash. The audit log records the name."""
    try:
        text, key = make_key(name, sorted(set(scopes), key=SCOPES.index))
    except ValidationError as error:
        raise KeyMisuse(f"{name!r} is no name: at most 64 letters, digits, dots, _ and -") from error
    path = _path(file)
    with changing_keys(path) as keys:
        if any(each.name == name for each in keys):
            raise KeyMisuse(f"{path} has a key named {name!r} already")
        keys.append(key)
    sys.stderr.write(f"{name} may {', '.join(key.scopes)}. The key is shown this once:\n")
    sys.stdout.write(f"{text}\n")


@access.command
@click.argument("name")
@click.pass_obj
def revoke(file: Path | None, name: str) -> None:
    """Revoke the key of NAME, which stops working within a second."""
    path = _path(file)
    if not path.exists():
        read_keys(path)  # Raises, with the reason.
    with changing_keys(path) as keys:
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            raise KeyMisuse(f"{path} has no key named {name!r}")
        keys[:] = kept


@access.command("list")
@click.pass_obj
def list_(file: Path | None) -> None:
    """List the names, scopes, dates and identifiers of the keys."""
    for key in read_keys(_path(file)):
        sys.stdout.write(f"{key.name}\t{','.join(key.scopes)}\t{key.created_utc}\t{key.id or '-'}\n")


if __name__ == "__main__":
    sys.exit(main())
