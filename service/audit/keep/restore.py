"""Restore: puts a backup in the place of the log, without what was erased since the backup was taken.

    1. The log is locked, so that no service uses it. Its WAL is moved into it, so that it is a single file.
    2. The backup is copied to ``NAME.restoring`` beside the log and verified.
    3. In the copy, everything is redacted that the list of erasures or the ledger of the log names. The holds
       that are in the ledger of the log only are added to that of the copy. An act states the restore.
    4. The log gets a second name, ``NAME.replaced-TIME``. The copy takes its place in one rename.

A process that is killed leaves the old log up to the rename, and the new one after it; both are complete. A
log that is damaged is replaced as well. Its ledger is then not read, and only the list of erasures counts.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from fcntl import LOCK_EX, LOCK_NB, lockf
from hashlib import file_digest
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from service.audit.act import ACT_COLUMNS, Act, Actor, make_act
from service.audit.file.backup import back_up
from service.audit.file.database import errors_as_unusable
from service.audit.file.raw_value import fetch_all
from service.audit.file.schema import schema_number
from service.audit.file.side_files import shm_path, wal_path
from service.audit.file.tail import Tail
from service.audit.keep.erasure import PATIENCE_S, erase
from service.audit.keep.erasures import Erasure, add_erasures, read_erasures, stated_erasures
from service.audit.keep.redaction import Target, remove_content
from service.audit.prove.verified_entry import content_hash_at
from service.audit.prove.verify import verify
from service.audit.write.logfile import LogFile
from service.errors import AuditMisuse
from service.system.durable import sync

_SHARED_FIRST, _SHARED_SIZE = 0x4000_0000 + 2, 510
"""The bytes of a database that every connection in WAL mode has locked, https://sqlite.org/lockingv3.html."""

_HOLDS = f"SELECT {ACT_COLUMNS} FROM ledger WHERE kind IN ('hold', 'hold_release') ORDER BY seq"  # noqa: S608
_TARGETS = "SELECT id, request_id, subject FROM request WHERE salt IS NOT NULL AND"
_OF_REQUEST = f"{_TARGETS} id = ? AND request_id = ?"
_OF_SUBJECT = f"""
    {_TARGETS} id IN (
        SELECT id FROM request WHERE subject = ?1 AND id <= ?2 AND received_utc <= ?3
        UNION SELECT o.request FROM request AS p JOIN outcome AS o ON o.request_id = p.request_id
        WHERE p.subject = ?1 AND p.id <= ?2 AND p.received_utc <= ?3
    ) ORDER BY id
"""  # noqa: S608 - no text from outside


class Restored(NamedTuple):
    """What a restore did."""

    replaced: Path | None
    """The replaced log; None if there was none."""
    redacted: int
    is_ledger_read: bool
    """Whether the erasures and holds of the replaced log's ledger are known."""


class _Replaced(NamedTuple):
    """The log that is to be replaced, while it is locked."""

    exists: bool
    log_id: str | None = None
    erasures: tuple[Erasure, ...] = ()
    holds: tuple[Act, ...] = ()
    is_read: bool = False


