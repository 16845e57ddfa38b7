"""A log is verified while its writer process writes it."""

from pathlib import Path

from service.audit.prove.verify import verify
from service.audit.write.audit_log import AuditLog
from tests.support.audit.logs import numbered, write


def test_a_log_may_be_written_while_it_is_verified(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    write(tmp_path / "audit.db", *numbered(5_000))
    write(tmp_path / "audit.db", *numbered(5))

    assert verify(tmp_path / "audit.db").records == 5_005
    log.close()
