"""A worker prunes a log in which a clock that was ahead left its mark."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from service.audit.keep.retention import Limits, prune_step
from service.audit.write.audit_log import AuditLog
from service.audit.write.logfile import LogFile
from tests.support.audit.logs import write
from tests.support.audit.retained_logs import LONG, recent, wait_for


def test_a_prune_under_a_clock_ahead_does_not_stop_the_next_worker(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *recent(300))
    with closing(LogFile(db)) as file, file.transaction() as (connection, tail):
        assert prune_step(connection, tail, Limits(max_bytes=1), datetime.now(UTC), 1) == 1
        connection.execute(
            "UPDATE event SET recorded_utc = '2099-01-01T00:00:00.000000Z' WHERE kind = 'prune'"
        )
    log = AuditLog.open(db, limits=Limits(max_bytes=len(LONG) * 50))
    wait_for(log, 100)
    log.close()
