"""Keeps the log, the files beside it and its copies private to their owner.

SQLite creates a database that all may read, as far as the umask allows it, and gives the files beside it the
mode of the database.
"""

import os
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE

from service.audit.file.side_files import shm_path, wal_path

PRIVATE = 0o600
_OTHERS = 0o077


def make_private(path: Path, *, create: bool = False) -> None:
    """Remove all rights of others to a database; with ``create``, create it empty if it does not exist.

    The file of another owner is left unchanged. If the file cannot be created, SQLite reports the reason
    later.
    """
    if create:
        with suppress(OSError):
            # Only a new file: to close any descriptor of an open database drops this process's locks on it.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
    for file in (path, wal_path(path), shm_path(path)):
        with suppress(OSError):
            mode = S_IMODE(file.stat().st_mode)
            if mode & _OTHERS:
                file.chmod(mode & ~_OTHERS)
