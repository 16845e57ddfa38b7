"""A real PostgreSQL: Debian's package, with a cluster of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.support.programs import path_of
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE_S, await_true

USER, PASSWORD = "reader", "quite secret"
_SETTINGS = ("-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")


@contextmanager
def postgresql() -> Iterator[str]:
    """While it lasts, a server; gives the address of its database, with user and password."""
    programs = _programs()
    with TemporaryDirectory(dir="/tmp") as folder:
        data, port = Path(folder) / "data", free_port()
        secret = Path(folder) / "secret"
        secret.write_text(PASSWORD)
        _give_to_server(Path(folder), secret)
        _run(
            [
                str(programs / "initdb"),
                "-D",
                str(data),
                "-U",
                USER,
                "-A",
                "scram-sha-256",
                f"--pwfile={secret}",
            ]
        )
        command = _as_server([str(programs / "postgres"), "-D", str(data), "-p", str(port), *_SETTINGS])
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        address = f"postgresql://{USER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/postgres"
        try:
            await_true(lambda: _takes_connections(address), "PostgreSQL takes connections")
            yield address
        finally:
            server.terminate()
            server.wait(PATIENCE_S)


def _programs() -> Path:
    """The folder of the server's programs, which Debian does not put on the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else Path(path_of("postgres")).parent


def _as_server(command: Sequence[str]) -> list[str]:
    # The server refuses to run as root.
    other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if _is_root() else []
    return [*other, *command]


def _is_root() -> bool:
    return os.getuid() == 0


def _give_to_server(*paths: Path) -> None:
    if _is_root():
        for path in paths:
            shutil.chown(path, "postgres", "postgres")


def _run(command: Sequence[str]) -> None:
    subprocess.run(_as_server(command), check=True, capture_output=True, timeout=PATIENCE_S)


def _takes_connections(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True