def restore(backup: Path, log: Path, actor: Actor, reason: str, patience_s: float = PATIENCE_S) -> Restored:
    """Replace the log by a backup of it; raises AuditMisuse if that cannot be, and then changes nothing."""
    part = log.with_name(f"{log.name}.restoring")
    try:
        with _locked(log) as old:
            _remove(part)
            _copy(backup, part)
            erasures = [*dict.fromkeys((*read_erasures(log), *old.erasures))]
            redacted = _bring_up_to_date(part, backup, old, erasures, actor, reason)
            erase(part, patience_s)
            _close_as_one_file(part)
            add_erasures(log, old.erasures)
            replaced = _publish(part, log, exists=old.exists)
    except OSError as error:
        raise AuditMisuse(f"{log} cannot be replaced: {error.filename}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            _remove(part)
    return Restored(replaced, redacted, old.is_read or not old.exists)


@contextmanager
def _locked(log: Path) -> Iterator[_Replaced]:
    """Keep every other process from opening the log; raises AuditMisuse if one has it open."""
    if not log.exists():
        yield _Replaced(exists=False)
        return
    _remove_second_names(log)
    try:
        connection = _exclusive(log)
    except apsw.BusyError as error:
        raise _in_use(log) from error
    except apsw.Error:
        with _locked_bytes(log):
            yield _Replaced(exists=True)
        return
    with closing(connection):
        yield _facts(connection)


def _exclusive(log: Path) -> apsw.Connection:
    """A connection that keeps the log locked, which is a single file now."""
    connection = apsw.Connection(str(log.absolute()), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.pragma("locking_mode", "EXCLUSIVE")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        connection.pragma("journal_mode", "DELETE")
        connection.execute("BEGIN EXCLUSIVE")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _locked_bytes(log: Path) -> Iterator[None]:
    descriptor = os.open(log, os.O_RDWR)
    try:
        lockf(descriptor, LOCK_EX | LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        yield
    except BlockingIOError as error:
        raise _in_use(log) from error
    finally:
        os.close(descriptor)


def _in_use(log: Path) -> AuditMisuse:
    return AuditMisuse(f"Another process has {log} open: stop the service first. Nothing was replaced")


def _facts(connection: apsw.Connection) -> _Replaced:
    try:
        log_id: str = connection.execute("SELECT log_id FROM log").get
        erasures = tuple(stated_erasures(connection))
        holds: list[Any] = []
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'ledger'").get:
            holds = connection.execute(_HOLDS).fetchall()
        return _Replaced(True, log_id, erasures, tuple(map(Act._make, holds)), is_read=True)
    except (apsw.Error, TypeError, ValueError):  # It is damaged.
        return _Replaced(exists=True)


def _copy(backup: Path, part: Path) -> None:
    with errors_as_unusable(backup):
        flags = apsw.SQLITE_OPEN_READONLY
        with closing(apsw.Connection(str(backup.absolute()), flags=flags)) as connection:
            if not schema_number(connection):
                raise AuditMisuse(f"{backup} is not a backup of an audit log")
            back_up(connection, part)


def _bring_up_to_date(
    part: Path, backup: Path, old: _Replaced, erasures: list[Erasure], actor: Actor, reason: str
) -> int:
    """Verify the copy and remove what was erased since; returns how many requests were redacted."""
    with backup.open("rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
    LogFile(part).close()  # It migrates the backup of an earlier version.
    problems = verify(part).problems
    if problems:
        raise AuditMisuse(f"The backup {backup} is broken ({problems[0]}). Nothing was replaced")
    with closing(LogFile(part)) as new, new.transaction() as (connection, tail):
        log_id = connection.execute("SELECT log_id FROM log").get
        if old.log_id not in (None, log_id):
            raise AuditMisuse(
                f"{backup} is a backup of another log, {log_id}, and the log in this place is {old.log_id}. "
                "Nothing was replaced; to put it here nevertheless, move the log away first"
            )
        for act in old.holds:
            tail.add_act(act)
        redacted = _redact_again(
            connection, tail, [one for one in erasures if one.log_id == log_id], actor, reason
        )
        detail: dict[str, object] = {
            "backup_sha256": sha256,
            "redacted_again": redacted,
            "replaced_a_log": old.exists,
            "ledger_of_replaced_read": old.is_read,
        }
        tail.add_act(make_act("restore", actor, detail, reason=reason))
    return redacted


def _redact_again(
    connection: apsw.Connection, tail: Tail, erasures: list[Erasure], actor: Actor, reason: str
) -> int:
    again: dict[int, dict[str, object]] = {}
    targets: dict[int, Target] = {}
    for erasure in erasures:
        for target in _targets(connection, erasure):
            targets[target.id] = target
            again[target.id] = {"again": erasure.recorded_utc}
    remove_content(connection, tail, [targets[id_] for id_ in sorted(targets)], actor, reason, again)
    return len(targets)


def _targets(connection: apsw.Connection, erasure: Erasure) -> list[Target]:
    """What the copy still has of an erasure."""
    if erasure.subject is not None:
        values = erasure.subject, erasure.upto_id, erasure.recorded_utc
        return [Target(*row) for row in fetch_all(connection, _OF_SUBJECT, values)]
    found = fetch_all(connection, _OF_REQUEST, (erasure.request, erasure.request_id))
    targets = [Target(*row) for row in found]
    # After an earlier restore, another request may have the same id.
    return [one for one in targets if content_hash_at(connection, one.id).hex() == erasure.content_sha256]


def _close_as_one_file(part: Path) -> None:
    with closing(apsw.Connection(str(part.absolute()))) as connection:
        connection.pragma("journal_mode", "DELETE")
    sync(part)


def _publish(part: Path, log: Path, *, exists: bool) -> Path | None:
    """Let the copy take the place of the log; returns the new name of the log."""
    aside = _free_name(log) if exists else None
    if aside is not None:
        os.link(log, aside)
        if wal_path(log).exists():  # Of a damaged log. With it, the new one would be damaged as well.
            wal_path(log).replace(wal_path(aside))
        sync(log.parent)
    shm_path(log).unlink(missing_ok=True)
    part.replace(log)
    sync(log.parent)
    return aside


def _free_name(log: Path) -> Path:
    base = f"{log.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    name, number = log.with_name(base), 1
    while name.exists():
        number += 1
        name = log.with_name(f"{base}.{number}")
    return name


def _remove_second_names(log: Path) -> None:
    """Remove the second names of the log that a restore left which was killed before its rename."""
    for name in log.parent.glob(f"{log.name}.replaced-*"):
        if name.samefile(log):
            name.unlink()


def _remove(part: Path) -> None:
    for file in part.parent.glob(f"{part.name}*"):
        file.unlink(missing_ok=True)
