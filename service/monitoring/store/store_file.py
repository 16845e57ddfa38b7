"""Opens the file of monitoring, or refuses it with the reason.

It is in WAL mode, so that readers never wait for the collector. A commit is not awaited on the disk: a file
that loses its last commits has the position of before them too, and goes on from there.
"""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw

from service.audit.file.permissions import make_private
from service.audit.file.side_files import shm_path, wal_path
from service.errors import MonitoringNotWritable, MonitoringUnusable
from service.monitoring.store.store_schema import APPLICATION_ID, FORMAT, TABLES

_BUSY_TIMEOUT_MS = 4_000
_WAL_LIMIT_BYTES = 16 * 1024**2
_MAGIC = b"SQLite format 3\0"
_ID_AT = 68
"""Offset of the application id in the header of the file."""
_HEADER_BYTES = 100
_BEGIN = "INSERT INTO position VALUES (?, ?, 0, 0, x'', 0, '', 0)"

_logger = logging.getLogger(__name__)


def open_for_collecting(path: Path, log_id: str, slot_s: int) -> apsw.Connection:
    """Open the file that belongs to a log; make it anew if it is of another log or format, or damaged.

    Raises MonitoringNotWritable, also for a file that is not of monitoring, which is left as it is.
    """
    with errors_as_not_writable(path):
        if _has_content(path):
            _refuse_foreign(path)
            if (reason := _why_useless(path, log_id, slot_s)) is None:
                return _connection(path)
            remove(path, reason)
        return _create(path, log_id, slot_s)


def remove(path: Path, reason: str) -> None:
    """Remove a file of monitoring, which is made again from the log.

    Raises MonitoringNotWritable, OSError.
    """
    if _has_content(path):
        _refuse_foreign(path)
    _logger.warning("the file of monitoring %s is made again from the log: %s", path, reason)
    for file in (path, wal_path(path), shm_path(path)):
        file.unlink(missing_ok=True)


def open_for_reading(path: Path) -> apsw.Connection:
    """Open the file read-only; raises MonitoringUnusable, also if there is none."""
    if not path.exists():
        raise MonitoringUnusable(path, "there is no such file")
    try:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(f"{path.absolute().as_uri()}?mode=ro", flags=flags)
        with _closing_on_error(connection):
            connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
            if connection.pragma("application_id") != APPLICATION_ID:
                raise MonitoringUnusable(path, "it is not a file of monitoring")
            if connection.pragma("user_version") != FORMAT:
                raise MonitoringUnusable(path, "it is of another version, and is made again by the service")
    except apsw.Error as error:
        raise MonitoringUnusable(path, str(error)) from error
    return connection


@contextmanager
def errors_as_not_writable(path: Path, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise errors of apsw and of the file system as MonitoringNotWritable, except for some."""
    try:
        yield
    except but:
        raise
    except apsw.Error as error:
        raise MonitoringNotWritable(path, str(error)) from error
    except OSError as error:
        raise MonitoringNotWritable(path, f"{error.filename}: {error.strerror}") from error


def _has_content(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_size > 0
    return False


def _refuse_foreign(path: Path) -> None:
    # The header is read from the file, because a damaged file cannot be opened.
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    its_id = int.from_bytes(header[_ID_AT : _ID_AT + 4])
    if not header.startswith(_MAGIC) or its_id != APPLICATION_ID:
        raise MonitoringNotWritable(path, "it is not a file of monitoring")


def _why_useless(path: Path, log_id: str, slot_s: int) -> str | None:
    try:
        with closing(_connection(path)) as connection:
            if connection.pragma("user_version") != FORMAT:
                return "it is of another version"
            found = connection.execute("SELECT log_id, slot_s FROM position").get
            if found[0] != log_id:
                return "it is of another log"
            return None if found[1] == slot_s else "its windows have another length"
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, TypeError) as error:
        return f"it is damaged ({error})"


def _create(path: Path, log_id: str, slot_s: int) -> apsw.Connection:
    for file in (wal_path(path), shm_path(path)):
        file.unlink(missing_ok=True)  # Of a file that was deleted; SQLite would move it into the new one.
    make_private(path, create=True)
    connection = apsw.Connection(str(path.absolute()))
    with _closing_on_error(connection):
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        connection.pragma("application_id", APPLICATION_ID)  # First: it says whose file it is.
    connection.close()
    connection = _connection(path)
    with _closing_on_error(connection), connection:
        connection.execute(TABLES)
        connection.execute(_BEGIN, (log_id, slot_s))
        connection.pragma("user_version", FORMAT)
    return connection


def _connection(path: Path) -> apsw.Connection:
    make_private(path)
    connection = apsw.Connection(str(path.absolute()))
    with _closing_on_error(connection):
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        connection.pragma("journal_mode", "WAL")
        connection.pragma("synchronous", "NORMAL")
        connection.pragma("secure_delete", True)
        connection.pragma("journal_size_limit", _WAL_LIMIT_BYTES)
    return connection


@contextmanager
def _closing_on_error(connection: apsw.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
