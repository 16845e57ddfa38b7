"""API keys made by the real command, and services that ask for them."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.support.servers import PROJECT, Serve, Server

SCOPES = ("predict", "read")


class Keyed(NamedTuple):
    """A service with keys: one for each scope, and one for both."""

    server: Server
    keys: dict[str, str]
    both: str


def new_key(file: Path, name: str, scope: str) -> str:
    return keys_command(file, "new", name, "--scope", scope)


def revoke_key(file: Path, name: str) -> None:
    keys_command(file, "revoke", name)


def keys_command(file: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "service.access", "--file", str(file), *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def serve_with_keys(serve: Serve, model: str, folder: Path, **settings: str) -> Keyed:
    """Serve a model to those who have a key of the file ``keys.json`` in the folder."""
    file = folder / "keys.json"
    keys = {scope: new_key(file, scope, scope) for scope in SCOPES}
    scopes = [option for scope in SCOPES for option in ("--scope", scope)]
    both = keys_command(file, "new", "both", *scopes)
    server = serve(model=model, TABENTO_API_KEYS_FILE=str(file), is_measured=True, **settings)
    return Keyed(server, keys, both)
