"""Opening a log that another process has locked, or whose WAL was removed under its writer."""

import asyncio
import shutil
from pathlib import Path

import pytest

from service.audit.file.database import open_for_reading, open_for_writing
from service.audit.write.audit_log import AuditLog
from service.errors import AuditUnusable
from tests.support.audit.log_files import statements
from tests.support.audit.logs import ANSWERED, locked, read, write


def test_opening_an_existing_log_keeps_it_and_waits_for_no_lock(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", ANSWERED)

    with locked(tmp_path / "audit.db"):
        open_for_writing(tmp_path / "audit.db", busy_timeout_ms=0).close()

    assert len(read(tmp_path / "audit.db")) == 1


def test_a_new_log_that_stays_locked_is_refused_after_the_timeout(tmp_path: Path) -> None:
    statements(tmp_path / "audit.db", "PRAGMA user_version = 1")

    with locked(tmp_path / "audit.db"), pytest.raises(AuditUnusable, match="another process keeps it locked"):
        open_for_writing(tmp_path / "audit.db", busy_timeout_ms=50)


def test_a_log_whose_wal_was_removed_before_its_first_checkpoint_is_called_damaged(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    asyncio.run(log.append(ANSWERED))
    (tmp_path / "moved").mkdir()
    shutil.copy(log.path, tmp_path / "moved")  # Without its WAL.
    log.close()

    with pytest.raises(AuditUnusable, match="damaged, or its -wal file is missing"):
        open_for_reading(tmp_path / "moved" / "audit.db")
