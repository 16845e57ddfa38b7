"""A copy of the log, whole and of one moment, made while it is written."""

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
        _take_name(part, target)
    except FileExistsError as error:
        raise AuditMisuse(f"{target} exists already, and a backup replaces nothing") from error
    except (OSError, apsw.Error) as error:
        raise AuditMisuse(f"The log cannot be copied to {target}: {error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _copy(connection: apsw.Connection, part: Path) -> None:
    with closing(apsw.Connection(str(part.absolute()))) as copy:
        # One snapshot: without it every commit of another process would make the copy start anew.
        with connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            with copy.backup("main", connection, "main") as backup:
                while not backup.done:
                    backup.step(_PAGES_PER_STEP)
        copy.pragma("journal_mode", "DELETE")  # The copy is one file; opened as a log it turns to WAL again.


def free_name(path: Path, number: int) -> Path:
    """Where the backup of a log goes before its schema is changed."""
    first = path.with_name(f"{path.name}.v{number}.bak")
    name, again = first, 1
    while name.exists():
        again += 1
        name = first.with_name(f"{first.name}.{again}")
    return name


def _take_name(part: Path, target: Path) -> None:
    os.link(part, target)  # Unlike a rename it never replaces a file.
    sync(target.parent)
