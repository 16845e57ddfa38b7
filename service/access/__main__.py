"""``python -m service.access``: make, list and revoke API keys.

Each change is an act in the ledger of the audit log. Exit code 0; 2 with one sentence on stderr if a command
cannot do what it is asked to.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import click
from pydantic import Field, TypeAdapter, ValidationError

from service.access.keyring import Key, LockedKeys, locked_keys, make_key, read_keys, revoked
from service.audit.act import Act, Actor
from service.audit.commands.actors import claim_options
from service.audit.write.key_acts import key_act, record_change
from service.errors import AuditUnusable, KeyMisuse
from service.routes import SCOPES, Scope
from service.system.command_line import HELP, Checked, run

_FILE = click.Path(path_type=Path)
_DAYS = Checked("DAYS", TypeAdapter(Annotated[float, Field(gt=0, le=36_500, allow_inf_nan=False)]))


class _Paths(NamedTuple):
    file: Path | None
    db: Path | None

    @property
    def keys(self) -> Path:
        path = self.file
        if path is None:
            from service.settings import load_settings

            path = load_settings().api_keys_file
        if path is None:
            raise KeyMisuse("No file of keys is named: set TABENTO_API_KEYS_FILE, or give --file")
        return path

    @property
    def log(self) -> Path:
        if self.db is not None:
            return self.db
        from service.settings import load_settings

        return load_settings().audit_db


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    return run(access, "python -m service.access", arguments)


@click.group(context_settings=HELP)
@click.option(
    "--file", type=_FILE, metavar="FILE", help="the file of hashed keys; by default TABENTO_API_KEYS_FILE"
)
@click.option(
    "--db", type=_FILE, metavar="PATH", help="the log that states each change; by default TABENTO_AUDIT_DB"
)
@click.pass_context
def access(context: click.Context, file: Path | None, db: Path | None) -> None:
    """Make, list and revoke API keys."""
    context.obj = _Paths(file, db)


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
@click.option("--days", type=_DAYS, metavar="DAYS", help="valid for so long; by default until it is revoked")
@claim_options
@click.pass_obj
def new(
    paths: _Paths, name: str, scopes: Sequence[Scope], days: float | None, actor: Actor, reason: str
) -> None:
    """Make a key for NAME, show it once and keep its hash. The audit log records the name."""
    try:
        text, key = make_key(name, sorted(set(scopes), key=SCOPES.index), days)
    except ValidationError as error:
        raise KeyMisuse(f"{name!r} is no name: at most 64 letters, digits, dots, _ and -") from error
    with locked_keys(paths.keys) as locked:
        if same := [each for each in locked.keys if each.name == name]:
            before = "" if same[0].is_valid else f" ({_state(same[0])}), and a name is not used again"
            raise KeyMisuse(f"{paths.keys} has a key named {name!r} already{before}")
        _change(paths.log, locked, [*locked.keys, key], key_act("made", key, actor, reason))
    until = f" until {key.expires_utc}" if key.expires_utc else ""
    sys.stderr.write(f"{name} may {', '.join(key.scopes)}{until}. The key is shown this once:\n")
    sys.stdout.write(f"{text}\n")


@access.command
@click.argument("name")
@claim_options
@click.pass_obj
def revoke(paths: _Paths, name: str, actor: Actor, reason: str) -> None:
    """Revoke the key of NAME, which stops working within a second. Its name is not used again."""
    if not paths.keys.exists():
        read_keys(paths.keys)  # Raises, with the reason.
    with locked_keys(paths.keys) as locked:
        keys = {key.name: key for key in locked.keys}
        if name not in keys:
            raise KeyMisuse(f"{paths.keys} has no key named {name!r}")
        if keys[name].revoked_utc is not None:
            raise KeyMisuse(f"The key {name!r} of {paths.keys} was revoked before ({_state(keys[name])})")
        key = revoked(keys[name])
        after = [key if each.name == name else each for each in locked.keys]
        _change(paths.log, locked, after, key_act("revoked", key, actor, reason))


@access.command("list")
@click.pass_obj
def list_(paths: _Paths) -> None:
    """List the names, scopes, dates, identifiers and states of the keys."""
    for key in read_keys(paths.keys):
        sys.stdout.write(
            f"{key.name}\t{','.join(key.scopes)}\t{key.created_utc}\t{key.id or '-'}\t{_state(key)}\n"
        )


def _state(key: Key) -> str:
    if key.revoked_utc is not None:
        return f"revoked {key.revoked_utc}"
    if key.expires_utc is not None:
        return f"{'expired' if key.has_expired else 'valid until'} {key.expires_utc}"
    return "valid"


def _change(db: Path, locked: LockedKeys, keys: Sequence[Key], act: Act) -> None:
    """Replace the keys together with the act, or with a warning if the log cannot be written."""
    is_replaced = False

    def replace() -> None:
        nonlocal is_replaced
        locked.replace(keys)
        is_replaced = True

    try:
        record_change(db, locked.keys, act, replace)
    except AuditUnusable as error:
        if not is_replaced:
            replace()
        sys.stderr.write(
            f"The ledger of the audit log {db} does not state this change: {error.reason}. The service "
            "states at its next start which keys it finds.\n"
        )


if __name__ == "__main__":
    sys.exit(main())
