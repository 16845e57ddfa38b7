"""A copy of the log as of one moment, made while the log is written."""

import os
from contextlib import closing, suppress
from pathlib import Path

import apsw

from service.audit.file.permissions import make_private
from service.errors import AuditMisuse
from service.system.durable import sync

_PAGES_PER_STEP = 1_000


def back_up(connection: apsw.Connection, target: Path) -> None:
    """Copy the log of the connection to a file that must not exist yet; raises AuditMisuse.

    The file appears under its name when it is complete and on disk.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        make_private(part, create=True)
        _copy(connection, part)
        sync(part)
        _publish(part, target)
    except FileExistsError as error:
        raise AuditMisuse(f"{target} exists already, and a backup replaces nothing") from error
    except (OSError, apsw.Error) as error:
        raise AuditMisuse(f"The log cannot be copied to {target}: {error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _copy(connection: apsw.Connection, part: Path) -> None:
    with closing(apsw.Connection(str(part.absolute()))) as copy:
        # Without a snapshot, every commit of another process restarts the copy.
        with connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            with copy.backup("main", connection, "main") as backup:
                while not backup.done:
                    backup.step(_PAGES_PER_STEP)
        copy.pragma("journal_mode", "DELETE")  # The copy is a single file. The service turns it to WAL again.


def free_name(path: Path, number: int) -> Path:
    """A free name for the copy of a log that is to be migrated: ``audit.db.v1.bak``, then ``.bak.2``."""
    base = path.with_name(f"{path.name}.v{number}.bak")
    name, number_of_copy = base, 1
    while name.exists():
        number_of_copy += 1
        name = base.with_name(f"{base.name}.{number_of_copy}")
    return name


def _publish(part: Path, target: Path) -> None:
    os.link(part, target)  # Unlike a rename, it never replaces a file.
    sync(target.parent)
