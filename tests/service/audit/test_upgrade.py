"""Workers that start together on a log of an older schema upgrade it once."""

import subprocess
import sys
from pathlib import Path

from service.audit.prove.verify import verify
from tests.support.audit.log_files import older_log
from tests.support.audit.logs import PROJECT
from tests.support.waiting import PATIENCE_S

START = """
import sys
from pathlib import Path
from service.audit.write.audit_log import AuditLog
AuditLog.open(Path(sys.argv[1])).close()
"""


def test_workers_that_start_together_upgrade_once(tmp_path: Path) -> None:
    older_log(tmp_path / "audit.db")
    command = [sys.executable, "-c", START, str(tmp_path / "audit.db")]
    workers = [subprocess.Popen(command, cwd=PROJECT) for _ in range(4)]

    assert [worker.wait(PATIENCE_S) for worker in workers] == [0] * 4
    assert [path.name for path in tmp_path.glob("*.bak*")] == ["audit.db.v1.bak"]
    assert verify(tmp_path / "audit.db").ok
