"""Opens the log's file for writing or for reading, or refuses it with the reason.

The file is in WAL mode, so that readers never wait for writers nor writers for readers. ``synchronous=FULL``
makes a commit survive the loss of power, so the record of a response that was sent is on disk.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, sleep

import apsw

from service.audit.file import schema
from service.audit.file.permissions import make_private
from service.errors import AuditUnusable

BUSY_TIMEOUT_MS = 4_000
"""How long a process waits for the write lock. Others hold it for one commit, some milliseconds. It is less
than SILENCE_LIMIT_S (write/link.py), so that a process that waits is distinguished from one that hangs."""

_CHECKPOINT_PAGES = 4_000
"""Length of the WAL, 16 MB, at which a commit also runs a checkpoint. At SQLite's default of 4 MB, about
every tenth commit under load does, and moves index pages that the next commit changes again."""

WAL_LIMIT_BYTES = 64 * 1024**2
"""Length to which the WAL is truncated after a burst, or after a reader that delayed a checkpoint."""

_REASONS: dict[type[apsw.Error], str] = {
    apsw.NotADBError: "it is not a SQLite database",
    apsw.CantOpenError: "there is no file that can be opened or created",
    apsw.ReadOnlyError: "it cannot be written to",
    apsw.BusyError: "another process keeps it locked",
    apsw.FullError: "the disk is full",
    apsw.CorruptError: "it is damaged",
}


def open_for_writing(
    path: Path, busy_timeout_ms: int = BUSY_TIMEOUT_MS, sync: str = "full"
) -> apsw.Connection:
    """Open the log; create it and migrate it to the latest schema if necessary; raises AuditUnusable."""
    with errors_as_unusable(path):
        make_private(path, create=True)
        # An absolute path, because SQLite gives names such as ":memory:" another meaning.
        connection = apsw.Connection(str(path.absolute()))
        with _closing_on_error(connection):
            wait = _busy_handler(busy_timeout_ms)
            connection.set_busy_handler(wait)
            if connection.readonly("main"):
                raise AuditUnusable(path, _REASONS[apsw.ReadOnlyError])
            with connection:  # One snapshot: another worker may be migrating the file.
                number = _number(connection, path)
                _check_schema(connection, path, number)
            _use_wal(connection, wait)
            connection.pragma("synchronous", sync.upper())
            connection.pragma("secure_delete", True)  # Overwrites deleted content (keep/erasure.py).
            connection.pragma("journal_size_limit", WAL_LIMIT_BYTES)
            connection.wal_autocheckpoint(_CHECKPOINT_PAGES)
            if number < schema.latest_number():
                schema.migrate(connection)
    return connection


def open_for_reading(path: Path) -> apsw.Connection:
    """Open the log read-only; raises AuditUnusable, also if there is no log.

    A reader leaves ``-wal`` and ``-shm`` files behind even if nobody writes the log: SQLite needs them to
    read, and a read-only connection may not delete them. The next writer uses them.
    """
    if not path.exists():
        raise AuditUnusable(path, "there is no such file")
    with errors_as_unusable(path):
        make_private(path)
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(f"{path.absolute().as_uri()}?mode=ro", flags=flags)
        with _closing_on_error(connection):
            connection.set_busy_timeout(BUSY_TIMEOUT_MS)
            if not (number := _number(connection, path)):
                reason = "the service has to be started on it once"
                if path.stat().st_size:
                    reason = "the file is damaged, or its -wal file is missing"
                raise AuditUnusable(path, f"there is no log in it; {reason}")
            if number < schema.latest_number():
                raise AuditUnusable(
                    path, "its schema is older than this service, which has to be started on it once"
                )
    return connection


@contextmanager
def errors_as_unusable(path: Path) -> Iterator[None]:
    """Raise errors of apsw and of the file system as AuditUnusable, with the reason as a sentence."""
    if path.is_dir():
        raise AuditUnusable(path, "it is a folder")
    try:
        yield
    except schema.ForeignDatabase as error:
        raise AuditUnusable(path, "it is a SQLite database of something else") from error
    except apsw.Error as error:
        raise AuditUnusable(path, _REASONS.get(type(error), str(error))) from error
    except OSError as error:
        raise AuditUnusable(path, f"{error.filename}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AuditUnusable(path, "a text in it is not UTF-8; `verify` names the record") from error


def _number(connection: apsw.Connection, path: Path) -> int:
    number, latest = schema.schema_number(connection), schema.latest_number()
    if number > latest:
        raise AuditUnusable(path, f"its schema is number {number}, and this service knows only {latest}")
    return number


def _check_schema(connection: apsw.Connection, path: Path, number: int) -> None:
    # An empty file has no schema, and another application's database raised ForeignDatabase before.
    missing = schema.missing_items(connection, number) if number else []
    if missing:
        names = ", ".join(map(str, missing))
        raise AuditUnusable(
            path,
            f"its schema has the number {number}, and is not what that number stands for ({names}): it was "
            "changed, or made by a version that was not released, which can still export it",
        )


@contextmanager
def busy_timeout(connection: apsw.Connection, timeout_ms: int, after_ms: int) -> Iterator[None]:
    """Use another timeout for locks inside, and ``after_ms`` afterwards."""
    connection.set_busy_handler(_busy_handler(timeout_ms))
    try:
        yield
    finally:
        connection.set_busy_handler(_busy_handler(after_ms))


def _busy_handler(busy_timeout_ms: int) -> Callable[[int], bool]:
    # SQLite's own handler sleeps longer after each attempt, up to 100 ms, so a worker that comes late keeps
    # missing the lock: four busy workers waited 110 ms at the 99th percentile and over 1 s at worst. With an
    # attempt every millisecond it was 30 ms and 70 ms, for the same number of records.
    deadline = 0.0

    def wait(attempts: int) -> bool:
        nonlocal deadline
        if attempts == 0:
            deadline = monotonic() + busy_timeout_ms / 1e3
        sleep(0.001)
        return monotonic() < deadline

    return wait


def _use_wal(connection: apsw.Connection, wait: Callable[[int], bool]) -> None:
    # If several processes switch a new file to WAL, SQLite reports busy to all but one without calling the
    # handler: each holds a lock that the other waits for.
    for attempts in count():
        try:
            connection.pragma("journal_mode", "WAL")
        except apsw.BusyError:
            if not wait(attempts):
                raise
        else:
            return


@contextmanager
def _closing_on_error(connection: apsw.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
