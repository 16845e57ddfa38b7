"""Files that nobody but their owner may read or write: the log, what SQLite keeps beside it, its copies.

SQLite makes a database that all may read, as far as the umask lets it, and gives the files beside it the
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
    """Take everybody else's rights to a database away, and make it, empty, if it is to be made.

    A file that belongs to somebody else is left as it is, and what cannot be made is for others to refuse.
    """
    if create:
        with suppress(OSError):
            # Only one that is new: closing a database that this process has open loses its locks.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
    for file in (path, wal_path(path), shm_path(path)):
        with suppress(OSError):
            mode = S_IMODE(file.stat().st_mode)
            if mode & _OTHERS:
                file.chmod(mode & ~_OTHERS)
