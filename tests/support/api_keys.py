"""API keys made by the real command, and services that ask for them."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.support.servers import PROJECT, Serve, Server

SCOPES = ("predict", "read", "metrics")
CLAIM = ("--by", "ada", "--reason", "a test")


class Keyed(NamedTuple):
    """A service with keys: one for each of the scopes, and one for all of them."""

    server: Server
    keys: dict[str, str]
    both: str


def new_key(file: Path, name: str, scope: str) -> str:
    return keys_command(file, "new", name, "--scope", scope, *CLAIM)


def revoke_key(file: Path, name: str) -> None:
    keys_command(file, "revoke", name, *CLAIM)


def keys_command(file: Path, *arguments: str, db: Path | None = None) -> str:
    """Run one command; without a log, unless one is named."""
    paths = ["--file", str(file), "--db", str(db or file.with_name("no-audit.db"))]
    command = [sys.executable, "-m", "service.access", *paths, *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def serve_with_keys(serve: Serve, model: str, folder: Path, **settings: str) -> Keyed:
    """Serve a model to those who have a key of the file ``keys.json`` in the folder."""
    file = folder / "keys.json"
    keys = {scope: new_key(file, scope, scope) for scope in SCOPES}
    scopes = [option for scope in SCOPES for option in ("--scope", scope)]
    both = keys_command(file, "new", "both", *scopes, *CLAIM)
    server = serve(model=model, TABENTO_API_KEYS_FILE=str(file), is_measured=True, **settings)
    return Keyed(server, keys, both)
