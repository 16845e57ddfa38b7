"""What was committed is read back from the log's files."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.readback import read_back
from service.audit.write.logfile import LogFile
from service.errors import AuditUnusable
from tests.support.audit.log_files import checkpointed
from tests.support.audit.logs import BY_ADA, numbered, packed


def test_redacting_or_pruning_the_last_record_is_no_damage(tmp_path: Path) -> None:
    file, other = LogFile(tmp_path / "audit.db"), LogFile(tmp_path / "audit.db")
    file.write(packed(numbered(3)))
    read_back(tmp_path / "audit.db", file.committed)

    assert redact(other, "r-3", *BY_ADA) == 1
    read_back(tmp_path / "audit.db", file.committed)
    with other.transaction() as (connection, tail):
        assert prune_step(connection, tail, Limits(keep_days=0), datetime(2030, 1, 1, tzinfo=UTC)) == 3
    read_back(tmp_path / "audit.db", file.committed)

    other.close()
    file.close()


def test_a_missing_record_is_noticed(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "audit.db")
    file.write(packed(numbered(3)))
    with closing(apsw.Connection(str(tmp_path / "audit.db"))) as connection:
        connection.execute("DELETE FROM request WHERE id = 3")
    with pytest.raises(AuditUnusable, match="does not hold what was committed"):
        read_back(tmp_path / "audit.db", file.committed)
    file.close()


def test_a_log_that_is_written_and_read_back_without_pause_is_never_suspect(tmp_path: Path) -> None:
    first, second = LogFile(tmp_path / "audit.db"), LogFile(tmp_path / "audit.db")
    for number in range(150):
        (first, second)[number % 2].write(packed(numbered(100, first=number * 100)))
        read_back(tmp_path / "audit.db", first.committed)
        if number % 20 == 19:
            checkpointed(tmp_path / "audit.db")
    first.close()
    second.close()
